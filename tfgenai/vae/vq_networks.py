"""Encoder and decoder of a VQ-VAE: images to maps of vectors, and back."""

from collections.abc import Sequence
from typing import Any

import keras

from tfgenai.core import backend as _backend  # noqa: F401
from tfgenai.vae.network_parts import DECODER_STREAM, ENCODER_STREAM, Initializers
from tfgenai.vae.networks import require_halvings

_KERNEL_SIZE = 4  # a multiple of the stride: every output sees as many inputs


def vq_encoder(
    image_shape: Sequence[int],
    embedding_dim: int,
    *,
    filters: Sequence[int] = (32, 64),
    num_residual_blocks: int = 2,
    seed: int = 0,
    dtype: Any = None,
) -> keras.Model:
    """Images to a map of vectors, each stage halving the image.

    Van den Oord et al. 2017, arXiv:1711.00937, section 4.1: convolutions of stride 2
    and residual blocks (ReLU, 3×3, ReLU, 1×1), then a linear map.

    Args:
        image_shape: (height, width, channels); both sides must be divisible by two as
            often as there are filters.
        embedding_dim: length of a vector.
        filters: channels of the stages.
        num_residual_blocks: residual blocks behind the last stage.
        seed: seed of the initial weights.
        dtype: dtype policy of the layers; the output is float32.

    Returns:
        Model from images to float32 `(batch, height / 2^n, width / 2^n,
        embedding_dim)`, n the number of stages.

    Raises:
        ValueError: if the image cannot be halved that often.

    Example:
        >>> vq_encoder((28, 28, 1), 16).output_shape
        (None, 7, 7, 16)
    """
    require_halvings(image_shape, filters)
    new = Initializers(seed, ENCODER_STREAM)
    images = keras.Input(tuple(image_shape), name="images")
    x = images
    for channels in filters:
        x = keras.layers.Conv2D(
            channels,
            _KERNEL_SIZE,
            strides=2,
            padding="same",
            activation="relu",
            kernel_initializer=new.he(),
            dtype=dtype,
        )(x)
    x = _residual_blocks(x, filters[-1], num_residual_blocks, new, dtype)
    vectors = keras.layers.Conv2D(
        embedding_dim,
        1,
        kernel_initializer=new.glorot(),
        dtype="float32",
        name="vectors",
    )(x)
    return keras.Model(images, vectors, name="encoder")


def vq_decoder(
    image_shape: Sequence[int],
    embedding_dim: int,
    *,
    num_parameters: int,
    filters: Sequence[int] = (32, 64),
    num_residual_blocks: int = 2,
    seed: int = 0,
    dtype: Any = None,
) -> keras.Model:
    """The encoder's stages backwards: a map of vectors to a likelihood's parameters.

    Args:
        image_shape: (height, width, channels); see `vq_encoder`.
        embedding_dim: length of a vector.
        num_parameters: parameters of the likelihood per pixel.
        filters: channels of the stages, in the encoder's order.
        num_residual_blocks: residual blocks before the first stage.
        seed: seed of the initial weights.
        dtype: dtype policy of the layers; the output is float32.

    Returns:
        Model from float32 `(batch, height / 2^n, width / 2^n, embedding_dim)` to
        float32 `(batch, height, width, num_parameters)`.

    Raises:
        ValueError: if the image cannot be halved that often.

    Example:
        >>> vq_decoder((28, 28, 1), 16, num_parameters=2).output_shape
        (None, 28, 28, 2)
    """
    height, width = require_halvings(image_shape, filters)
    new = Initializers(seed, DECODER_STREAM)
    vectors = keras.Input((height, width, embedding_dim), name="vectors")
    x = keras.layers.Conv2D(
        filters[-1], 3, padding="same", kernel_initializer=new.he(), dtype=dtype
    )(vectors)
    x = _residual_blocks(x, filters[-1], num_residual_blocks, new, dtype)
    for channels in reversed(tuple(filters)):
        x = keras.layers.Conv2DTranspose(
            channels,
            _KERNEL_SIZE,
            strides=2,
            padding="same",
            activation="relu",
            kernel_initializer=new.he(),
            dtype=dtype,
        )(x)
    parameters = keras.layers.Conv2D(
        num_parameters,
        3,
        padding="same",
        kernel_initializer=new.glorot(),
        dtype="float32",
        name="parameters",
    )(x)
    return keras.Model(vectors, parameters, name="decoder")


def _residual_blocks(
    x: Any, channels: int, count: int, new: Initializers, dtype: Any
) -> Any:
    def convolution(size: int) -> keras.layers.Layer:
        return keras.layers.Conv2D(
            channels, size, padding="same", kernel_initializer=new.he(), dtype=dtype
        )

    for _ in range(count):
        y = convolution(3)(keras.layers.ReLU(dtype=dtype)(x))
        y = convolution(1)(keras.layers.ReLU(dtype=dtype)(y))
        x = keras.layers.Add(dtype=dtype)([x, y])
    return keras.layers.ReLU(dtype=dtype)(x)
