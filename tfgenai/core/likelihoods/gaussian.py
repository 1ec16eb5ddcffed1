"""The density of images with independent normal pixels."""

import math
from typing import Any

import keras
import tensorflow as tf

from tfgenai.core import random
from tfgenai.core.likelihoods.likelihood import (
    LIKELIHOODS,
    Likelihood,
    event_shape,
    float32,
    sum_but_first,
)

_MAX_LOG_SCALE = 7.0


@LIKELIHOODS.register("gaussian")
@keras.saving.register_keras_serializable("tfgenai")
class Gaussian(Likelihood):
    """Independent normal pixels, a density over the unit of the data ([-1, 1]).

    Args:
        scale: standard deviation of every pixel, or None to read a mean and a log
            standard deviation per value from the network, in this order.
        min_scale: smallest standard deviation that is read; a density of data with
            repeated values has no maximum without one. Half a step between two of 256
            grey levels by default.

    Raises:
        ValueError: if a scale is not positive.

    Example:
        >>> x = tf.zeros((1, 1, 1, 1))
        >>> log_prob = Gaussian(scale=1.0).log_prob(x, x)
        >>> round(float(log_prob[0]), 4)  # -log(2 pi) / 2
        -0.9189
    """

    is_density = True

    def __init__(
        self, scale: float | None = None, *, min_scale: float = 1.0 / 255.0
    ) -> None:
        for name, value in (("scale", scale), ("min_scale", min_scale)):
            if value is not None and not 0 < value < math.inf:
                raise ValueError(
                    "A positive standard deviation was expected. Received: "
                    f"{name}={value}. Use scale=None to learn it."
                )
        self.scale = scale
        self.min_scale = min_scale

    def num_parameters(self, channels: int) -> int:
        """A mean, and a log standard deviation unless the scale is fixed."""
        return channels if self.scale is not None else 2 * channels

    def log_prob(self, x: tf.Tensor, parameters: tf.Tensor) -> tf.Tensor:
        """Log-density in nats per example; see the base class."""
        mean, log_scale = self._split(parameters)
        z = (float32(x) - mean) * tf.exp(-log_scale)
        return sum_but_first(-0.5 * (z * z + math.log(2 * math.pi)) - log_scale)

    def mean(self, parameters: tf.Tensor) -> tf.Tensor:
        """The mean, cut to [-1, 1]."""
        return tf.clip_by_value(self._split(parameters)[0], -1.0, 1.0)

    def sample(
        self, parameters: tf.Tensor, seeds: tf.Tensor, *, stream: int = 0
    ) -> tf.Tensor:
        """Draws pixels, cut to [-1, 1]; see the base class."""
        mean, log_scale = self._split(parameters)
        noise = random.row_normal(seeds, event_shape(mean), stream)
        return tf.clip_by_value(mean + tf.exp(log_scale) * noise, -1.0, 1.0)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"scale": self.scale, "min_scale": self.min_scale}

    def _split(self, parameters: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        parameters = float32(parameters)
        if self.scale is not None:
            return parameters, tf.constant(math.log(self.scale))
        mean, log_scale = tf.split(parameters, 2, axis=-1)
        low = math.log(self.min_scale)
        return mean, tf.clip_by_value(log_scale, low, max(low, _MAX_LOG_SCALE))
