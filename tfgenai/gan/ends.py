"""The ends that the networks share: where z and labels enter, and the logits."""

from collections.abc import Sequence
from typing import Any

import keras

from tfgenai.core import random
from tfgenai.gan.spectral import SpectralDense, SpectralEmbedding

_EMBEDDING_LIMIT = 50


def check_image_shape(image_shape: Sequence[int]) -> tuple[int, int, int]:
    """Returns the shape as a tuple of three ints.

    Raises:
        ValueError: if it is not three positive integers.
    """
    shape = tuple(image_shape) if isinstance(image_shape, (tuple, list)) else ()
    if len(shape) != 3 or any(
        isinstance(side, bool) or not isinstance(side, int) or side < 1
        for side in shape
    ):
        raise ValueError(
            "Three positive integers (height, width, channels) were expected. "
            f"Received: image_shape={image_shape!r}. For grey images of 28×28 give "
            "image_shape=(28, 28, 1)."
        )
    return shape


def latent_inputs(
    latent_dim: int, num_classes: int | None, new: "Initializers", dtype: Any
) -> tuple[Any, Any]:
    """Latents, with the label's embedding appended; and the inputs of the model."""
    z = keras.Input((latent_dim,), name="z")
    if num_classes is None:
        return z, z
    labels = keras.Input((), dtype="int32", name="labels")
    embedded = keras.layers.Embedding(
        num_classes,
        min(num_classes, _EMBEDDING_LIMIT),
        # As large as z, so that the label speaks from the first step on.
        embeddings_initializer=new.normal(1.0),
        dtype=dtype,
    )(labels)
    return keras.layers.Concatenate(dtype=dtype)([z, embedded]), [z, labels]


def judged(
    images: Any,
    features: Any,
    num_classes: int | None,
    spectral_normalization: bool,
    new: "Initializers",
) -> keras.Model:
    """The last layer: a linear function of the features, and of those of the label."""
    dense = SpectralDense if spectral_normalization else keras.layers.Dense
    embedding = SpectralEmbedding if spectral_normalization else keras.layers.Embedding
    logits = dense(1, kernel_initializer=new.glorot(), dtype="float32")(features)
    inputs = images
    if num_classes is not None:
        labels = keras.Input((), dtype="int32", name="labels")
        inputs = [images, labels]
        direction = embedding(
            num_classes,
            features.shape[-1],
            # As large as the entries of the Dense layer's kernel.
            embeddings_initializer=new.normal(features.shape[-1] ** -0.5),
            dtype="float32",
        )(labels)
        projection = keras.layers.Dot(axes=1, dtype="float32")([direction, features])
        logits = keras.layers.Add(dtype="float32")([logits, projection])
    logits = keras.layers.Reshape((), dtype="float32", name="logits")(logits)
    return keras.Model(inputs, logits, name="discriminator")


class Initializers:
    """Initializers that are a function of one seed and their order."""

    def __init__(self, seed: int) -> None:
        self._seeds = random.numpy_generator(seed, 0x67616E)

    def glorot(self) -> keras.initializers.Initializer:
        """Uniform, Glorot & Bengio 2010."""
        return keras.initializers.GlorotUniform(seed=self._next())

    def normal(self, stddev: float) -> keras.initializers.Initializer:
        """Normal of a given standard deviation."""
        return keras.initializers.RandomNormal(stddev=stddev, seed=self._next())

    def he(self) -> keras.initializers.Initializer:
        """Normal, He et al. 2015: keeps signals behind a ReLU."""
        return keras.initializers.HeNormal(seed=self._next())

    def _next(self) -> int:
        return int(self._seeds.integers(2**31))
