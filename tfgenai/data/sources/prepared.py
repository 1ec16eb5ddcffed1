"""Images and text of a folder that `tfgenai data prepare` made."""

import os
from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from tfgenai.core.errors import DataError
from tfgenai.data.content import Content
from tfgenai.data.images import resize
from tfgenai.data.preparation import Prepared
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
        labels = None
        if self.class_names is not None:
            without = [i for i, n in zip(ids, names, strict=True) if n is None]
            if without:
                raise DataError(
                    f"A label of each image was expected. Received: {self.name!r} with "
                    f"{len(without)} without, the first is {without[0]!r}. Label them "
                    "(`tfgenai data label`), or drop them with the rule `unlabelled`."
                )
            numbers = {name: i for i, name in enumerate(self.class_names)}
            labels = np.array([numbers[name] for name in names], np.int32)
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
