"""`load` and `load_arrays`: from the name of a set to batches or arrays."""

import dataclasses
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from tfgenai.core.errors import DataError
from tfgenai.core.random import check_seed
from tfgenai.core.registry import unknown_name
from tfgenai.data.augment import AUGMENTATIONS, Augmentation
from tfgenai.data.card import DatasetCard
from tfgenai.data.dataset import ImageDataset, Plan
from tfgenai.data.sources import Records, Source, open_source
from tfgenai.data.split import Slice

MEMORY_LIMIT = 2 * 2**30  # bytes of uint8 images
_BINARIZE = ("dynamic", "static", "threshold")


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


def load(
    name_or_path: "str | os.PathLike[str] | Source",
    *,
    split: str | Sequence[str] = "train",
    batch_size: int = 128,
    image_size: int | tuple[int, int] | None = None,
    shuffle: bool | None = None,
    augment: Sequence[str | Augmentation] = (),
    binarize: str | None = None,
    drop_remainder: bool | None = None,
    seed: int = 0,
    data_dir: "str | os.PathLike[str] | None" = None,
    memory_limit: int = MEMORY_LIMIT,
) -> Any:
    """Makes a dataset of batches out of a named set or a folder of images.

    Order, augmentation and binarization of epoch `e` are a pure function of `seed` and
    `e`, also when training is resumed. Sets above `memory_limit` are read from disk
    while training: folders in any order, TFDS sets shuffled in a window of 10,000.

    Args:
        name_or_path: "digits" (embedded), a TFDS name such as "mnist", or a folder of
            images with a folder for each class or none; see `ImageFolder`.
        split: "train", "test", or a slice such as "train[:90%]", "train[90%:]",
            "test[:1000]". Slices are stratified; with one `seed` they are disjoint and
            leave nothing out, and exact copies are never parted. A tuple of splits
            gives a tuple of datasets.
        batch_size: examples in a batch.
        image_size: `(height, width)` or one number, in pixels, to bring the images to;
            None leaves them as they are.
        shuffle: whether each epoch has its own order; None: training splits alone.
        augment: names ("flip", "shift", "crop") or `Augmentation` objects, for training
            splits alone.
        binarize: None; "dynamic": each pixel is drawn anew in each epoch with its grey
            value as probability; "static": drawn once, by `seed`; "threshold": at half.
            The result is -1 or 1.
        drop_remainder: whether an incomplete last batch is left out; None: in training
            splits, if that leaves a batch.
        seed: int in [0, 2**63).
        data_dir: where prepared TFDS sets are; None for `TFDS_DATA_DIR` or
            `~/tensorflow_datasets`.
        memory_limit: bytes of uint8 images up to which a split is kept in memory.

    Returns:
        `ImageDataset` of `(x, y)`, or of `x` without labels: x float32 `(batch, height,
        width, channels)` in [-1, 1], y int32 `(batch,)`. A tuple of them for a tuple.

    Raises:
        DataNotFoundError: if there is no such set, folder or network.
        DataError: if files, labels or splits are not usable.
        ValueError: if an argument is out of range.

    Example:
        >>> train, test = load("digits", split=("train", "test"), batch_size=100)
        >>> train.num_examples, test.num_examples, train.steps_per_epoch
        (1500, 297, 15)
        >>> x, y = next(iter(train))
        >>> tuple(x.shape), tuple(y.shape)
        ((100, 8, 8, 1), (100,))
    """
    if isinstance(batch_size, bool) or not isinstance(batch_size, (int, np.integer)):
        raise TypeError(
            f"An integer was expected. Received: batch_size={batch_size!r}."
        )
    if batch_size < 1:
        raise ValueError(f"batch_size >= 1 was expected. Received: {batch_size=}.")
    if binarize is not None and binarize not in _BINARIZE:
        raise ValueError(unknown_name("binarize", binarize, list(_BINARIZE)))
    if isinstance(augment, str):
        augment = (augment,)
    changes = tuple(AUGMENTATIONS.create(change) for change in augment)
    for change in changes:
        if not isinstance(change, Augmentation):
            raise TypeError(
                f"Names of {AUGMENTATIONS.names()} or Augmentation objects were "
                f"expected. Received: augment={augment!r}."
            )
    splits, read = _read(
        name_or_path,
        split,
        image_size=image_size,
        seed=seed,
        data_dir=data_dir,
        memory_limit=memory_limit,
    )
    _require_labels_stay_right(changes, read)
    datasets = []
    for text in splits:
        part, records, rows = read.part(text)
        trains = part.base == "train"
        drop = drop_remainder
        if drop is None:
            drop = trains and len(rows) >= batch_size
        if drop and len(rows) < batch_size:
            raise DataError(
                f"At least {batch_size} examples were expected, one batch. Received: "
                f"split={text!r} with {len(rows)} and drop_remainder=True. Choose a "
                "smaller batch_size."
            )
        plan = Plan(
            records=records,
            rows=rows,
            batch_size=int(batch_size),
            shuffle=trains if shuffle is None else bool(shuffle),
            drop_remainder=bool(drop),
            augment=changes if trains else (),
            binarize=binarize,
            seed=seed,
        )
        datasets.append(ImageDataset(plan, read.card(splits)))
    return datasets[0] if isinstance(split, str) else tuple(datasets)


def load_arrays(
    name_or_path: "str | os.PathLike[str] | Source",
    *,
    split: str = "train",
    image_size: int | tuple[int, int] | None = None,
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
    _, read = _read(
        name_or_path,
        split,
        image_size=image_size,
        seed=seed,
        data_dir=data_dir,
        memory_limit=None,
    )
    part, records, rows = read.part(split)
    if not part.is_whole:
        records = records.take(rows)
    if records.images is None:
        raise TypeError(
            "A source that keeps images in memory when memory_limit is None was "
            f"expected. Received: name_or_path={name_or_path!r}."
        )
    return ImageArrays(
        images=records.images,
        labels=records.labels,
        class_names=None if records.labels is None else read.source.class_names,
        ids=records.ids,
        card=read.card([split]),
    )


def describe(
    name_or_path: "str | os.PathLike[str] | Source",
    *,
    image_size: int | tuple[int, int] | None = None,
    data_dir: "str | os.PathLike[str] | None" = None,
) -> DatasetCard:
    """Reads all splits of a set and returns their card.

    Args:
        name_or_path: see `load`.
        image_size: see `load`.
        data_dir: see `load`.

    Raises:
        DataNotFoundError: if there is no such set, folder or network.
        DataError: if files or labels are not usable.
    """
    source = open_source(name_or_path, data_dir=data_dir)
    splits, read = _read(
        source,
        [name for name in source.split_names() if name != "all"],
        image_size=image_size,
        seed=0,
        data_dir=data_dir,
        memory_limit=MEMORY_LIMIT,
    )
    return read.card(splits)


class _Read:
    """The splits that were asked for, each read once, and what was chosen of them."""

    def __init__(
        self, source: Source, splits: list[str], seed: int, **options: Any
    ) -> None:
        self.source = source
        self._seed = seed
        self._size = options["image_size"]
        parts = {text: Slice.parse(text) for text in splits}
        for part in parts.values():
            source.require_split(part.base)
        bases: dict[str, Records] = {}
        self._parts = {}
        for text, part in parts.items():
            if part.base not in bases:
                bases[part.base] = source.read(part.base, **options)
            records = bases[part.base]
            rows = part.rows(records.labels, records.content.groups(), seed=seed)
            self._parts[text] = (part, records, rows)

    def part(self, text: str) -> tuple[Slice, Records, np.ndarray]:
        return self._parts[text]

    def card(self, splits: list[str]) -> DatasetCard:
        source = self.source
        cards = {}
        for text in splits:
            _, records, rows = self._parts[text]
            cards[text] = records.content.card(
                rows,
                records.labels,
                num_pixels=int(np.prod(records.image_shape)),
                num_classes=len(source.class_names or []),
            )
        which = splits[0] if len(splits) == 1 else tuple(splits)
        return DatasetCard(
            name=source.name,
            source=source.origin,
            licence=source.licence,
            homepage=source.homepage,
            reproduce=f"tfgenai.data.load({source.name!r}, split={which!r}, "
            f"image_size={self._size}, seed={self._seed})",
            image_shape=records.image_shape,
            splits=cards,
            class_names=source.class_names,
        )


def _read(
    name_or_path: Any,
    split: str | Sequence[str],
    *,
    image_size: int | tuple[int, int] | None,
    seed: int,
    data_dir: Any,
    memory_limit: int | None,
) -> tuple[list[str], _Read]:
    """Checks what all loaders take, and reads."""
    splits = [split] if isinstance(split, str) else list(split)
    if not splits:
        raise DataError(
            f"One split or more was expected. Received: {split=}. Give 'train'."
        )
    for text in splits:
        Slice.parse(text)
    check_seed(seed)
    if image_size is not None:
        if isinstance(image_size, (int, np.integer)):
            image_size = (image_size, image_size)
        values = tuple(int(value) for value in image_size)
        if len(values) != 2 or min(values) < 1:
            raise ValueError(
                "Two positive numbers (height, width) were expected. Received: "
                f"image_size={image_size!r}."
            )
        image_size = values
    source = open_source(name_or_path, data_dir=data_dir)
    options = {"image_size": image_size, "memory_limit": memory_limit}
    return splits, _Read(source, splits, seed, **options)


def _require_labels_stay_right(changes: Sequence[Augmentation], read: _Read) -> None:
    for change in changes:
        allowed = change.allow_mirrored_labels or not read.source.mirror_changes_meaning
        if change.mirrors and not allowed:
            raise DataError(
                "An augmentation that leaves labels right was expected. Received: "
                f"augment={type(change).__name__} for {read.source.name!r}, whose "
                "mirrored images mean something else. Leave it out, or pass "
                "tfgenai.data.augment.Flip(allow_mirrored_labels=True)."
            )
