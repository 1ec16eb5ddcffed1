"""Shapes with as few operations as they need: what is known when a graph is made.

Under XLA shapes cost nothing. Outside of it, as in an export, a loop over tokens would
spend more time on small operations about shapes than on some of its products.
"""

from collections.abc import Sequence
from typing import TypeAlias

import keras
import tensorflow as tf

Size: TypeAlias = int | tf.Tensor


def sizes(x: tf.Tensor) -> list[Size]:
    """Length of each axis: an int where it is known, a scalar tensor elsewhere."""
    known = list(x.shape)
    if None not in known:
        return known
    found = tf.unstack(tf.shape(x))
    return [
        now if size is None else size for size, now in zip(known, found, strict=True)
    ]


def reshape(x: tf.Tensor, shape: Sequence[Size]) -> tf.Tensor:
    """`tf.reshape`, by a constant shape where at most one size is not known.

    Args:
        x: the tensor.
        shape: sizes, as from `sizes`.

    Returns:
        Tensor of that shape; sizes given as ints are part of its static shape.

    Example:
        >>> reshape(tf.zeros((2, 6)), [2, 3, 2]).shape
        TensorShape([2, 3, 2])
    """
    unknown = [size for size in shape if not isinstance(size, int)]
    if len(unknown) > 1:
        return tf.reshape(x, tf.stack(shape))
    return tf.reshape(x, [size if isinstance(size, int) else -1 for size in shape])


def map_rows(layer: keras.layers.Dense, x: tf.Tensor) -> tf.Tensor:
    """A linear layer over the last axis, as one product of matrices.

    Keras takes `tf.tensordot` for more than two axes: a dozen operations about shapes.

    Args:
        layer: the layer.
        x: float `(..., dim)`.

    Returns:
        float `(..., units)`.
    """
    if x.shape.rank == 2:
        return layer(x)
    rows = layer(tf.reshape(x, (-1, x.shape[-1])))
    return reshape(rows, [*sizes(x)[:-1], layer.units])
