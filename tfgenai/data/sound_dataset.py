"""SoundDataset: sounds of one length, in an order that is f(seed, epoch)."""

import dataclasses
from typing import Any

import numpy as np
import tensorflow as tf

from tfgenai.core import random
from tfgenai.data.augment import SoundAugmentation
from tfgenai.data.card import DatasetCard
from tfgenai.data.epoch_order import index_batches
from tfgenai.data.epochs import STREAM, Batches, EpochDataset, finished
from tfgenai.data.sources.sound_records import SoundRecords

_ORDER, _PLACE, _AUGMENT = range(32, 35)  # those of images and text are smaller
_PREFETCH_BYTES = 16 * 2**20


@dataclasses.dataclass(frozen=True)
class SoundPlan:
    """How batches are made of sounds.

    Args:
        records: the sounds of the whole split.
        rows: int64 `(n,)`, those of the slice.
        num_samples: length that all are brought to.
        batch_size: examples in a batch.
        shuffle: whether each epoch has its own order.
        moves: whether longer sounds are cut at a random place; else in their middle.
        drop_remainder: whether an incomplete last batch is left out.
        augment: changes of the sounds, in this order.
        seed: seed of all draws.
    """

    records: SoundRecords
    rows: np.ndarray
    num_samples: int
    batch_size: int
    shuffle: bool
    moves: bool
    drop_remainder: bool
    augment: tuple[SoundAugmentation, ...]
    seed: int

    @property
    def steps_per_epoch(self) -> int:
        """Number of batches in an epoch."""
        full, rest = divmod(len(self.rows), self.batch_size)
        return full + bool(rest and not self.drop_remainder)

    @property
    def is_constant(self) -> bool:
        """Whether all epochs are alike."""
        longest = self.records.lengths[self.rows].max()
        is_cut = self.moves and bool(longest > self.num_samples)
        return not (self.shuffle or self.augment or is_cut)


class SoundDataset(EpochDataset):
    """A `tf.data.Dataset` of `(x, y)` or `x`, with its card; made by `load`.

    x is float32 `(batch, num_samples, channels)` in [-1, 1], y int32 `(batch,)`.
    Shorter sounds end with zeros. Of longer ones a part is taken: of training data a
    new one in each epoch, uniformly; of other data the middle.

    Each time it is iterated the next epoch comes, from epoch 0 on. `for_epochs` gives
    epochs by number.

    Attributes:
        card: `DatasetCard` of what was loaded.
        num_examples: examples in the slice.
        steps_per_epoch: batches in an epoch.
        sample_rate: samples a second, Hz.
        num_samples: length of each example, samples.
    """

    def __init__(self, plan: SoundPlan, card: DatasetCard) -> None:
        self.num_examples = len(plan.rows)
        self.sample_rate = plan.records.sample_rate
        self.num_samples = plan.num_samples
        super().__init__(
            _Pipeline(plan),
            card,
            steps_per_epoch=plan.steps_per_epoch,
            is_constant=plan.is_constant,
        )


class _Pipeline(Batches):
    """Holds the tensors of a plan and makes datasets of epoch numbers."""

    def __init__(self, plan: SoundPlan) -> None:
        self._plan, records = plan, plan.records
        with tf.device("CPU:0"):
            in_memory = records.samples is not None
            self._samples = records.tensor() if in_memory else None
            self._offsets = tf.constant(records.offsets)
            self._lengths = tf.constant(records.lengths)
            labels = records.labels
            self._labels = None if labels is None else tf.constant(labels)
            base = random.step_seed(plan.seed, STREAM)
            self._order, self._place, self._noise = (
                random.fold(base, purpose) for purpose in (_ORDER, _PLACE, _AUGMENT)
            )

    def batches(self, epochs: tf.data.Dataset, num_batches: int) -> tf.data.Dataset:
        """See `Batches.batches`."""
        plan = self._plan
        dataset = epochs.flat_map(
            lambda epoch: index_batches(
                epoch,
                plan.rows,
                plan.batch_size,
                seed=self._order if plan.shuffle else None,
                drop_remainder=plan.drop_remainder,
            )
        )
        dataset = dataset.map(self._finish, num_parallel_calls=2, deterministic=True)
        size = plan.batch_size * plan.num_samples * plan.records.channels * 4
        prefetch = max(2, min(16, _PREFETCH_BYTES // size))
        return finished(dataset, num_batches, prefetch=prefetch)

    def _finish(self, epoch: tf.Tensor, batch: tf.Tensor, indices: tf.Tensor) -> Any:
        """Cuts, fills up and augments one batch."""
        plan = self._plan
        room = tf.maximum(tf.gather(self._lengths, indices) - plan.num_samples, 0)
        starts = room // 2
        if plan.moves:
            seed = random.fold(random.fold(self._place, epoch), batch)
            # In float64 by two draws, for float32 has no 2**24 places.
            draws = tf.cast(random.uniform(seed, (2, tf.shape(indices)[0])), tf.float64)
            share = draws[0] + draws[1] * 2.0**-23
            places = tf.cast(room + 1, tf.float64)
            starts = tf.minimum(tf.cast(share * places, tf.int64), room)
        take = self._fetched if self._samples is None else self._gathered
        x = take(indices, starts)
        for place, augmentation in enumerate(plan.augment):
            seed = random.fold(random.fold(self._noise, epoch), batch)
            x = augmentation(x[..., 0], random.fold(seed, place))[..., tf.newaxis]
        return x if self._labels is None else (x, tf.gather(self._labels, indices))

    def _gathered(self, indices: tf.Tensor, starts: tf.Tensor) -> tf.Tensor:
        lengths = tf.gather(self._lengths, indices)[:, tf.newaxis]
        places = starts[:, tf.newaxis] + tf.range(
            self._plan.num_samples, dtype=tf.int64
        )
        is_inside = places < lengths
        places = tf.minimum(places, lengths - 1)
        places += tf.gather(self._offsets, indices)[:, tf.newaxis]
        x = tf.gather(self._samples, places)
        return tf.where(is_inside[..., tf.newaxis], x, 0.0)

    def _fetched(self, indices: tf.Tensor, starts: tf.Tensor) -> tf.Tensor:
        plan = self._plan
        fetch = plan.records.fetch

        def load(indices: np.ndarray, starts: np.ndarray) -> np.ndarray:
            shape = (len(indices), plan.num_samples, plan.records.channels)
            x = np.zeros(shape, np.float32)
            for row, index, start in zip(x, indices, starts, strict=True):
                part = fetch(int(index))[start : start + plan.num_samples]  # type: ignore[misc]
                row[: len(part)] = part
            return x

        x = tf.numpy_function(load, [indices, starts], tf.float32, stateful=False)
        shape = (indices.shape[0], plan.num_samples, plan.records.channels)
        return tf.ensure_shape(x, shape)
