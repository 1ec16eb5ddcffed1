"""What latent diffusion asks of an autoencoder, whatever family it is of."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

_WAY_OUT = (
    "Give a model with image_shape and, as functions of tensors, encode_mean(x, "
    "labels) and decode_mean(z, labels) or encode(x) and decode(z); "
    "tfgenai.VAE(image_shape, latent_dim) is one."
)


@dataclasses.dataclass(frozen=True)
class Autoencoder:
    """One face for the two kinds of autoencoder.

    Args:
        model: a model that `check_autoencoder` took.
    """

    model: Any

    def encode(self, x: tf.Tensor, labels: tf.Tensor | None) -> tf.Tensor:
        """Latents of images, float32 `(batch, dim)` or `(batch, h, w, channels)`.

        Args:
            x: float32 `(batch, height, width, channels)`.
            labels: int32 `(batch,)`; used if the autoencoder takes them.
        """
        return self._run(("encode_mean", "encode"), x, labels)

    def decode(self, z: tf.Tensor, labels: tf.Tensor | None) -> tf.Tensor:
        """Images of latents, float32 `(batch, height, width, channels)`."""
        return self._run(("decode_mean", "decode"), z, labels)

    def _run(
        self, names: Sequence[str], values: tf.Tensor, labels: tf.Tensor | None
    ) -> tf.Tensor:
        # `VAE.encode` is for arrays; its `encode_mean` is the graph.
        if hasattr(self.model, names[0]):
            takes_labels = getattr(self.model, "num_classes", None) is not None
            method = getattr(self.model, names[0])
            result = method(values, labels if takes_labels else None)
        else:
            result = getattr(self.model, names[1])(values)
        return tf.cast(result, tf.float32)


def check_autoencoder(
    model: Any, num_classes: int | None
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Refuses what cannot stand below a diffusion model.

    Args:
        model: the autoencoder.
        num_classes: number of the diffusion model's labels, or None.

    Returns:
        Shape of one image and of one latent.

    Raises:
        TypeError: if it is no Keras model, or does not encode and decode.
        ValueError: if it takes other labels, or its decoder does not undo its encoder.
    """
    if not isinstance(model, keras.Model):
        raise TypeError(
            "A Keras model that encodes and decodes was expected. Received: "
            f"autoencoder of type {type(model).__name__}. {_WAY_OUT}"
        )
    has_pair = any(
        all(callable(getattr(model, name, None)) for name in pair)
        for pair in (("encode_mean", "decode_mean"), ("encode", "decode"))
    )
    image_shape = getattr(model, "image_shape", None)
    if not has_pair or image_shape is None:
        raise TypeError(
            "An autoencoder with image_shape, encode and decode was expected. "
            f"Received: autoencoder of type {type(model).__name__}. {_WAY_OUT}"
        )
    own = getattr(model, "num_classes", None)
    if own is not None and own != num_classes:
        raise ValueError(
            "The labels of the autoencoder were expected for the diffusion, too: it "
            f"decodes with them. Received: num_classes={num_classes} with an "
            f"autoencoder of num_classes={own}. Give num_classes={own}, or an "
            "autoencoder without labels."
        )
    image_shape = tuple(int(side) for side in image_shape)
    label = None if own is None else tf.zeros((1,), tf.int32)
    both = Autoencoder(model)
    latent = both.encode(tf.zeros((1, *image_shape)), label)
    if latent.shape.rank not in (2, 4):
        raise ValueError(
            "Latents of shape (batch, dim) or (batch, height, width, channels) were "
            f"expected. Received: autoencoder with latents of shape {latent.shape}."
        )
    decoded = both.decode(tf.zeros_like(latent), label)
    if tuple(decoded.shape[1:]) != image_shape:
        raise ValueError(
            f"An autoencoder that decodes to its image_shape={image_shape} was "
            f"expected. Received: images of shape {tuple(decoded.shape[1:])}."
        )
    return image_shape, tuple(latent.shape[1:])
