"""Checks of what a variational autoencoder is given, before any work begins."""

import numbers
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from tfgenai.core.conditions import Condition
from tfgenai.core.image_checks import check_images


def check_arguments(
    *,
    image_shape: Sequence[int],
    latent_dim: int,
    hidden_units: Sequence[int],
    filters: Sequence[int],
    beta: float,
    kl_warmup_steps: int,
    free_bits: float,
    num_classes: int | None,
) -> tuple[int, int, int]:
    """Checks a constructor's numbers; returns the image shape as a tuple.

    Raises:
        ValueError: if one is out of range; it is named.
    """
    shape = tuple(image_shape)
    if len(shape) != 3:
        raise ValueError(
            "A shape (height, width, channels) was expected. Received: "
            f"image_shape={shape}. Grey images have one channel: (28, 28, 1)."
        )
    counts = {
        "image_shape": shape,
        "latent_dim": (latent_dim,),
        "hidden_units": hidden_units,
        "filters": filters,
        "num_classes": (1 if num_classes is None else num_classes,),
    }
    for name, values in counts.items():
        if not all(_is_integer(value) and value >= 1 for value in values):
            raise ValueError(
                f"Positive whole numbers were expected. Received: {name}={values}."
            )
    if not _is_integer(kl_warmup_steps) or kl_warmup_steps < 0:
        raise ValueError(
            "A number of training steps, 0 for no warm-up, was expected. Received: "
            f"kl_warmup_steps={kl_warmup_steps}."
        )
    for name, value in (("beta", beta), ("free_bits", free_bits)):
        if not 0 <= value < float("inf"):
            raise ValueError(
                f"A finite number, 0 or more, was expected. Received: {name}={value}."
            )
    height, width, channels = (int(side) for side in shape)
    return height, width, channels


def check_network(
    network: Any,
    name: str,
    inputs: tuple[Sequence[int], int | None],
    outputs: Sequence[int],
    hint: str,
) -> None:
    """Builds a network and holds its output's shape against what is needed.

    Args:
        network: a Keras model or layer.
        name: the argument's name, for messages.
        inputs: shape of one input, and the length of one-hot labels or None.
        outputs: expected shape of one output.
        hint: what the output is, for messages.

    Raises:
        TypeError: if it is no Keras layer.
        ValueError: if its output has another shape.
    """
    if not isinstance(network, keras.layers.Layer):
        raise TypeError(
            "A Keras model or layer was expected. Received: "
            f"{name} of type {type(network).__name__}."
        )
    shape, num_classes = inputs
    symbolic: Any = keras.Input(tuple(shape))
    if num_classes is not None:
        symbolic = [symbolic, keras.Input((num_classes,))]
    received = tuple(network(symbolic).shape)
    if received != (None, *outputs):
        raise ValueError(
            f"A network with outputs of shape {(None, *outputs)} was expected. "
            f"Received: {name} with outputs of shape {received}. {hint}"
        )


def check_image(x: Any, image_shape: Sequence[int], *, name: str = "x") -> np.ndarray:
    """Returns one image `(height, width, channels)` as a batch of one.

    Raises:
        TypeError: if it is not of floats.
        ValueError: if shape or range do not fit.
    """
    array = np.asarray(x)
    if array.shape != tuple(image_shape):
        raise ValueError(
            f"One image of shape {tuple(image_shape)} was expected. Received: {name} "
            f"of shape {array.shape}. Pick one of a batch: {name}[0]."
        )
    return check_images(array[np.newaxis], image_shape, name=name)


def check_latents(z: Any, latent_dim: int) -> np.ndarray:
    """Returns latents as a float32 array `(n, latent_dim)`.

    Raises:
        TypeError: if they are not numbers.
        ValueError: if the shape does not fit or a value is not finite.
    """
    array = np.asarray(z)
    if array.dtype.kind not in "fiu":
        raise TypeError(
            "Latents of floats were expected. Received: "
            f"z of type {array.dtype}. Use what encode() returned."
        )
    if array.ndim != 2 or array.shape[1] != latent_dim or not len(array):
        raise ValueError(
            f"Latents of shape (n, {latent_dim}), n > 0, were expected. Received: "
            f"z of shape {array.shape}. Add an axis to a single one: z[None]."
        )
    if not np.isfinite(array).all():
        raise ValueError(
            "Finite latents were expected. Received: "
            f"z with the value {array[~np.isfinite(array)][0]}."
        )
    return array.astype(np.float32, copy=False)


def check_vq_arguments(
    *,
    counts: Mapping[str, Any],
    num_residual_blocks: int,
    commitment_weight: float,
) -> None:
    """Checks the numbers of a VQ-VAE's constructor.

    Raises:
        ValueError: if one is out of range; it is named.
    """
    for name, given in counts.items():
        if name == "filters" and not isinstance(given, list | tuple):
            raise ValueError(
                "A sequence of positive whole numbers was expected. Received: "
                f"{name}={given!r}. Give one number for each stage: (64, 128)."
            )
        values = given if name == "filters" else (given,)
        if not all(_is_integer(value) and value >= 1 for value in values):
            raise ValueError(
                f"Positive whole numbers were expected. Received: {name}={given!r}."
            )
    if not _is_integer(num_residual_blocks) or num_residual_blocks < 0:
        raise ValueError(
            "A whole number, 0 or more, was expected. Received: "
            f"num_residual_blocks={num_residual_blocks!r}."
        )
    is_number = isinstance(commitment_weight, numbers.Real)
    if not is_number or not 0 <= commitment_weight < float("inf"):
        raise ValueError(
            "A finite number, 0 or more, was expected. Received: "
            f"commitment_weight={commitment_weight!r}."
        )


def check_codes(
    codes: Any, code_shape: Sequence[int], num_embeddings: int
) -> np.ndarray:
    """Returns codes as an int32 array `(n, *code_shape)`.

    Raises:
        TypeError: if they are not integers.
        ValueError: if the shape does not fit or a code is not in the code book.
    """
    array = np.asarray(codes)
    if array.dtype.kind not in "iu":
        raise TypeError(
            "Codes of integers were expected. Received: "
            f"codes of type {array.dtype}. Use what encode() returned."
        )
    shape = tuple(code_shape)
    if array.ndim != 1 + len(shape) or array.shape[1:] != shape or not len(array):
        raise ValueError(
            f"Codes of shape (n, {', '.join(map(str, shape))}), n > 0, were expected. "
            f"Received: codes of shape {array.shape}. Add an axis to a single row: "
            "codes[None]."
        )
    outside = array[(array < 0) | (array >= num_embeddings)]
    if outside.size:
        raise ValueError(
            f"Codes from 0 to {num_embeddings - 1} were expected. Received: codes with "
            f"the value {outside[0]}."
        )
    return array.astype(np.int32, copy=False)


def check_labels(labels: Any, n: int, condition: Condition | None) -> np.ndarray | None:
    """Returns one label a row, or None for a model without labels.

    Args:
        labels: one label for all rows, or `n` of them; None for no labels.
        n: number of rows.
        condition: what the model says of its labels, or None if it takes none.

    Returns:
        int32 `(n,)`, or None.

    Raises:
        TypeError: if labels are not integers, or the model takes none.
        ValueError: if labels are missing, too many or out of range.
    """
    if condition is None:
        if labels is not None:
            raise TypeError(
                "No labels were expected: the model was made with num_classes=None. "
                "Received: labels. Leave them out, or make it with num_classes."
            )
        return None
    if labels is None:
        raise ValueError(
            "One label for all or one per row was expected: the model is conditional. "
            "Received: labels=None. Give labels=."
        )
    return condition.to_array(labels, n)


def _is_integer(value: Any) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)
