"""The networks that come with DecoderHead: from features to parameters of places."""

import tfgenai.core.backend  # noqa: F401  # isort: skip

import math
from collections.abc import Sequence
from typing import Any

import keras

from tfgenai.core.errors import ConfigError
from tfgenai.finetune.heads.resize import LinearResize
from tfgenai.layers import Initializers

_STREAM = 43
_FIRST_SIZE = 4  # of the map that a vector is spread out to


def image_decoder(
    feature_shape: Sequence[int],
    size: tuple[int, int],
    num_parameters: int,
    *,
    base_size: tuple[int, int] | None = None,
    hidden_dim: int | None = 64,
    seed: int = 0,
) -> keras.Model:
    """A vector, a map or a sequence of places, to a map of parameters.

    Convolutions on maps that double in size up to the one asked for.

    Args:
        feature_shape: `(dim,)`, `(rows, columns, dim)`, or `(places, dim)` in the order
            of rows.
        size: (height, width) of the parameters.
        num_parameters: of each place.
        base_size: (height, width) of the base's images, whose shape places have.
        hidden_dim: channels of the convolutions; None for a linear map.
        seed: seed of the initial weights.

    Returns:
        Model from features to float32 `(batch, height, width, num_parameters)`.

    Raises:
        ConfigError: if places are no map.

    Example:
        >>> image_decoder((4, 4, 16), (10, 12), 3).output_shape
        (None, 10, 12, 3)
    """
    new = Initializers(seed, _STREAM)
    inputs = keras.Input(tuple(feature_shape), name="features")
    x = inputs
    if len(feature_shape) == 2:
        grid = _grid(feature_shape[0], base_size)
        x = keras.layers.Reshape((*grid, -1))(x)
    if len(feature_shape) == 1:
        width = num_parameters if hidden_dim is None else hidden_dim
        start = size if hidden_dim is None else _start(size)
        x = _dense(math.prod(start) * width, new, hidden_dim is not None)(x)
        x = keras.layers.Reshape((*start, width))(x)
    elif hidden_dim is not None:
        x = _convolution(hidden_dim, 1, new, "gelu")(x)
    if hidden_dim is None:
        if len(feature_shape) > 1:
            x = _convolution(num_parameters, 1, new, None)(x)
            x = LinearResize(*size, dtype="float32")(x)
        return keras.Model(inputs, x, name="decoder")
    for stage in _sizes((x.shape[1], x.shape[2]), size):
        x = LinearResize(*stage, dtype="float32")(x)
        x = _convolution(hidden_dim, 3, new, "gelu")(x)
    x = _convolution(num_parameters, 3, new, None)(x)
    return keras.Model(inputs, x, name="decoder")


def token_decoder(
    dim: int, num_parameters: int, *, hidden_dim: int | None = 64, seed: int = 0
) -> keras.Model:
    """Vectors of tokens to parameters of tokens, each by itself.

    Args:
        dim: length of a vector.
        num_parameters: of each token.
        hidden_dim: units of the hidden layer; None for a linear map.
        seed: seed of the initial weights.

    Returns:
        Model from `(batch, tokens, dim)` to float32 `(batch, tokens, num_parameters)`.

    Example:
        >>> token_decoder(16, 3).output_shape
        (None, None, 3)
    """
    new = Initializers(seed, _STREAM)
    inputs = keras.Input((None, dim), name="features")
    x = inputs
    if hidden_dim is not None:
        x = _dense(hidden_dim, new, True)(x)
    return keras.Model(inputs, _dense(num_parameters, new, False)(x), name="decoder")


def _grid(places: int, base_size: tuple[int, int] | None) -> tuple[int, int]:
    """Rows and columns of places, of which as many are in an image's pixel or patch."""
    height, width = base_size or (1, 1)
    for patch in range(1, min(height, width) + 1):
        rows, columns = height // patch, width // patch
        if height % patch == width % patch == 0 and places % (rows * columns) == 0:
            return rows, columns
    raise ConfigError(
        "Features that are a vector or a map were expected. Received: features of "
        f"{places} places in a base of images of size {base_size}. Use "
        "Features(pool='mean'), or another layer."
    )


def _start(size: tuple[int, int]) -> tuple[int, int]:
    halvings = max(0, math.ceil(math.log2(max(size) / _FIRST_SIZE)))
    height, width = (-(-side // 2**halvings) for side in size)
    return height, width


def _sizes(old: tuple[int, int], new: tuple[int, int]) -> list[tuple[int, int]]:
    """Sizes of the stages: each at most twice the one before, the last one `new`."""
    ratio = max(b / a for a, b in zip(old, new, strict=True))
    doublings = max(1, math.ceil(math.log2(ratio))) if ratio > 1 else 1
    stages = []
    for left in reversed(range(doublings)):
        height, width = (
            max(-(-b // 2**left), min(a, b)) for a, b in zip(old, new, strict=True)
        )
        stages.append((height, width))
    return stages


def _dense(units: int, new: Initializers, is_hidden: bool) -> keras.layers.Dense:
    return keras.layers.Dense(
        units,
        activation="gelu" if is_hidden else None,
        kernel_initializer=new.lecun(),
        dtype="float32",
    )


def _convolution(
    channels: int, size: int, new: Initializers, activation: Any
) -> keras.layers.Conv2D:
    return keras.layers.Conv2D(
        channels,
        size,
        padding="same",
        activation=activation,
        kernel_initializer=new.lecun(),
        dtype="float32",
    )
