"""Checks of what an autoregressive image model is given, before any work begins."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfgenai.core.likelihoods import Likelihood


def check_network_arguments(
    *,
    counts: Mapping[str, Any],
    kernels: Mapping[str, Any],
    dilations: Sequence[int],
    attention_blocks: Sequence[int],
    dropout: float,
) -> None:
    """Checks a constructor's numbers.

    Args:
        counts: positive whole numbers by name; None is left out.
        kernels: sides of kernels by name: odd, 3 or more.
        dilations: positive whole numbers, one or more.
        attention_blocks: numbers of blocks from 0.
        dropout: a share in [0, 1).

    Raises:
        ValueError: if one is out of range; it is named.
    """
    for name, value in counts.items():
        if value is not None and not _is_count(value):
            raise ValueError(
                f"A positive whole number was expected. Received: {name}={value!r}."
            )
    for name, value in kernels.items():
        if not _is_count(value) or value < 3 or value % 2 == 0:
            raise ValueError(
                f"An odd side of 3 or more was expected. Received: {name}={value!r}. "
                "A kernel has a middle, where the pixel stands."
            )
    if not dilations or not all(_is_count(d) for d in dilations):
        raise ValueError(
            "Positive whole numbers were expected. Received: "
            f"dilations={list(dilations)}. Use (1,) for no dilation."
        )
    last = counts["num_blocks"] - 1
    if not all(_is_count(block + 1) and block <= last for block in attention_blocks):
        raise ValueError(
            f"Numbers of blocks from 0 to {last} were expected. Received: "
            f"attention_blocks={list(attention_blocks)}."
        )
    if attention_blocks and counts["num_filters"] % counts["num_heads"]:
        raise ValueError(
            "A number of heads that divides num_filters was expected. Received: "
            f"num_heads={counts['num_heads']}, num_filters={counts['num_filters']}."
        )
    if not 0 <= dropout < 1:
        raise ValueError(
            f"A rate in [0, 1) was expected. Received: dropout={dropout}. "
            "Use 0.0 for no dropout."
        )


def check_code_model(model: Any) -> tuple[tuple[int, ...], tuple[int, ...], int]:
    """Refuses what cannot stand below a model of codes.

    Args:
        model: the autoencoder.

    Returns:
        Shape of an image, shape of its codes, and number of codes in the code book.

    Raises:
        TypeError: if it is no Keras model, or does not encode to codes.
        ValueError: if its codes or its images are not of the shapes that it tells.
    """
    needed = ("image_shape", "code_shape", "num_embeddings")
    functions = ("encode_codes", "decode_codes")
    missing = [name for name in (*needed, *functions) if not hasattr(model, name)]
    if not isinstance(model, keras.Model) or missing:
        raise TypeError(
            "A Keras model that encodes images to codes was expected. Received: "
            f"autoencoder of type {type(model).__name__}"
            f"{f', without {missing}' if missing else ''}. Give a "
            "model such as tfgenai.VQVAE(image_shape); latents of a VAE are no codes, "
            "they are for tfgenai.LatentDiffusion."
        )
    image_shape = tuple(int(side) for side in model.image_shape)
    code_shape = tuple(int(side) for side in model.code_shape)
    codes = model.encode_codes(tf.zeros((1, *image_shape)))
    if tuple(codes.shape[1:]) != code_shape or not codes.dtype.is_integer:
        raise ValueError(
            f"An autoencoder with integer codes of its code_shape={code_shape} was "
            f"expected. Received: codes of shape {tuple(codes.shape[1:])} and type "
            f"{codes.dtype.name}."
        )
    images = model.decode_codes(codes)
    if tuple(images.shape[1:]) != image_shape:
        raise ValueError(
            f"An autoencoder that decodes to its image_shape={image_shape} was "
            f"expected. Received: images of shape {tuple(images.shape[1:])}."
        )
    return image_shape, code_shape, int(model.num_embeddings)


def check_likelihood(
    likelihood: Likelihood, image_shape: Sequence[int], num_filters: int
) -> list[int] | None:
    """The channel of each parameter of a pixel, or None where they share all.

    Raises:
        ValueError: if a pixel cannot be drawn from it, or there are fewer filters than
            channels.
    """
    channels = image_shape[-1]
    if not isinstance(likelihood, Likelihood):
        raise TypeError(
            "A likelihood or its name was expected. Received: likelihood="
            f"{likelihood!r}. Use for example 'bernoulli'."
        )
    if likelihood.is_density:
        raise ValueError(
            "A likelihood of pixel values that can be drawn one by one was expected. "
            f"Received: likelihood={type(likelihood).__name__}, a density. Use "
            "'bernoulli', 'categorical' or 'discretized_logistic_mixture'."
        )
    groups = likelihood.channels_of_parameters(channels)
    if groups is not None and num_filters < channels:
        raise ValueError(
            "One filter or more for each channel was expected. Received: "
            f"num_filters={num_filters}, {channels} channels."
        )
    return groups


def check_support(x: np.ndarray, likelihood: Likelihood, *, name: str = "x") -> None:
    """Refuses images that have no likelihood.

    Raises:
        ValueError: if there are some; the first is named.
    """
    outside = np.flatnonzero(~likelihood.supports(tf.constant(x)).numpy())
    if len(outside):
        raise ValueError(
            f"Images in the likelihood's support, {likelihood.support}, were expected. "
            f"Received: {name} with other values in {len(outside)} of {len(x)} images, "
            f"the first {name}[{outside[0]}]. Prepare the data for it (for binary "
            "pixels, binarize= of tfgenai.data.load), or train a model with another "
            "likelihood."
        )


def check_known(
    mask: Any, num_rows: Any, num_images: int, image_shape: Sequence[int]
) -> np.ndarray:
    """Which pixels are kept, from a mask or a number of rows.

    Returns:
        bool `(n, height, width)`.

    Raises:
        TypeError: if both or neither is given, or the mask is not of booleans.
        ValueError: if the mask's shape or the number of rows does not fit.
    """
    height, width, _ = image_shape
    shape = (num_images, height, width)
    if (mask is None) == (num_rows is None):
        raise TypeError(
            "Either mask or num_rows was expected. Received: "
            f"mask={'None' if mask is None else 'an array'}, num_rows={num_rows}."
        )
    if mask is None:
        if isinstance(num_rows, bool) or not isinstance(num_rows, int | np.integer):
            raise TypeError(
                f"A whole number of rows was expected. Received: num_rows={num_rows!r}."
            )
        if not 0 <= num_rows <= height:
            raise ValueError(
                f"From 0 to {height} rows were expected. Received: num_rows={num_rows}."
            )
        return np.broadcast_to(np.arange(height)[:, None] < num_rows, shape)
    array = np.asarray(mask)
    if array.dtype != bool:
        raise TypeError(
            "A mask of booleans, True where a pixel is known, was expected. Received: "
            f"mask of type {array.dtype}. Compare it first: mask > 0."
        )
    if array.shape not in (shape, shape[1:]):
        raise ValueError(
            f"A mask of shape {shape[1:]} for all images or {shape} was expected. "
            f"Received: mask of shape {array.shape}. Leave out the channels' axis."
        )
    return np.broadcast_to(array, shape)


def _is_count(value: Any) -> bool:
    is_integer = isinstance(value, int | np.integer) and not isinstance(value, bool)
    return is_integer and value >= 1


def check_count(name: str, value: Any, least: int, most: int | None = None) -> None:
    """Checks a number of things in a constructor.

    Raises:
        ValueError: if it is no whole number from `least` to `most`.
    """
    is_whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not is_whole or value < least or (most is not None and value > most):
        words = f"from {least} to {most}" if most else f"of {least} or more"
        raise ValueError(
            f"A whole number {words} was expected. Received: {name}={value!r}."
        )
