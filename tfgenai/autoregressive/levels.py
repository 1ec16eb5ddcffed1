"""Images as sequences of grey levels, and back."""

import math
from collections.abc import Sequence
from typing import Any

import tensorflow as tf


def levels_of_images(x: Any, num_levels: int) -> tf.Tensor:
    """Number of the level nearest to each value, in raster order.

    Args:
        x: float `(batch, height, width, channels)` in [-1, 1].
        num_levels: levels, equally spaced from -1 to 1.

    Returns:
        int32 `(batch, height * width * channels)` in [0, num_levels); row after row,
        channel after channel within a pixel.

    Example:
        >>> levels_of_images(tf.constant([[[[-1.0, 0.1]]]]), 3).numpy().tolist()
        [[0, 1]]
    """
    x = tf.convert_to_tensor(x)
    places = (tf.cast(x, tf.float32) + 1.0) * (0.5 * (num_levels - 1))
    levels = tf.cast(tf.round(places), tf.int32)
    levels = tf.clip_by_value(levels, 0, num_levels - 1)
    return tf.reshape(levels, (-1, math.prod(x.shape[1:])))


def levels_to_images(
    levels: tf.Tensor, num_levels: int, image_shape: Sequence[int]
) -> tf.Tensor:
    """Images of numbers of levels; the inverse of `levels_of_images`.

    Args:
        levels: int32 `(batch, height * width * channels)` in [0, num_levels).
        num_levels: levels, equally spaced from -1 to 1.
        image_shape: (height, width, channels).

    Returns:
        float32 `(batch, height, width, channels)` in [-1, 1].

    Example:
        >>> levels_to_images(tf.constant([[0, 1]]), 3, (1, 2, 1)).numpy().ravel()
        array([-1.,  0.], dtype=float32)
    """
    values = tf.cast(levels, tf.float32) * (2.0 / (num_levels - 1)) - 1.0
    return tf.reshape(values, (-1, *image_shape))
