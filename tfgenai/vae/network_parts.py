"""What the multilayer and the convolutional networks are made of alike."""

from collections.abc import Sequence
from typing import Any

import keras

from tfgenai.core import backend as _backend  # noqa: F401
from tfgenai.core import random

ENCODER_STREAM, DECODER_STREAM = 1, 2


class Initializers:
    """Initial weights as a function of one seed: a new stream for each layer."""

    def __init__(self, seed: int, stream: int) -> None:
        self._generator = random.numpy_generator(seed, stream)

    def glorot(self) -> keras.initializers.Initializer:
        """For layers without an activation."""
        return keras.initializers.GlorotUniform(seed=self._next())

    def he(self) -> keras.initializers.Initializer:
        """For layers with ReLU."""
        return keras.initializers.HeUniform(seed=self._next())

    def _next(self) -> int:
        return int(self._generator.integers(2**31 - 1))


def finish_encoder(
    images: Any,
    x: Any,
    latent_dim: int,
    num_classes: int | None,
    hidden_units: Sequence[int],
    new: Initializers,
    dtype: Any,
) -> keras.Model:
    """Joins labels to features, adds the dense layers and the posterior's output."""
    inputs = images
    if num_classes is not None:
        labels = keras.Input((num_classes,), name="one_hot_labels")
        inputs = [images, labels]
        x = keras.layers.Concatenate(dtype=dtype)([x, labels])
    x = hidden_layers(x, hidden_units, new, dtype)
    outputs = keras.layers.Dense(
        2 * latent_dim,
        kernel_initializer=new.glorot(),
        dtype="float32",
        name="posterior",
    )(x)
    return keras.Model(inputs, outputs, name="encoder")


def latent_inputs(
    latent_dim: int, num_classes: int | None, dtype: Any
) -> tuple[Any, Any]:
    """A decoder's inputs, and their tensor with the labels joined to it."""
    latents = keras.Input((latent_dim,), name="latents")
    if num_classes is None:
        return latents, latents
    labels = keras.Input((num_classes,), name="one_hot_labels")
    inputs = [latents, labels]
    return inputs, keras.layers.Concatenate(dtype=dtype)(inputs)


def hidden_layers(x: Any, units: Sequence[int], new: Initializers, dtype: Any) -> Any:
    """Dense layers with ReLU, one per entry of `units`."""
    for size in units:
        x = keras.layers.Dense(
            size, activation="relu", kernel_initializer=new.he(), dtype=dtype
        )(x)
    return x
