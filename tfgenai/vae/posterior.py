"""The posterior q(z | x) of a variational autoencoder: a diagonal normal."""

import tensorflow as tf

# Standard deviations from 5e-5 to 150: wide enough for any useful posterior, and no
# exponential of it overflows, not even in float16.
MIN_LOG_VARIANCE = -20.0
MAX_LOG_VARIANCE = 10.0


def split_posterior(outputs: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Mean and log variance from what an encoder returned.

    Log variances are held in [-20, 10]. The gradient passes as if they were not, so
    that a posterior which has left the range is pulled back instead of stuck.

    Args:
        outputs: float `(batch, 2 * latent_dim)`.

    Returns:
        Two float32 tensors `(batch, latent_dim)`.
    """
    mean, raw = tf.split(tf.cast(outputs, tf.float32), 2, axis=-1)
    held = tf.clip_by_value(raw, MIN_LOG_VARIANCE, MAX_LOG_VARIANCE)
    return mean, raw + tf.stop_gradient(held - raw)


def kl_to_prior(mean: tf.Tensor, log_variance: tf.Tensor) -> tf.Tensor:
    """KL(q(z | x) || N(0, 1)) of each latent dimension.

    Kingma & Welling 2014, "Auto-Encoding Variational Bayes", arXiv:1312.6114,
    appendix B.

    Args:
        mean: float32 `(batch, latent_dim)`.
        log_variance: float32 `(batch, latent_dim)`.

    Returns:
        float32 `(batch, latent_dim)`, nats, at least 0.

    Example:
        >>> kl_to_prior(tf.constant([[1.0]]), tf.constant([[0.0]])).numpy().tolist()
        [[0.5]]
    """
    return 0.5 * (mean * mean + tf.exp(log_variance) - 1.0 - log_variance)
