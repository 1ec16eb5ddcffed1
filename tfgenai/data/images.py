"""Images: between uint8 and [-1, 1], and to another size."""

import numpy as np
import tensorflow as tf

from tfgenai.data.image_files import EXTENSIONS as EXTENSIONS
from tfgenai.data.image_files import decode as decode
from tfgenai.data.image_files import shape_in_header as shape_in_header


def to_float(images: tf.Tensor | np.ndarray) -> tf.Tensor:
    """Scales uint8 images to float32 in [-1, 1]; 0 becomes -1 and 255 becomes 1.

    Example:
        >>> to_float(np.array([0, 255], np.uint8)).numpy().tolist()
        [-1.0, 1.0]
    """
    return tf.cast(images, tf.float32) / 127.5 - 1.0


def to_uint8(x: tf.Tensor | np.ndarray) -> tf.Tensor:
    """The inverse of `to_float`; rounds, and clips what lies outside of [-1, 1].

    Example:
        >>> to_uint8(np.array([-1.0, 1.0, 1.5])).numpy().tolist()
        [0, 255, 255]
    """
    x = tf.cast(x, tf.float32)
    return tf.cast(tf.round(tf.clip_by_value((x + 1.0) * 127.5, 0.0, 255.0)), tf.uint8)


def resize(
    images: tf.Tensor | np.ndarray, image_size: tuple[int, int]
) -> tf.Tensor | np.ndarray:
    """Brings images to a size: cut around the centre to its proportions, then scaled.

    Bilinear, with a filter as wide as a reduction asks for (antialias).

    Args:
        images: uint8 `(batch, height, width, channels)` or `(height, width, channels)`.
        image_size: `(height, width)` in pixels.

    Returns:
        uint8 of the new size; the argument itself if it has that size.
    """
    if tuple(images.shape[-3:-1]) == tuple(image_size):
        return images
    height, width = image_size
    shape = tf.shape(images)
    old_height, old_width = shape[-3], shape[-2]
    # Integers: the largest window of the new proportions that fits.
    cut_height = tf.maximum(tf.minimum(old_height, old_width * height // width), 1)
    cut_width = tf.maximum(tf.minimum(old_width, old_height * width // height), 1)
    top, left = (old_height - cut_height) // 2, (old_width - cut_width) // 2
    images = images[..., top : top + cut_height, left : left + cut_width, :]
    scaled = tf.image.resize(images, (height, width), antialias=True)
    return tf.cast(tf.round(tf.clip_by_value(scaled, 0.0, 255.0)), tf.uint8)
