"""The encoders and decoders that come with the package, as functional models.

An encoder takes images `(batch, height, width, channels)` in [-1, 1], or
`[images, one_hot_labels]`, and returns `(batch, 2 * latent_dim)`: means, then log
variances of the posterior. A decoder takes latents `(batch, latent_dim)`, or
`[latents, one_hot_labels]`, and returns the likelihood's parameters
`(batch, height, width, num_parameters)`. `model.summary()` lists the layers of each.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import keras

from tfgenai.core import backend as _backend  # noqa: F401
from tfgenai.core.registry import Registry
from tfgenai.vae.network_parts import (
    DECODER_STREAM,
    ENCODER_STREAM,
    Initializers,
    finish_encoder,
    hidden_layers,
    latent_inputs,
)

Builder = Callable[..., keras.Model]

NETWORKS: Registry[tuple[Builder, Builder]] = Registry("network")

_KERNEL_SIZE = 4  # a multiple of the stride: every output sees as many inputs


def mlp_encoder(
    image_shape: Sequence[int],
    latent_dim: int,
    *,
    num_classes: int | None = None,
    hidden_units: Sequence[int] = (400,),
    seed: int = 0,
    dtype: Any = None,
) -> keras.Model:
    """The fully connected encoder: 784 → 400 → 2 · 20 for 28×28 and 20 latents.

    Kingma & Welling 2014, "Auto-Encoding Variational Bayes", arXiv:1312.6114,
    appendix C.2, with ReLU.

    Args:
        image_shape: (height, width, channels).
        latent_dim: length of z.
        num_classes: number of labels, or None for no condition.
        hidden_units: units of the hidden layers; none makes it linear.
        seed: seed of the initial weights.
        dtype: dtype policy of the layers; the output is float32.

    Returns:
        Model from images, or `[images, one_hot_labels]`, to float32
        `(batch, 2 * latent_dim)`.

    Example:
        >>> mlp_encoder((28, 28, 1), 20).output_shape
        (None, 40)
    """
    images = keras.Input(tuple(image_shape), name="images")
    x = keras.layers.Flatten(dtype=dtype)(images)
    return finish_encoder(
        images,
        x,
        latent_dim,
        num_classes,
        hidden_units,
        Initializers(seed, ENCODER_STREAM),
        dtype,
    )


def mlp_decoder(
    image_shape: Sequence[int],
    latent_dim: int,
    *,
    num_parameters: int,
    num_classes: int | None = None,
    hidden_units: Sequence[int] = (400,),
    seed: int = 0,
    dtype: Any = None,
) -> keras.Model:
    """The fully connected decoder: 20 → 400 → 784 for 28×28 and 20 latents.

    Args:
        image_shape: (height, width, channels).
        latent_dim: length of z.
        num_parameters: parameters of the likelihood per pixel.
        num_classes: number of labels, or None for no condition.
        hidden_units: units of the hidden layers, in the *encoder's* order: the decoder
            runs through them backwards.
        seed: seed of the initial weights.
        dtype: dtype policy of the layers; the output is float32.

    Returns:
        Model from latents, or `[latents, one_hot_labels]`, to float32
        `(batch, height, width, num_parameters)`.

    Example:
        >>> mlp_decoder((28, 28, 1), 20, num_parameters=1).output_shape
        (None, 28, 28, 1)
    """
    new = Initializers(seed, DECODER_STREAM)
    inputs, x = latent_inputs(latent_dim, num_classes, dtype)
    x = hidden_layers(x, tuple(reversed(tuple(hidden_units))), new, dtype)
    height, width, _ = image_shape
    # Float32 from here on: a loss in half precision is noise.
    x = keras.layers.Dense(
        height * width * num_parameters,
        kernel_initializer=new.glorot(),
        dtype="float32",
        name="parameters",
    )(x)
    outputs = keras.layers.Reshape((height, width, num_parameters), dtype="float32")(x)
    return keras.Model(inputs, outputs, name="decoder")


def conv_encoder(
    image_shape: Sequence[int],
    latent_dim: int,
    *,
    num_classes: int | None = None,
    hidden_units: Sequence[int] = (400,),
    filters: Sequence[int] = (32, 64),
    seed: int = 0,
    dtype: Any = None,
) -> keras.Model:
    """The convolutional encoder: each stage halves the image.

    Layers: (4×4 convolution of stride 2, ReLU) per entry of `filters` → Flatten →
    (Dense, ReLU) per entry of `hidden_units` → Dense.

    Args:
        image_shape: (height, width, channels); both sides must be divisible by two as
            often as there are filters.
        latent_dim: length of z.
        num_classes: number of labels, or None for no condition.
        hidden_units: units of the fully connected layers.
        filters: channels of the stages.
        seed: seed of the initial weights.
        dtype: dtype policy of the layers; the output is float32.

    Returns:
        Model from images, or `[images, one_hot_labels]`, to float32
        `(batch, 2 * latent_dim)`.

    Raises:
        ValueError: if the image cannot be halved that often.

    Example:
        >>> conv_encoder((32, 32, 3), 20).output_shape
        (None, 40)
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
    x = keras.layers.Flatten(dtype=dtype)(x)
    return finish_encoder(images, x, latent_dim, num_classes, hidden_units, new, dtype)


def conv_decoder(
    image_shape: Sequence[int],
    latent_dim: int,
    *,
    num_parameters: int,
    num_classes: int | None = None,
    hidden_units: Sequence[int] = (400,),
    filters: Sequence[int] = (32, 64),
    seed: int = 0,
    dtype: Any = None,
) -> keras.Model:
    """The convolutional decoder: the encoder's stages backwards, each doubling.

    Args:
        image_shape: (height, width, channels); both sides must be divisible by two as
            often as there are filters.
        latent_dim: length of z.
        num_parameters: parameters of the likelihood per pixel.
        num_classes: number of labels, or None for no condition.
        hidden_units: units of the fully connected layers, in the encoder's order.
        filters: channels of the stages, in the encoder's order.
        seed: seed of the initial weights.
        dtype: dtype policy of the layers; the output is float32.

    Returns:
        Model from latents, or `[latents, one_hot_labels]`, to float32
        `(batch, height, width, num_parameters)`.

    Raises:
        ValueError: if the image cannot be halved that often.

    Example:
        >>> conv_decoder((32, 32, 3), 20, num_parameters=6).output_shape
        (None, 32, 32, 6)
    """
    height, width = require_halvings(image_shape, filters)
    new = Initializers(seed, DECODER_STREAM)
    inputs, x = latent_inputs(latent_dim, num_classes, dtype)
    units = (*reversed(tuple(hidden_units)), height * width * filters[-1])
    x = hidden_layers(x, units, new, dtype)
    x = keras.layers.Reshape((height, width, filters[-1]), dtype=dtype)(x)
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
    outputs = keras.layers.Conv2D(
        num_parameters,
        3,
        padding="same",
        kernel_initializer=new.glorot(),
        dtype="float32",
        name="parameters",
    )(x)
    return keras.Model(inputs, outputs, name="decoder")


NETWORKS.register("mlp")((mlp_encoder, mlp_decoder))
NETWORKS.register("conv")((conv_encoder, conv_decoder))


def require_halvings(
    image_shape: Sequence[int], filters: Sequence[int]
) -> tuple[int, int]:
    """Height and width of an image that was halved once for each stage.

    Raises:
        ValueError: if it cannot be halved that often, or there is no stage.
    """
    height, width, _ = image_shape
    factor = 2 ** len(filters)
    if not filters or height % factor or width % factor:
        raise ValueError(
            f"Image sides divisible by {factor}, once by two for each stage, were "
            f"expected. Received: image_shape={tuple(image_shape)}, "
            f"filters={tuple(filters)}. Resize the images (image_size= of "
            f"tfgenai.data.load) to {_next_multiple(height, factor)}×"
            f"{_next_multiple(width, factor)}, give fewer filters (at least one), or "
            "use network='mlp'."
        )
    return height // factor, width // factor


def _next_multiple(size: int, factor: int) -> int:
    return math.ceil(size / factor) * factor
