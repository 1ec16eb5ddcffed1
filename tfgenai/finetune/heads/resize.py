"""LinearResize: maps of another size, by two products of matrices."""

import tfgenai.core.backend  # noqa: F401  # isort: skip

from typing import Any

import keras
import numpy as np
import tensorflow as tf


@keras.saving.register_keras_serializable("tfgenai")
class LinearResize(keras.layers.Layer):
    """Linear interpolation to a height and a width, smoothed where it shrinks.

    It is `tf.image.resize` with `antialias=True`, written as products of matrices,
    which XLA compiles with their gradients, too.

    Args:
        height: of the result.
        width: of the result.

    Call arguments:
        x: float `(batch, rows, columns, channels)` of known sizes.

    Returns:
        Tensor `(batch, height, width, channels)` of the same dtype.

    Example:
        >>> LinearResize(1, 2)(tf.reshape([1.0, 3.0], (1, 2, 1, 1)))[0, 0, :, 0].numpy()
        array([2., 2.], dtype=float32)
    """

    def __init__(self, height: int, width: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.height = height
        self.width = width

    def call(self, x: tf.Tensor) -> tf.Tensor:
        """Resizes rows, then columns."""
        rows = tf.cast(resize_matrix(x.shape[1], self.height), x.dtype)
        columns = tf.cast(resize_matrix(x.shape[2], self.width), x.dtype)
        return tf.einsum("wj,bhjc->bhwc", columns, tf.einsum("hi,bijc->bhjc", rows, x))

    def compute_output_shape(self, input_shape: tuple[Any, ...]) -> tuple[Any, ...]:
        """The input's, with the new sizes."""
        return (input_shape[0], self.height, self.width, input_shape[-1])

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "height": self.height, "width": self.width}


def resize_matrix(old: int, new: int) -> np.ndarray:
    """How much of each old place is in each new one, float32 `(new, old)`."""
    scale = old / new
    centers = (np.arange(new)[:, np.newaxis] + 0.5) * scale
    distance = np.abs(np.arange(old) + 0.5 - centers) / max(scale, 1.0)
    weights = np.maximum(1.0 - distance, 0.0)
    return (weights / weights.sum(1, keepdims=True)).astype(np.float32)
