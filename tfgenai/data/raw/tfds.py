"""Prepared TFDS sets of images, text or sound, one example at a time."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from tfgenai.core.errors import DataError
from tfgenai.data.raw.example import Example, Kind, Sound
from tfgenai.data.raw.source import Chunk, RawSource

_IN_CHUNK = 4096
_CONTENTS: dict[str, Kind] = {"image": "images", "text": "text", "audio": "sound"}


class TFDSSource(RawSource):
    """A set that `tfgenai data import` or TFDS itself has prepared.

    Args:
        name: name of the set, perhaps with its version: "mnist:3.0.1".
        data_dir: where prepared sets are; None for the usual folder.

    Raises:
        DataNotFoundError: if there is no such set.
        DataError: if it holds neither images, text nor sound.
    """

    def __init__(self, name: str, *, data_dir: str | None = None) -> None:
        self._arguments = (name, data_dir)
        info: Any = self._builder().info
        features = info.features or {}
        content = next((key for key in _CONTENTS if key in features), None)
        if content is None:
            raise DataError(
                f"A set with {' or '.join(_CONTENTS)} was expected. Received: "
                f"{name!r} with {sorted(features)}."
            )
        self._content = content
        self.kind = _CONTENTS[content]
        self.name = f"tfds:{name}"
        self.origin = f"TFDS {info.full_name}"
        self.homepage = info.homepage or ""
        self._counts = {
            split: int(info.splits[split].num_examples) for split in sorted(info.splits)
        }
        names = getattr(features.get("label"), "names", None)
        self._names = list(names) if names else None
        self._sample_rate = getattr(features[content], "sample_rate", None)

    def chunks(self) -> list[Chunk]:
        """4,096 examples of a split each."""
        stretches = [
            (split, start, min(start + _IN_CHUNK, count))
            for split, count in self._counts.items()
            for start in range(0, count, _IN_CHUNK)
        ]
        return [
            Chunk(number, file=split, start=start, stop=stop)
            for number, (split, start, stop) in enumerate(stretches)
        ]

    def read(self, chunk: Chunk) -> Iterator[Example]:
        """See `RawSource.read`."""
        import tensorflow_datasets as tfds

        builder = self._builder()
        split = f"{chunk.file}[{chunk.start}:{chunk.stop}]"
        config = tfds.ReadConfig(interleave_cycle_length=1)
        data = builder.as_dataset(split=split, read_config=config, shuffle_files=False)
        for row, values in enumerate(tfds.as_numpy(data), start=chunk.start):
            label = values.get("label")
            if label is not None and self._names is not None:
                label = self._names[int(label)]
            yield Example(
                f"{chunk.file}#{row:09d}",
                self._to_content(values[self._content]),
                label=None if label is None else str(label),
                split=chunk.file,
            )

    def _builder(self) -> Any:
        from tfgenai.data.tfds_builders import get_builder, prepare

        builder = get_builder(*self._arguments)
        prepare(builder)
        return builder

    def _to_content(self, value: Any) -> Any:
        if self.kind == "text":
            return value.decode("utf-8", "replace")
        if self.kind == "images":
            return np.asarray(value)
        samples = np.asarray(value)
        if samples.dtype.kind in "iu":
            # TFDS keeps 16-bit samples as they are, in wider integers.
            samples = samples / 2.0**15
        samples = np.clip(samples, -1.0, 1.0).astype(np.float32)
        samples = samples[:, np.newaxis] if samples.ndim == 1 else samples
        return Sound(samples, int(self._sample_rate or 16_000))
