"""ImageDataset: batches whose order and noise are a function of seed and epoch."""

import dataclasses
from typing import Any

import numpy as np
import tensorflow as tf

from tfgenai.core import random
from tfgenai.data.augment import Augmentation
from tfgenai.data.card import DatasetCard
from tfgenai.data.epochs import STREAM, Batches, EpochDataset, finished
from tfgenai.data.images import to_float
from tfgenai.data.sources import Records

SHUFFLE_WINDOW = 10_000  # examples, for sets that are read from front to back
_ORDER, _AUGMENT, _BINARIZE, _WINDOW = range(4)
_PREFETCH_BYTES = 16 * 2**20
_WINDOW_BYTES = 256 * 2**20  # of decoded images in a shuffle window
_DRAWN_AT_ONCE = 4096  # images


@dataclasses.dataclass(frozen=True)
class Plan:
    """How batches are made of records.

    Args:
        records: the examples of the whole split.
        rows: int64 `(n,)`, those of the slice.
        batch_size: examples in a batch.
        shuffle: whether each epoch has its own order.
        drop_remainder: whether an incomplete last batch is left out.
        augment: changes of the images, in this order.
        binarize: None, "dynamic", "static" or "threshold".
        seed: seed of order and noise.
    """

    records: Records
    rows: np.ndarray
    batch_size: int
    shuffle: bool
    drop_remainder: bool
    augment: tuple[Augmentation, ...]
    binarize: str | None
    seed: int

    @property
    def steps_per_epoch(self) -> int:
        """Number of batches in an epoch."""
        full, rest = divmod(len(self.rows), self.batch_size)
        return full + bool(rest and not self.drop_remainder)

    @property
    def is_constant(self) -> bool:
        """Whether all epochs are alike."""
        return not (self.shuffle or self.augment or self.binarize == "dynamic")


class ImageDataset(EpochDataset):
    """A `tf.data.Dataset` of `(x, y)` or `x`, with its card; made by `load`.

    x is float32 `(batch, height, width, channels)` in [-1, 1], y int32 `(batch,)`.
    Each time it is iterated the next epoch comes, from epoch 0 on. `for_epochs` gives
    epochs by number.

    Attributes:
        card: `DatasetCard` of what was loaded.
        num_examples: examples in the slice.
        steps_per_epoch: batches in an epoch.
        binarize: how pixels are made black or white, or None.
        mixes_pixels: whether an augmentation makes values between those of the data.
    """

    def __init__(self, plan: Plan, card: DatasetCard) -> None:
        self.num_examples = len(plan.rows)
        self.binarize = plan.binarize
        self.mixes_pixels = any(each.mixes_pixels for each in plan.augment)
        super().__init__(
            _Pipeline(plan),
            card,
            steps_per_epoch=plan.steps_per_epoch,
            is_constant=plan.is_constant,
        )


class _Pipeline(Batches):
    """Holds the tensors of a plan and makes datasets of epoch numbers."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._fetch: Any = plan.records.fetch
        self._stream: Any = plan.records.stream
        records, labels, rows = plan.records, plan.records.labels, plan.rows
        images, row_seeds = None, None
        if plan.binarize == "static":
            row_seeds = random.row_seeds(plan.seed, len(records))
        with tf.device("CPU:0"):
            if records.images is not None:
                images = records.tensor()
                if row_seeds is not None:  # what is drawn once is kept
                    images = tf.constant(
                        static_binary(records.images[rows], seeds=row_seeds[rows])
                    )
                    labels = None if labels is None else labels[rows]
                    rows, row_seeds = np.arange(len(rows)), None
            self._images = images
            self._labels = None if labels is None else tf.constant(labels)
            self._rows = tf.constant(rows, tf.int64)
            self._row_seeds = None if row_seeds is None else tf.constant(row_seeds)
            base = random.step_seed(plan.seed, STREAM)
            self._seeds = [random.fold(base, purpose) for purpose in range(4)]
            chosen = np.zeros(len(records), bool)
            chosen[plan.rows] = True
            self._chosen = tf.constant(chosen)

    def batches(self, epochs: tf.data.Dataset, num_batches: int) -> tf.data.Dataset:
        """See `Batches.batches`."""
        streamed = self._stream is not None
        dataset = epochs.flat_map(self._streamed if streamed else self._by_index)
        dataset = dataset.map(self._finish, num_parallel_calls=2, deterministic=True)
        size = self._plan.batch_size * int(np.prod(self._plan.records.image_shape)) * 4
        prefetch = max(2, min(16, _PREFETCH_BYTES // size))
        return finished(dataset, num_batches, prefetch=prefetch)

    def _by_index(self, epoch: tf.Tensor) -> tf.data.Dataset:
        """Batches of `(epoch, batch, indices)` for records that have an index."""
        plan, n, order = self._plan, len(self._plan.rows), self._rows
        if plan.shuffle:
            seed = random.fold(self._seeds[_ORDER], epoch)
            order = tf.gather(order, random.permutation(seed, n))
        full = n // plan.batch_size
        parts = []
        if full:
            table = tf.reshape(order[: full * plan.batch_size], (full, plan.batch_size))
            numbers = tf.range(full, dtype=tf.int64)
            parts.append(
                tf.data.Dataset.from_tensor_slices(
                    (tf.fill([full], epoch), numbers, table)
                )
            )
        if n % plan.batch_size and not plan.drop_remainder:
            rest = order[full * plan.batch_size :]
            rest = tf.ensure_shape(rest, (n % plan.batch_size,))
            last = (epoch, tf.constant(full, tf.int64), rest)
            parts.append(tf.data.Dataset.from_tensors(last))
        return parts[0] if len(parts) == 1 else parts[0].concatenate(parts[1])

    def _streamed(self, epoch: tf.Tensor) -> tf.data.Dataset:
        """Batches of `(epoch, batch, indices, images)` in the order of storage."""
        plan = self._plan
        dataset = self._stream
        if len(plan.rows) < len(plan.records):
            dataset = dataset.filter(lambda i, _: tf.gather(self._chosen, i))
        if plan.shuffle:
            seed = random.fold(self._seeds[_WINDOW], epoch)
            fits = _WINDOW_BYTES // int(np.prod(plan.records.image_shape))
            window = max(min(SHUFFLE_WINDOW, fits), plan.batch_size)
            dataset = _shuffled_in_windows(dataset, window, seed)
        dataset = dataset.batch(plan.batch_size, drop_remainder=plan.drop_remainder)
        return dataset.enumerate().map(lambda batch, pair: (epoch, batch, *pair))

    def _finish(
        self,
        epoch: tf.Tensor,
        batch: tf.Tensor,
        indices: tf.Tensor,
        images: tf.Tensor | None = None,
    ) -> Any:
        """Gathers, augments, binarizes and scales one batch."""
        plan = self._plan
        if self._images is not None:
            images = tf.gather(self._images, indices)
        elif images is None:
            images = self._fetch(indices)
        if self._row_seeds is not None:
            images = _static(images, tf.gather(self._row_seeds, indices))
        for place, augmentation in enumerate(plan.augment):
            seed = random.fold(self._noise(_AUGMENT, epoch, batch), place)
            images = augmentation(images, seed)
        if plan.binarize == "dynamic":
            probs = tf.cast(images, tf.float32) / 255.0
            ones = random.bernoulli(self._noise(_BINARIZE, epoch, batch), probs)
            x = 2.0 * ones - 1.0
        elif plan.binarize is not None:
            # Of static ones, too: an augmentation may have mixed black and white.
            x = tf.where(images > 127, 1.0, -1.0)
        else:
            x = to_float(images)
        return x if self._labels is None else (x, tf.gather(self._labels, indices))

    def _noise(self, purpose: int, epoch: tf.Tensor, batch: tf.Tensor) -> tf.Tensor:
        return random.fold(random.fold(self._seeds[purpose], epoch), batch)


def _shuffled_in_windows(
    dataset: tf.data.Dataset, window: int, seed: tf.Tensor
) -> tf.data.Dataset:
    """Puts each stretch of `window` examples into an order of its own.

    `Dataset.shuffle` would mix TensorFlow's global seed into the order.
    """

    def permute(number: tf.Tensor, stretch: Any) -> Any:
        size = tf.shape(stretch[0])[0]
        order = random.permutation(random.fold(seed, number), size)
        return tuple(tf.gather(column, order) for column in stretch)

    stretches = dataset.batch(window).map(lambda *columns: columns)
    return stretches.enumerate().map(permute).unbatch()


def static_binary(
    images: np.ndarray, seed: int = 0, *, seeds: np.ndarray | None = None
) -> np.ndarray:
    """Draws each pixel once as 0 or 255, with its grey value as the chance of 255.

    Args:
        images: uint8 `(n, height, width, channels)`.
        seed: the draw of image `i` depends on `seed` and `i` alone.
        seeds: int64 `(n,)`, one for each image, instead of `seed`.

    Returns:
        uint8 of the same shape.
    """
    if seeds is None:
        seeds = random.row_seeds(seed, len(images))
    result = np.empty_like(images)
    with tf.device("CPU:0"):
        for start in range(0, len(images), _DRAWN_AT_ONCE):
            rows = slice(start, start + _DRAWN_AT_ONCE)
            result[rows] = _static(tf.constant(images[rows]), tf.constant(seeds[rows]))
    return result


def _static(images: tf.Tensor, seeds: tf.Tensor) -> tf.Tensor:
    chance = random.row_uniform(seeds, images.shape[1:])
    return tf.where(
        chance < tf.cast(images, tf.float32) / 255.0,
        tf.constant(255, tf.uint8),
        tf.constant(0, tf.uint8),
    )
