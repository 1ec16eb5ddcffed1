"""Checks of what a diffusion model is given, before any work begins."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfgenai.diffusion.thresholding import THRESHOLDINGS


def check_shapes(
    image_shape: Sequence[int] | None, data_shape: Sequence[int] | None
) -> tuple[int, ...]:
    """The shape of one example, from the one of the two that is given.

    Raises:
        ValueError: if both or none are given, or a side is not positive.
    """
    if (image_shape is None) == (data_shape is None):
        raise ValueError(
            "Either image_shape=(height, width, channels) or data_shape=(length, "
            f"channels) or (dim,) was expected. Received: image_shape={image_shape}, "
            f"data_shape={data_shape}."
        )
    shape = tuple(image_shape if image_shape is not None else data_shape or ())
    if image_shape is not None and len(shape) != 3:
        raise ValueError(
            "A shape (height, width, channels) was expected. Received: "
            f"image_shape={shape}. Grey images have one channel: (28, 28, 1); sounds "
            "and vectors are given as data_shape."
        )
    if not shape or not all(_is_integer(side) and side >= 1 for side in shape):
        raise ValueError(
            f"Positive whole numbers were expected. Received: a shape of {shape}."
        )
    return tuple(int(side) for side in shape)


def check_arguments(
    *,
    num_classes: int | None,
    vector_dim: int | None,
    condition_dim: int,
    condition_dropout: float,
    guidance_scale: float,
    thresholding: str,
) -> None:
    """Checks a constructor's numbers.

    Raises:
        ValueError: if one is out of range; it is named.
    """
    counts = {
        "num_classes": num_classes,
        "vector_dim": vector_dim,
        "condition_dim": condition_dim,
    }
    for name, value in counts.items():
        if value is not None and not (_is_integer(value) and value >= 1):
            raise ValueError(
                f"A positive whole number was expected. Received: {name}={value!r}."
            )
    if not 0 <= condition_dropout < 1:
        raise ValueError(
            "A share of rows in [0, 1) was expected. Received: "
            f"condition_dropout={condition_dropout}. 0.1 is usual."
        )
    if not 0 <= guidance_scale <= 100:
        raise ValueError(
            "A guidance scale in [0, 100] was expected. Received: "
            f"guidance_scale={guidance_scale}. 1 is no guidance."
        )
    if thresholding not in THRESHOLDINGS:
        raise ValueError(
            f"One of {THRESHOLDINGS} was expected. Received: "
            f"thresholding={thresholding!r}."
        )


def check_pixel_levels(value: Any, image_shape: Sequence[int] | None) -> int | None:
    """The number of grey levels; `"auto"` is 256 for images, otherwise None.

    Raises:
        ValueError: if it is no number above 1.
    """
    if value == "auto":
        return None if image_shape is None else 256
    if value is not None and not (_is_integer(value) and value >= 2):
        raise ValueError(
            "A number of grey levels, 256 for bytes, or None for data that take any "
            f"value, was expected. Received: num_pixel_levels={value!r}."
        )
    return value


def check_guidance(
    *, is_conditional: bool, condition_dropout: float, guidance_scale: float
) -> None:
    """Refuses guidance that the model could not follow.

    Raises:
        ValueError: with the way out.
    """
    if condition_dropout and not is_conditional:
        raise ValueError(
            "A conditional model was expected with condition_dropout. Received: "
            f"condition_dropout={condition_dropout} on a model without conditions. "
            "Give num_classes, vector_dim or context_shape, or leave it out."
        )
    if guidance_scale != 1.0 and not condition_dropout:
        raise ValueError(
            "A model trained with condition_dropout was expected, because guidance "
            f"needs its answers without condition. Received: "
            f"guidance_scale={guidance_scale}, condition_dropout=0. Train with "
            "condition_dropout=0.1."
        )


def check_network(network: Any, data_shape: Sequence[int]) -> None:
    """Refuses what is no Keras layer.

    Raises:
        TypeError: if it is none.
    """
    if not isinstance(network, keras.layers.Layer):
        raise TypeError(
            "'unet', 'dit', 'mlp', or a Keras model with call(x, time, condition, "
            f"context) was expected. Received: network of type "
            f"{type(network).__name__}. Its inputs have the shape {tuple(data_shape)}."
        )


def check_output(output: Any, expected: Sequence[int]) -> None:
    """Refuses a network whose output does not have the data's shape.

    Raises:
        ValueError: if it has another.
    """
    received = tuple(output.shape[1:])
    if received != tuple(expected):
        raise ValueError(
            f"A network with outputs of shape {tuple(expected)}, as the data, was "
            f"expected. Received: network with outputs of shape {received}. Set its "
            "out_channels."
        )


def check_batch(x: tf.Tensor, data_shape: Sequence[int]) -> None:
    """Checks a training batch while the step is traced.

    Raises:
        TypeError: if data are not floats.
        ValueError: if shapes do not fit.
    """
    if not x.dtype.is_floating:
        raise TypeError(
            "Data of floats in [-1, 1] were expected. Received: x of type "
            f"{x.dtype.name}. Load data with tfgenai.data.load, or scale bytes with "
            "x / 127.5 - 1."
        )
    if not x.shape[1:].is_compatible_with(tuple(data_shape)):
        raise ValueError(
            f"Data of shape {tuple(data_shape)} were expected. Received: batches of "
            f"shape {x.shape}. Resize the data, or make the model with their shape."
        )


def check_data(x: Any, data_shape: Sequence[int], *, name: str = "x") -> np.ndarray:
    """Returns examples as a float32 array `(n, *data_shape)`.

    Raises:
        TypeError: if they are not floats.
        ValueError: if the shape does not fit or a value is not finite.
    """
    array = np.asarray(x)
    if array.dtype.kind != "f":
        raise TypeError(
            f"Data of floats were expected. Received: {name} of type {array.dtype}. "
            f"Turn bytes into floats with {name} / 127.5 - 1."
        )
    expected = tuple(data_shape)
    if array.shape[1:] != expected or not len(array):
        raise ValueError(
            f"Data of shape (n, {', '.join(map(str, expected))}), n > 0, were "
            f"expected. Received: {name} of shape {array.shape}. Resize them, or add "
            f"an axis to a single one: {name}[None]."
        )
    if not np.isfinite(array).all():
        raise ValueError(
            f"Finite data were expected. Received: {name} with the value "
            f"{array[~np.isfinite(array)][0]}."
        )
    return array.astype(np.float32, copy=False)


def check_mask(mask: Any, x: np.ndarray) -> np.ndarray:
    """Returns a mask as a float32 array of the shape of `x`.

    Raises:
        TypeError: if it is of no numbers.
        ValueError: if the shape does not fit or a value is outside of [0, 1].
    """
    array = np.asarray(mask)
    if array.dtype.kind not in "bfiu":
        raise TypeError(
            "A mask of booleans or numbers in [0, 1] was expected. Received: mask of "
            f"type {array.dtype}."
        )
    one = x.shape[1:]
    known = [x.shape, (*x.shape[:-1], 1), one, (*one[:-1], 1)]
    if array.shape not in known:
        raise ValueError(
            f"A mask of one of the shapes {known} was expected. Received: mask of "
            f"shape {array.shape}. Add an axis for the channels: mask[..., None]."
        )
    array = np.broadcast_to(array.astype(np.float32), x.shape)
    if not ((array >= 0.0) & (array <= 1.0)).all():
        raise ValueError(
            "A mask in [0, 1], where 1 is made anew, was expected. Received: mask with "
            f"values from {array.min()} to {array.max()}. Divide bytes by 255."
        )
    return array


def _is_integer(value: Any) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)
