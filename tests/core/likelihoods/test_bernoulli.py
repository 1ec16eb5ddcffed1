"""Bernoulli against TensorFlow Probability, closed forms and finite differences."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from tfgenai.core import random
from tfgenai.core.likelihoods import Bernoulli

SHAPE = (3, 4, 5, 2)


@pytest.fixture
def logits():
    return (4.0 * random.numpy_generator(1).normal(size=SHAPE)).astype(np.float32)


@pytest.fixture
def x():
    return random.numpy_generator(2).choice([-1.0, 1.0], SHAPE).astype(np.float32)


def test_log_prob_equals_tfd(x, logits):
    distribution = tfp.distributions.Independent(tfp.distributions.Bernoulli(logits), 3)
    expected = distribution.log_prob((x + 1) / 2)
    np.testing.assert_allclose(Bernoulli().log_prob(x, logits), expected, rtol=1e-5)


def test_gradient_is_target_minus_probability(x, logits):
    # closed form: d log p / d logit = t - sigmoid(logit)
    logits = tf.constant(np.concatenate([logits.ravel(), [0.0, 100.0, -100.0]]))
    logits = tf.reshape(tf.cast(logits, tf.float32), (1, -1))
    x = tf.concat([tf.reshape(x, (1, -1)), [[1.0, -1.0, 1.0]]], axis=1)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        log_prob = Bernoulli().log_prob(x, logits)
    gradient = tape.gradient(log_prob, logits)
    np.testing.assert_allclose(gradient, (x + 1) / 2 - tf.sigmoid(logits), atol=1e-6)


def test_extreme_logits_stay_finite_and_exact():
    x = np.array([[-1.0], [1.0], [1.0]], np.float32)
    logits = np.array([[1e4], [1e4], [-1e4]], np.float32)
    log_prob = Bernoulli().log_prob(x, logits)
    np.testing.assert_allclose(log_prob, [-1e4, 0.0, -1e4])


def test_grey_pixels_give_the_cross_entropy():
    # closed form: t log p + (1 - t) log(1 - p)
    logit, t = 0.7, 0.25
    p = 1 / (1 + np.exp(-logit))
    expected = t * np.log(p) + (1 - t) * np.log(1 - p)
    log_prob = Bernoulli().log_prob([[2 * t - 1]], [[logit]])
    np.testing.assert_allclose(log_prob, [expected], rtol=1e-6)


def test_supports_binary_images_only():
    x = np.array([[-1.0, 1.0], [0.0, 1.0], [np.nan, 1.0]], np.float32)
    assert Bernoulli().supports(x).numpy().tolist() == [True, False, False]


def test_mean_and_samples_agree(logits):
    # law of large numbers, 5 standard errors
    seeds = random.row_seeds(3, 4000)
    parameters = np.broadcast_to(logits[:1], (4000, *SHAPE[1:]))
    samples = Bernoulli().sample(parameters, seeds).numpy()
    assert set(np.unique(samples)) == {-1.0, 1.0}
    mean = Bernoulli().mean(parameters).numpy()[0]
    error = np.sqrt((1 - mean**2) / 4000) + 1e-3
    assert (np.abs(samples.mean(axis=0) - mean) < 5 * error).all()


def test_float16_parameters_are_computed_in_float32(x, logits):
    half = tf.cast(logits, tf.float16)
    log_prob = Bernoulli().log_prob(tf.cast(x, tf.float16), half)
    assert log_prob.dtype == tf.float32
    np.testing.assert_allclose(
        log_prob, Bernoulli().log_prob(x, tf.cast(half, tf.float32)), rtol=1e-6
    )
