"""`load_arrays`: splits as NumPy arrays; `describe`: the card of a whole set."""

import dataclasses
import os
from typing import Any

import numpy as np

from tfgenai.core.errors import DataError
from tfgenai.data.card import DatasetCard
from tfgenai.data.reading import MEMORY_LIMIT, ImageSize, NameOrPath, read
from tfgenai.data.sound import describe_sound
from tfgenai.data.sources import is_sound, is_text, open_source
from tfgenai.data.text import describe_text


@dataclasses.dataclass(frozen=True)
class ImageArrays:
    """Examples as NumPy arrays.

    Args:
        images: uint8 `(n, height, width, channels)` in [0, 255].
        labels: int32 `(n,)`, or None.
        class_names: name of each class, or None without labels.
        ids: a name for each example.
        card: `DatasetCard` of these examples.
    """

    images: np.ndarray
    labels: np.ndarray | None
    class_names: list[str] | None
    ids: list[str]
    card: DatasetCard

    def __len__(self) -> int:
        return len(self.images)

    @property
    def name(self) -> str:
        """Name of the set or path of the folder."""
        return self.card.name


def load_arrays(
    name_or_path: NameOrPath,
    *,
    split: str = "train",
    image_size: ImageSize | None = None,
    seed: int = 0,
    data_dir: "str | os.PathLike[str] | None" = None,
) -> ImageArrays:
    """Reads a split, or a slice of one, into memory, in the order of its source.

    Args:
        name_or_path: see `load`.
        split: see `load`.
        image_size: see `load`.
        seed: seed that slices are chosen by.
        data_dir: see `load`.

    Returns:
        `ImageArrays`.

    Raises:
        DataNotFoundError: if there is no such set, folder or network.
        DataError: if files, labels or splits are not usable.

    Example:
        >>> digits = load_arrays("digits", split="test")
        >>> digits.images.shape, digits.images.dtype.name
        ((297, 8, 8, 1), 'uint8')
    """
    found = read(
        name_or_path,
        split,
        image_size=image_size,
        seed=seed,
        data_dir=data_dir,
        memory_limit=None,
    )
    part = found.parts[split]
    records = part.records
    if not part.slice.is_whole:
        records = records.take(part.rows)
    if records.images is None:
        raise TypeError(
            "A source that keeps images in memory when memory_limit is None was "
            f"expected. Received: name_or_path={name_or_path!r}."
        )
    return ImageArrays(
        images=records.images,
        labels=records.labels,
        class_names=None if records.labels is None else found.source.class_names,
        ids=records.ids,
        card=found.card(),
    )


def describe(
    name_or_path: NameOrPath,
    *,
    image_size: ImageSize | None = None,
    sample_rate: int | None = None,
    channels: int | None = None,
    data_dir: "str | os.PathLike[str] | None" = None,
) -> DatasetCard:
    """Reads all splits of a set of images, of text or of sound and returns their card.

    Args:
        name_or_path: see `load`.
        image_size: of images: see `load`.
        sample_rate: of sound: see `load`.
        channels: of sound: see `load`.
        data_dir: see `load`.

    Raises:
        DataNotFoundError: if there is no such set, folder or network.
        DataError: if files or labels are not usable.
    """
    if is_text(name_or_path, data_dir=data_dir):
        _refuse(
            "text", image_size=image_size, sample_rate=sample_rate, channels=channels
        )
        return describe_text(name_or_path, data_dir=data_dir)
    is_asked = sample_rate is not None or channels is not None
    if is_asked or is_sound(name_or_path, data_dir=data_dir):
        _refuse("sound", image_size=image_size)
        return describe_sound(
            name_or_path,
            sample_rate=sample_rate,
            channels=channels,
            data_dir=data_dir,
            memory_limit=MEMORY_LIMIT,
        )
    source = open_source(name_or_path, data_dir=data_dir)
    splits = [name for name in source.split_names() if name != "all"]
    return read(
        source,
        splits,
        image_size=image_size,
        seed=0,
        data_dir=data_dir,
        memory_limit=MEMORY_LIMIT,
    ).card()


def _refuse(kind: str, **arguments: Any) -> None:
    for name, value in arguments.items():
        if value is not None:
            raise DataError(
                f"No {name} was expected with {kind}. Received: {name}={value!r}. "
                "Leave it out."
            )
