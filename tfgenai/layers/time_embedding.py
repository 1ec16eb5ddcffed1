"""Sinusoidal embedding of times, or of any other scalars."""

import tfgenai.core.backend  # noqa: F401  # isort: skip

import math
from typing import Any

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable("tfgenai")
class TimeEmbedding(keras.layers.Layer):
    """Cosines and sines of a time at frequencies in geometric progression.

    Vaswani et al. 2017, "Attention Is All You Need", arXiv:1706.03762, section 3.5,
    with all cosines first. Frequencies fall from 1 to 1 / `max_period`.

    Args:
        dim: length of the embedding; even.
        scale: factor on the times; 1000 maps [0, 1] to the steps for which Ho et al.
            2020, arXiv:2006.11239, made it.
        max_period: longest wavelength / 2π, in scaled times.

    Call arguments:
        time: float `(batch,)`.

    Returns:
        float32 `(batch, dim)` in [-1, 1], whatever the dtype policy: half precision
        cannot tell step 999 from step 1000.

    Raises:
        ValueError: if `dim` is not even and positive.

    Example:
        >>> TimeEmbedding(8)(tf.constant([0.0])).numpy().tolist()
        [[1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0]]
    """

    def __init__(
        self,
        dim: int,
        *,
        scale: float = 1000.0,
        max_period: float = 10_000.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(autocast=False, **kwargs)  # times stay float32
        if dim < 2 or dim % 2:
            raise ValueError(
                "An even, positive length was expected, for cosines and sines. "
                f"Received: dim={dim}. Use dim={max(2, dim + 1)}."
            )
        self.dim = dim
        self.scale = scale
        self.max_period = max_period

    def call(self, time: tf.Tensor) -> tf.Tensor:
        """Embeds each time."""
        half = self.dim // 2
        frequencies = tf.constant(
            [
                self.scale * math.exp(-math.log(self.max_period) * i / half)
                for i in range(half)
            ],
            tf.float32,
        )
        angles = tf.cast(time, tf.float32)[:, tf.newaxis] * frequencies
        return tf.concat((tf.cos(angles), tf.sin(angles)), axis=-1)

    def compute_output_spec(self, time: Any) -> keras.KerasTensor:
        """float32 `(batch, dim)`."""
        return keras.KerasTensor((time.shape[0], self.dim), dtype="float32")

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "dim": self.dim,
            "scale": self.scale,
            "max_period": self.max_period,
        }
