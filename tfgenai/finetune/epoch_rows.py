"""Rows in memory as `fit` takes them: an order that only seed and epoch decide."""

from typing import Any

import numpy as np
import tensorflow as tf

from tfgenai.core import random


class EpochRows:
    """Arrays, dealt out in batches in another order each epoch.

    `fit` asks for epochs by number, as it does of `tfgenai.data.load`'s datasets, so
    that a run that is resumed goes on as if it had not been stopped.

    Args:
        arrays: a structure of arrays, each with the rows first, as a batch of `fit`.
        batch_size: rows in a batch; the last of an epoch may have fewer.
        seed: seed of the order.

    Example:
        >>> rows = EpochRows({"x": np.arange(5)}, batch_size=2, seed=0)
        >>> rows.steps_per_epoch
        3
        >>> epoch = rows.for_epochs(0, 1)
        >>> sorted(int(i) for batch in epoch for i in batch["x"])
        [0, 1, 2, 3, 4]
    """

    def __init__(self, arrays: Any, *, batch_size: int, seed: int) -> None:
        self.arrays = arrays
        self.batch_size = batch_size
        self.seed = seed
        self.num_rows = len(tf.nest.flatten(arrays)[0])
        self.steps_per_epoch = -(-self.num_rows // batch_size)

    def for_epochs(self, initial_epoch: int, epochs: int) -> tf.data.Dataset:
        """The epochs from `initial_epoch` to `epochs` - 1, one after the other."""
        numbers = range(initial_epoch, epochs)
        orders = np.zeros((len(numbers), self.num_rows), np.int64)
        for place, number in enumerate(numbers):
            orders[place] = random.numpy_generator(self.seed, number).permutation(
                self.num_rows
            )
        # Batches end where an epoch ends.
        indices = tf.data.Dataset.from_tensor_slices(orders).flat_map(
            lambda order: tf.data.Dataset.from_tensor_slices(order).batch(
                self.batch_size
            )
        )
        return indices.map(self._rows).prefetch(2)

    def batches(self) -> tf.data.Dataset:
        """All rows once in their own order, for validation."""
        return tf.data.Dataset.from_tensor_slices(self.arrays).batch(self.batch_size)

    def _rows(self, indices: tf.Tensor) -> Any:
        return tf.nest.map_structure(lambda a: tf.gather(a, indices), self.arrays)
