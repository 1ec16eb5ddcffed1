"""The likelihood of grey levels: the mass of a logistic distribution in their bins."""

from typing import Any

import keras
import tensorflow as tf

from tfgenai.core import random
from tfgenai.core.likelihoods.likelihood import (
    LIKELIHOODS,
    Likelihood,
    all_but_first,
    event_shape,
    float32,
    sum_but_first,
)

# PixelCNN++ (Salimans et al. 2017) bounds log scales from below by the same value.
_MIN_LOG_SCALE = -7.0
_MAX_LOG_SCALE = 7.0
# Images are stored in float32: how far from a level a pixel may be, in levels.
_LEVEL_TOLERANCE = 1e-2


@LIKELIHOODS.register("discretized_logistic")
@keras.saving.register_keras_serializable("tfgenai")
class DiscretizedLogistic(Likelihood):
    """Independent grey levels: the mass of a logistic distribution in each level's bin.

    Salimans et al. 2017, "PixelCNN++: Improving the PixelCNN with Discretized Logistic
    Mixture Likelihood and Other Modifications", arXiv:1701.05517, equation 2; Kingma et
    al. 2016, arXiv:1606.04934, appendix B.1. The outermost bins reach to infinity, so
    the levels' probabilities sum to one. The network gives a mean and a log scale per
    value, in this order; scales are at least exp(-7), as in PixelCNN++.

    Args:
        num_levels: grey levels, equally spaced from -1 to 1.

    Raises:
        ValueError: if there are fewer than two levels.

    Example:
        >>> levels = tf.reshape(tf.linspace(-1.0, 1.0, 256), (256, 1, 1, 1))
        >>> parameters = tf.constant([0.3, -3.0], shape=(1, 1, 1, 2))
        >>> log_prob = DiscretizedLogistic().log_prob(levels, parameters)
        >>> round(float(tf.reduce_sum(tf.exp(log_prob))), 4)
        1.0
    """

    def __init__(self, num_levels: int = 256) -> None:
        if not isinstance(num_levels, int) or num_levels < 2:
            raise ValueError(
                "Two grey levels or more were expected. Received: "
                f"num_levels={num_levels}. 8-bit images have 256."
            )
        self.num_levels = num_levels
        self.support = f"{num_levels} equally spaced grey levels from -1 to 1"

    def num_parameters(self, channels: int) -> int:
        """A mean and a log scale a value."""
        return 2 * channels

    def channels_of_parameters(self, channels: int) -> list[int] | None:
        """Means of all channels, then their log scales."""
        return [*range(channels), *range(channels)]

    def log_prob(self, x: tf.Tensor, parameters: tf.Tensor) -> tf.Tensor:
        """Sum of log-probabilities in nats per example; see the base class."""
        mean, log_scale = tf.split(float32(parameters), 2, axis=-1)
        return sum_but_first(
            log_logistic_mass(float32(x), mean, log_scale, self.num_levels)
        )

    def mean(self, parameters: tf.Tensor) -> tf.Tensor:
        """The mean before rounding to levels, cut to [-1, 1]."""
        mean, _ = tf.split(float32(parameters), 2, axis=-1)
        return tf.clip_by_value(mean, -1.0, 1.0)

    def sample(
        self, parameters: tf.Tensor, seeds: tf.Tensor, *, stream: int = 0
    ) -> tf.Tensor:
        """Draws grey levels; see the base class."""
        mean, log_scale = tf.split(float32(parameters), 2, axis=-1)
        u = random.row_uniform(seeds, event_shape(mean), stream)
        return to_level(logistic_quantile(u, mean, log_scale), self.num_levels)

    def draw(
        self,
        parameters: tf.Tensor,
        u: tf.Tensor,
        temperature: tf.Tensor | float = 1.0,
    ) -> tf.Tensor:
        """The quantile's level; a temperature multiplies the scale."""
        mean, log_scale = tf.split(float32(parameters), 2, axis=-1)
        deviation = logistic_quantile(u, 0.0, log_scale)
        return to_level(mean + temperature * deviation, self.num_levels)

    def supports(self, x: tf.Tensor) -> tf.Tensor:
        """Which examples lie on the levels; bool `(batch,)`."""
        return on_levels(x, self.num_levels)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"num_levels": self.num_levels}


def log_logistic_mass(
    x: tf.Tensor, mean: tf.Tensor, log_scale: tf.Tensor, num_levels: int
) -> tf.Tensor:
    """Log-probability of each level under a discretised logistic.

    log(σ(a) - σ(b)) with a and b the standardised edges of the level's bin. The
    identity σ(a) - σ(b) = σ(a) · σ(-b) · (1 - exp(b - a)) makes it exact in float32 far
    out in the tails, where the difference itself would round to zero.

    Args:
        x: float32, values on `num_levels` levels from -1 to 1.
        mean: float32, broadcasts with `x`.
        log_scale: float32, broadcasts with `x`; held in [-7, 7].
        num_levels: number of levels.

    Returns:
        float32, nats, elementwise.
    """
    half = 1.0 / (num_levels - 1)
    log_scale = tf.clip_by_value(log_scale, _MIN_LOG_SCALE, _MAX_LOG_SCALE)
    inverse_scale = tf.exp(-log_scale)
    upper = (x - mean + half) * inverse_scale
    lower = (x - mean - half) * inverse_scale
    log_below_upper = -tf.nn.softplus(-upper)
    log_above_lower = -tf.nn.softplus(lower)
    width = 2.0 * half * inverse_scale
    inside = log_below_upper + log_above_lower + tf.math.log(-tf.math.expm1(-width))
    # The first and the last bin have one edge each.
    return tf.where(
        x <= -1.0 + half,
        log_below_upper,
        tf.where(x >= 1.0 - half, log_above_lower, inside),
    )


def logistic_quantile(u: tf.Tensor, mean: tf.Tensor, log_scale: tf.Tensor) -> tf.Tensor:
    """Inverse distribution function of the logistic at `u` in [0, 1); elementwise."""
    log_scale = tf.clip_by_value(log_scale, _MIN_LOG_SCALE, _MAX_LOG_SCALE)
    # Half of the uniform draws' step: neither logarithm is of zero.
    u = tf.maximum(u, 2.0**-25)
    return mean + tf.exp(log_scale) * (tf.math.log(u) - tf.math.log1p(-u))


def to_level(x: tf.Tensor, num_levels: int) -> tf.Tensor:
    """The level whose bin `x` lies in; float32 in [-1, 1]."""
    steps = (num_levels - 1) / 2.0
    return tf.round((tf.clip_by_value(x, -1.0, 1.0) + 1.0) * steps) / steps - 1.0


def on_levels(x: tf.Tensor, num_levels: int) -> tf.Tensor:
    """Which examples lie on the levels; bool `(batch,)`."""
    position = (float32(x) + 1.0) * ((num_levels - 1) / 2.0)
    near = tf.abs(position - tf.round(position)) < _LEVEL_TOLERANCE
    return all_but_first(near & (tf.abs(x) <= 1.0))
