"""µ-law: sound in few levels that lie closer together near silence."""

import tensorflow as tf

from tfgenai.core.errors import ConfigError


def mu_law_encode(samples: tf.Tensor, num_levels: int = 256) -> tf.Tensor:
    """Rounds samples to levels that are evenly spaced after compression.

    ITU-T recommendation G.711 in its continuous form, as in van den Oord et al. 2016,
    "WaveNet: A Generative Model for Raw Audio", arXiv:1609.03499, section 2.2:
    f(x) = sign(x) · ln(1 + µ|x|) / ln(1 + µ), µ = num_levels - 1.

    With an even number of levels none of them is silence: zero becomes the one just
    above it, 8.6e-5 of full scale with 256 levels.

    Args:
        samples: float of any shape, in [-1, 1]; what lies outside is clipped.
        num_levels: number of levels, at least 2.

    Returns:
        int32 of the same shape, in [0, num_levels).

    Raises:
        ConfigError: if `num_levels` is less than 2.

    Example:
        >>> mu_law_encode(tf.constant([-1.0, 0.0, 1.0])).numpy().tolist()
        [0, 128, 255]
    """
    mu = _mu(num_levels)
    x = tf.clip_by_value(tf.cast(samples, tf.float32), -1.0, 1.0)
    compressed = tf.sign(x) * tf.math.log1p(mu * tf.abs(x)) / tf.math.log1p(mu)
    return tf.cast(tf.floor((compressed + 1.0) / 2.0 * mu + 0.5), tf.int32)


def mu_law_decode(levels: tf.Tensor, num_levels: int = 256) -> tf.Tensor:
    """Samples of levels: the inverse of `mu_law_encode`, up to rounding.

    A sample x that comes back as y has moved by at most
    ln(1 + µ) / µ² · (1 + µ · max(|x|, |y|)): 2.2 % of full scale at its loudest and
    8.6e-5 near silence with 256 levels.

    Args:
        levels: integers of any shape in [0, num_levels).
        num_levels: number of levels, at least 2.

    Returns:
        float32 of the same shape, in [-1, 1].

    Raises:
        ConfigError: if `num_levels` is less than 2.

    Example:
        >>> mu_law_decode(tf.constant([0, 255])).numpy().tolist()
        [-1.0, 1.0]
    """
    mu = _mu(num_levels)
    compressed = 2.0 * tf.cast(levels, tf.float32) / mu - 1.0
    expanded = tf.math.expm1(tf.abs(compressed) * tf.math.log1p(mu)) / mu
    return tf.sign(compressed) * tf.minimum(expanded, 1.0)


def _mu(num_levels: int) -> tf.Tensor:
    if isinstance(num_levels, bool) or not isinstance(num_levels, int):
        raise ConfigError(
            "A whole number of levels was expected. Received: "
            f"num_levels={num_levels!r}. Use 256, one byte a sample."
        )
    if num_levels < 2:
        raise ConfigError(
            "At least two levels were expected. Received: "
            f"num_levels={num_levels}. Use 256, one byte a sample."
        )
    return tf.constant(num_levels - 1, tf.float32)
