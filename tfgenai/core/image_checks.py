"""Checks of images and of their batches, for models that take them as they are."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf


def check_image_shape(image_shape: Sequence[int]) -> tuple[int, int, int]:
    """Returns the shape as a tuple.

    Raises:
        ValueError: if it is not (height, width, channels).
    """
    shape = tuple(image_shape)
    if len(shape) != 3 or not all(map(_is_count, shape)):
        raise ValueError(
            "A shape (height, width, channels) of positive whole numbers was expected. "
            f"Received: image_shape={shape}. Grey images have one channel: (28, 28, 1)."
        )
    height, width, channels = (int(side) for side in shape)
    return height, width, channels


def check_image_batch(
    x: tf.Tensor,
    y: tf.Tensor | None,
    image_shape: Sequence[int],
    num_classes: int | None,
) -> tf.Tensor | None:
    """Checks a training batch while the step is traced; returns its labels or None.

    Raises:
        TypeError: if images are not floats.
        ValueError: if shapes do not fit or labels are missing.
    """
    if not x.dtype.is_floating:
        raise TypeError(
            "Images of floats in [-1, 1] were expected. Received: x of type "
            f"{x.dtype.name}. Load data with tfgenai.data.load, or scale bytes with "
            "x / 127.5 - 1."
        )
    if not x.shape[1:].is_compatible_with(tuple(image_shape)):
        raise ValueError(
            f"Images of shape {tuple(image_shape)} were expected. Received: batches "
            f"of shape {x.shape}. Resize the data, or make the model with their shape."
        )
    if num_classes is None:
        return None
    if y is None:
        raise ValueError(
            "Batches of (x, labels) were expected: the model is conditional. "
            "Received: y=None. Give labels, or make it with num_classes=None."
        )
    if not y.dtype.is_integer or y.shape.rank != 1:
        raise ValueError(
            "Integer labels of shape (batch,) were expected. Received: y of type "
            f"{y.dtype.name} and shape {y.shape}. Turn one-hot labels into numbers "
            "with argmax."
        )
    return y


def check_images(x: Any, image_shape: Sequence[int], *, name: str = "x") -> np.ndarray:
    """Returns images as a float32 array.

    Args:
        x: float `(n, height, width, channels)` in [-1, 1], array or tensor.
        image_shape: (height, width, channels).
        name: the argument's name, for messages.

    Returns:
        float32 `(n, height, width, channels)`.

    Raises:
        TypeError: if they are not floats.
        ValueError: if shape or range do not fit.
    """
    array = np.asarray(x)
    if array.dtype.kind != "f":
        raise TypeError(
            "Images of floats in [-1, 1] were expected. Received: "
            f"{name} of type {array.dtype}. Turn bytes into floats with "
            f"{name} / 127.5 - 1."
        )
    expected = tuple(image_shape)
    if array.ndim != 4 or array.shape[1:] != expected or not len(array):
        raise ValueError(
            f"Images of shape (n, {', '.join(map(str, expected))}), n > 0, were "
            f"expected. Received: {name} of shape {array.shape}. Resize them, or add "
            f"an axis to a single one: {name}[None]."
        )
    # Written so that NaN is out of range.
    if not (np.abs(array) <= 1.0).all():
        worst = array[~(np.abs(array) <= 1.0)].ravel()[0]
        raise ValueError(
            f"Images of values in [-1, 1] were expected. Received: {name} with the "
            f"value {worst}. Scale them first."
        )
    return array.astype(np.float32, copy=False)


def _is_count(value: Any) -> bool:
    is_whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    return is_whole and value > 0
