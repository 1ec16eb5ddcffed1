"""The posterior's KL against TensorFlow Probability, and its bounds."""

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfgenai.core import random
from tfgenai.vae.posterior import (
    MAX_LOG_VARIANCE,
    MIN_LOG_VARIANCE,
    kl_to_prior,
    split_posterior,
)


def test_kl_equals_tfd():
    rng = random.numpy_generator(0)
    mean, log_variance = rng.normal(size=(2, 5, 7)).astype(np.float32)
    q = tfp.distributions.Normal(mean, np.exp(0.5 * log_variance))
    expected = tfp.distributions.kl_divergence(q, tfp.distributions.Normal(0.0, 1.0))
    np.testing.assert_allclose(
        kl_to_prior(mean, log_variance), expected, rtol=1e-4, atol=1e-6
    )


def test_log_variances_pass_inside_the_range_and_are_held_outside():
    outputs = tf.constant([[3.0, -2.5], [100.0, 1.0], [-100.0, -100.0]])
    mean, log_variance = split_posterior(outputs)
    np.testing.assert_array_equal(mean[:, 0], [3.0, 100.0, -100.0])
    np.testing.assert_array_equal(log_variance[0], [-2.5])
    low, high = (
        split_posterior(tf.constant([[0.0, value]]))[1].numpy().item()
        for value in (-100.0, 100.0)
    )
    assert (low, high) == (MIN_LOG_VARIANCE, MAX_LOG_VARIANCE)


def test_the_gradient_of_a_held_variance_points_back():
    for value in (-100.0, 100.0):
        outputs = tf.constant([[0.0, value]])
        with tf.GradientTape() as tape:
            tape.watch(outputs)
            kl = kl_to_prior(*split_posterior(outputs))
        gradient = tape.gradient(kl, outputs).numpy()[0, 1]
        assert np.isfinite(gradient)
        assert np.sign(gradient) == np.sign(value)


def test_half_precision_becomes_float32():
    mean, log_variance = split_posterior(tf.zeros((2, 6), tf.float16))
    assert mean.dtype == log_variance.dtype == tf.float32
    assert mean.shape == log_variance.shape == (2, 3)
