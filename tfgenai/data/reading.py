"""Reads the splits that were asked for, each once, and describes them on a card."""

import dataclasses
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from tfgenai.core.errors import DataError
from tfgenai.core.random import check_seed
from tfgenai.data.card import DatasetCard
from tfgenai.data.sources import Records, Source, open_source
from tfgenai.data.split import Slice

MEMORY_LIMIT = 2 * 2**30  # bytes of uint8 images

NameOrPath = str | os.PathLike[str] | Source
ImageSize = int | tuple[int, int]


def read(
    name_or_path: NameOrPath,
    split: str | Sequence[str],
    *,
    image_size: ImageSize | None,
    seed: int,
    data_dir: Any,
    memory_limit: int | None,
) -> "ReadSplits":
    """Checks the arguments that all loaders take, and reads.

    Args:
        name_or_path: see `tfgenai.data.load`, as the others.
        split: one or more splits.
        image_size: size to bring the images to, or None.
        seed: seed that slices are chosen by.
        data_dir: folder of prepared TFDS sets, or None.
        memory_limit: bytes, or None to keep all images in memory.

    Raises:
        DataError: if something is not usable; see `tfgenai.data.load`.
        TypeError: if `split` is neither a string nor a sequence of them.
    """
    if not isinstance(split, Sequence):
        raise TypeError(
            f"A split such as 'train', or a tuple of them, was expected. Received: "
            f"{split=}."
        )
    splits = [split] if isinstance(split, str) else list(split)
    if not splits:
        raise DataError(
            f"One split or more was expected. Received: {split=}. Give 'train'."
        )
    for text in splits:
        Slice.parse(text)
    check_seed(seed)
    if image_size is not None:
        image_size = _height_and_width(image_size)
    source = open_source(name_or_path, data_dir=data_dir)
    return ReadSplits(
        source, splits, seed, image_size=image_size, memory_limit=memory_limit
    )


def _height_and_width(image_size: Any) -> tuple[int, int]:
    pair = (image_size, image_size) if np.ndim(image_size) == 0 else tuple(image_size)
    are_integers = all(
        isinstance(value, (int, np.integer)) and not isinstance(value, bool)
        for value in pair
    )
    if len(pair) != 2 or not are_integers or min(pair) < 1:
        raise ValueError(
            "Two positive whole numbers (height, width) were expected. Received: "
            f"image_size={image_size!r}."
        )
    return int(pair[0]), int(pair[1])


@dataclasses.dataclass(frozen=True)
class Part:
    """What was chosen of one split.

    Args:
        records: the whole split.
        rows: int64 `(k,)`, the examples that were chosen.
        slice: what was asked for.
    """

    records: Records
    rows: np.ndarray
    slice: Slice


class ReadSplits:
    """The splits that were asked for, and what was chosen of each.

    Args:
        source: what to read.
        names: the splits, as they were asked for.
        seed: seed that slices are chosen by.
        **options: arguments of `Source.read`.

    Raises:
        DataError: if a split is unknown or empty, or splits differ in shape.
    """

    def __init__(
        self, source: Source, names: list[str], seed: int, **options: Any
    ) -> None:
        self.source = source
        self.names = names
        self._seed = seed
        self._image_size = options["image_size"]
        parts = {name: Slice.parse(name) for name in names}
        for part in parts.values():
            source.require_split(part.base)
        whole = {
            base: source.read(base, **options)
            for base in dict.fromkeys(part.base for part in parts.values())
        }
        shapes = {base: records.image_shape for base, records in whole.items()}
        if len(set(shapes.values())) > 1:
            raise DataError(
                "Splits with images of one shape were expected. Received: "
                f"split={names} of {source.name!r} with {shapes}. Give image_size."
            )
        self.parts = {
            name: Part(
                whole[part.base],
                part.rows(
                    whole[part.base].labels,
                    whole[part.base].content.groups(),
                    seed=seed,
                ),
                part,
            )
            for name, part in parts.items()
        }

    def card(self) -> DatasetCard:
        """Describes all that was chosen."""
        source, first = self.source, self.parts[self.names[0]].records
        splits = {
            name: part.records.content.card(
                part.rows,
                part.records.labels,
                num_pixels=int(np.prod(first.image_shape)),
                num_classes=len(source.class_names or []),
            )
            for name, part in self.parts.items()
        }
        which = self.names[0] if len(self.names) == 1 else tuple(self.names)
        return DatasetCard(
            name=source.name,
            source=source.origin,
            licence=source.licence,
            homepage=source.homepage,
            reproduce=f"tfgenai.data.load({source.name!r}, split={which!r}, "
            f"image_size={self._image_size}, seed={self._seed})",
            image_shape=first.image_shape,
            splits=splits,
            class_names=source.class_names,
        )
