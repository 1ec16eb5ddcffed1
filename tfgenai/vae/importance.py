"""Importance-weighted estimates of log p(x) under a variational autoencoder."""

from collections.abc import Callable

import tensorflow as tf

from tfgenai.core import random

SAMPLES_PER_CHUNK = 10

Decode = Callable[[tf.Tensor, tf.Tensor | None], tf.Tensor]
LogProb = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


def importance_weighted_log_prob(
    x: tf.Tensor,
    labels: tf.Tensor | None,
    posterior: tuple[tf.Tensor, tf.Tensor],
    seeds: tf.Tensor,
    num_samples: int | tf.Tensor,
    *,
    decode: Decode,
    log_prob: LogProb,
) -> tf.Tensor:
    """A lower bound on log p(x) that tightens with the number of samples.

    log 1/K Σ_k w_k with w_k = p(x | z_k) p(z_k) / q(z_k | x), z_k ~ q(z | x). Burda et
    al. 2016, "Importance Weighted Autoencoders", arXiv:1509.00519, equation 8. The sum
    is kept as a running maximum and remainder, so memory does not grow with K. Sample k
    of a row is a function of its seed and k alone.

    Args:
        x: float32 `(batch, ...)`.
        labels: float32 `(batch, num_classes)`, one-hot, or None.
        posterior: mean and log variance of q(z | x), float32 `(batch, latent_dim)`.
        seeds: int64 `(batch,)`.
        num_samples: K, int or int32 scalar.
        decode: from latents and labels to the likelihood's parameters.
        log_prob: from data and parameters to nats per example.

    Returns:
        float32 `(batch,)`, nats per example.
    """
    mean, log_variance = (tensor[:, tf.newaxis] for tensor in posterior)
    latent_dim = mean.shape[-1]
    scale = tf.exp(0.5 * log_variance)
    repeated_x = _repeat(x)
    repeated_labels = None if labels is None else _repeat(labels)

    def log_weights(chunk: tf.Tensor) -> tf.Tensor:
        noise = random.row_normal(seeds, (SAMPLES_PER_CHUNK, latent_dim), chunk)
        z = mean + scale * noise
        parameters = decode(tf.reshape(z, (-1, latent_dim)), repeated_labels)
        log_p = tf.reshape(log_prob(repeated_x, parameters), (-1, SAMPLES_PER_CHUNK))
        # log p(z) - log q(z | x); the normalising constants cancel.
        return log_p + 0.5 * tf.reduce_sum(
            noise * noise - z * z + log_variance, axis=-1
        )

    def body(
        chunk: tf.Tensor, largest: tf.Tensor, total: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        index = chunk * SAMPLES_PER_CHUNK + tf.range(SAMPLES_PER_CHUNK)
        log_w = tf.where(index < num_samples, log_weights(chunk), -float("inf"))
        new_largest = tf.maximum(largest, tf.reduce_max(log_w, axis=1))
        total *= tf.exp(largest - new_largest)
        total += tf.reduce_sum(tf.exp(log_w - new_largest[:, tf.newaxis]), axis=1)
        return chunk + 1, new_largest, total

    zeros = tf.zeros_like(mean[:, 0, 0])
    num_chunks = -(-num_samples // SAMPLES_PER_CHUNK)
    _, largest, total = tf.while_loop(
        lambda chunk, *_: chunk < num_chunks,
        body,
        (tf.constant(0), zeros - float("inf"), zeros),
        parallel_iterations=1,
    )
    return largest + tf.math.log(total / tf.cast(num_samples, tf.float32))


def _repeat(x: tf.Tensor) -> tf.Tensor:
    return tf.repeat(x, SAMPLES_PER_CHUNK, axis=0)
