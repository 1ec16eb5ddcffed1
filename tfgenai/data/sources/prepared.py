"""Images, text and sound of a folder that `tfgenai data prepare` made."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import tensorflow as tf

from tfgenai.core.errors import DataError
from tfgenai.data.content import Content
from tfgenai.data.images import resize
from tfgenai.data.preparation import Prepared
from tfgenai.data.preparation.contents import decode_content
from tfgenai.data.raw.example import Sound
from tfgenai.data.sources.sound_records import SoundRecords, converted
from tfgenai.data.sources.sound_source import SoundSource
from tfgenai.data.sources.source import Records, Source
from tfgenai.data.sources.text_source import TextSource

_LISTED = 5


class PreparedImages(Source):
    """Images of a prepared folder; sets above the memory limit are streamed.

    Args:
        path: the folder.

    Raises:
        DataError: if it holds no images.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._prepared = Prepared(path)
        card = self._prepared.card
        if self._prepared.kind != "images":
            raise DataError(
                f"A folder of prepared images was expected. Received: "
                f"path={os.fspath(path)!r}, which holds {self._prepared.kind}."
            )
        self.name, self.origin = os.fspath(path), f"prepared from {card.source}"
        self.licence, self.homepage = card.licence, card.homepage
        self.class_names = card.class_names

    def split_names(self) -> list[str]:
        """See `Source.split_names`."""
        return self._prepared.split_names()

    def read(
        self,
        split: str,
        *,
        image_size: tuple[int, int] | None = None,
        memory_limit: int | None = None,
    ) -> Records:
        """See `Source.read`.

        Raises:
            DataError: if images differ in size and `image_size` is None, or some have
                no label and others have.
        """
        self.require_split(split)
        shape, ids, labels = self._look(split, image_size)
        if not ids:
            raise DataError(
                f"Examples were expected. Received: split={split!r} of {self.name!r}, "
                "which is empty."
            )
        size = len(ids) * int(np.prod(shape))
        in_memory = memory_limit is None or size <= memory_limit
        images = np.empty((len(ids), *shape), np.uint8) if in_memory else None
        contents = []
        for i, image in enumerate(self._images(split, shape)):
            contents.append(Content.of(image[np.newaxis]))
            if images is not None:
                images[i] = image
        return Records(
            shape,
            labels,
            ids,
            Content.join(contents),
            images=images,
            stream=None if images is not None else self._stream(split, shape),
        )

    def _look(
        self, split: str, image_size: tuple[int, int] | None
    ) -> tuple[tuple[int, int, int], list[str], np.ndarray | None]:
        """The common shape, ids and labels of a split, by the ledger."""
        ledger = self._prepared.ledger()
        # Of all splits: what is trained on one is tested on another.
        kept = ledger.filter(ledger["split"].is_valid())
        sizes = set(
            zip(kept["height"].to_pylist(), kept["width"].to_pylist(), strict=True)
        )
        channels = max(kept["channels"].to_pylist())
        if image_size is None and len(sizes) > 1:
            raise DataError(
                f"Images of one size were expected, or image_size. Received: "
                f"{self.name!r} with {len(sizes)} sizes, such as "
                f"{sorted(sizes)[:_LISTED]}. Give image_size=(height, width), or the "
                "rule `image_size` in the recipe."
            )
        height, width = image_size or next(iter(sizes))
        rows = self._prepared.columns(split, "id", "label")
        ids, names = rows["id"].to_pylist(), rows["label"].to_pylist()
        labels = _numbers(self, names, ids)
        return (height, width, channels), ids, labels

    def _images(self, split: str, shape: tuple[int, int, int]) -> Iterator[np.ndarray]:
        for example in self._prepared.read(split):
            image = np.asarray(example.content)
            if image.shape[2] < shape[2]:
                image = np.repeat(image, shape[2], axis=2)
            yield np.asarray(resize(image, shape[:2]))

    def _stream(self, split: str, shape: tuple[int, int, int]) -> tf.data.Dataset:
        return tf.data.Dataset.from_generator(
            lambda: enumerate(self._images(split, shape)),
            output_signature=(
                tf.TensorSpec((), tf.int64),
                tf.TensorSpec(shape, tf.uint8),
            ),
        )


class PreparedText(TextSource):
    """Documents of a prepared folder.

    Args:
        path: the folder.

    Raises:
        DataError: if it holds no text.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._prepared = Prepared(path)
        card = self._prepared.card
        if self._prepared.kind != "text":
            raise DataError(
                f"A folder of prepared text was expected. Received: "
                f"path={os.fspath(path)!r}, which holds {self._prepared.kind}."
            )
        self.name, self.origin = os.fspath(path), f"prepared from {card.source}"
        self.licence, self.homepage = card.licence, card.homepage

    def split_names(self) -> list[str]:
        """See `TextSource.split_names`."""
        return self._prepared.split_names()

    def read(self, split: str) -> list[str]:
        """See `TextSource.read`."""
        self.require_split(split)
        return [str(example.content) for example in self._prepared.read(split)]


class PreparedSound(SoundSource):
    """Sounds of a prepared folder; sets above the memory limit are read again.

    Args:
        path: the folder.

    Raises:
        DataError: if it holds no sound.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._prepared = Prepared(path)
        card = self._prepared.card
        if self._prepared.kind != "sound":
            raise DataError(
                f"A folder of prepared sound was expected. Received: "
                f"path={os.fspath(path)!r}, which holds {self._prepared.kind}."
            )
        self.name, self.origin = os.fspath(path), f"prepared from {card.source}"
        self.licence, self.homepage = card.licence, card.homepage
        self.class_names = card.class_names

    def split_names(self) -> list[str]:
        """See `SoundSource.split_names`."""
        return self._prepared.split_names()

    def read(
        self,
        split: str,
        *,
        sample_rate: int | None = None,
        channels: int | None = None,
        memory_limit: int | None = None,
    ) -> SoundRecords:
        """See `SoundSource.read`."""
        self.require_split(split)
        rows = self._prepared.columns(split, "id", "label")
        ids = rows["id"].to_pylist()
        labels = _numbers(self, rows["label"].to_pylist(), ids)
        ledger = self._prepared.ledger()
        kept = ledger.filter(ledger["split"].is_valid())
        known = {
            name: sorted(set(kept[name].to_pylist()))
            for name in ("sample_rate", "channels")
        }
        for name, wanted in (("sample_rate", sample_rate), ("channels", channels)):
            if wanted is None and len(known[name]) > 1:
                raise DataError(
                    f"Sounds of one {name} were expected, or {name}. Received: "
                    f"{self.name!r} with {known[name][:_LISTED]}. Give {name}=..., or "
                    f"the rule `{name}` in the recipe."
                )
        rate = sample_rate or known["sample_rate"][0]
        count = channels or known["channels"][0]

        def sounds() -> Iterator[Sound]:
            for example in self._prepared.read(split):
                if isinstance(example.content, Sound):
                    yield converted(example.content, rate, count)

        total = sum(len(sound.samples) for sound in sounds())
        is_kept = memory_limit is None or 4 * total * count <= memory_limit
        fetch = None if is_kept else _Fetched(self._prepared, split, rate, count)
        return SoundRecords.of(sounds(), labels, ids, total=total, fetch=fetch)


class _Fetched:
    """Sounds by number, a row of a file at a time."""

    def __init__(
        self, prepared: Prepared, split: str, rate: int, channels: int
    ) -> None:
        self._rate, self._channels = rate, channels
        self._places: list[tuple[Path, int, int]] = []
        for path in prepared.files(split):
            with pq.ParquetFile(path) as file:
                for group in range(file.num_row_groups):
                    rows = file.metadata.row_group(group).num_rows
                    self._places += [(path, group, row) for row in range(rows)]

    def __call__(self, number: int) -> np.ndarray:
        path, group, row = self._places[number]
        with pq.ParquetFile(path) as file:
            table = file.read_row_group(group, columns=["content"])
        sound = decode_content(table["content"][row].as_py(), "sound")
        if not isinstance(sound, Sound):
            raise DataError(f"A sound was expected. Received: row {row} of {path}.")
        return converted(sound, self._rate, self._channels).samples


def _numbers(
    source: Source | SoundSource, names: list[str | None], ids: list[str]
) -> np.ndarray | None:
    """The numbers of classes, or None of a set without labels."""
    if source.class_names is None:
        return None
    without = [one for one, name in zip(ids, names, strict=True) if name is None]
    if without:
        raise DataError(
            f"A label of each example was expected. Received: {source.name!r} with "
            f"{len(without)} without, the first is {without[0]!r}. Label them "
            "(`tfgenai data label`), or drop them with the rule `unlabelled`."
        )
    numbers = {name: i for i, name in enumerate(source.class_names)}
    return np.array([numbers[str(name)] for name in names], np.int32)
