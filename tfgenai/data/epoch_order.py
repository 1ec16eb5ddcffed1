"""Which examples make up each batch of an epoch."""

import numpy as np
import tensorflow as tf

from tfgenai.core import random


def index_batches(
    epoch: tf.Tensor,
    rows: np.ndarray,
    batch_size: int,
    *,
    seed: tf.Tensor | None,
    drop_remainder: bool,
) -> tf.data.Dataset:
    """Numbers of the examples of each batch; runs inside a graph.

    Args:
        epoch: int64 `()`.
        rows: int64 `(n,)`, the examples.
        batch_size: examples in a batch.
        seed: int32 `(2,)`, of the order, with which the epoch is mixed; None leaves
            the rows in order.
        drop_remainder: whether an incomplete last batch is left out.

    Returns:
        A dataset of `(epoch, batch, indices)`: int64 `()`, `()` and `(batch_size,)`.
    """
    n, order = len(rows), tf.constant(rows, tf.int64)
    if seed is not None:
        order = tf.gather(order, random.permutation(random.fold(seed, epoch), n))
    full = n // batch_size
    parts = []
    if full:
        table = tf.reshape(order[: full * batch_size], (full, batch_size))
        numbers = tf.range(full, dtype=tf.int64)
        parts.append(
            tf.data.Dataset.from_tensor_slices((tf.fill([full], epoch), numbers, table))
        )
    if n % batch_size and not drop_remainder:
        rest = tf.ensure_shape(order[full * batch_size :], (n % batch_size,))
        last = (epoch, tf.constant(full, tf.int64), rest)
        parts.append(tf.data.Dataset.from_tensors(last))
    return parts[0] if len(parts) == 1 else parts[0].concatenate(parts[1])
