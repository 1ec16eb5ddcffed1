"""Gaussian against TensorFlow Probability and closed forms."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from tfgenai.core import random
from tfgenai.core.likelihoods import Gaussian

SHAPE = (3, 4, 5, 2)


@pytest.fixture
def x():
    return random.numpy_generator(2).uniform(-1, 1, SHAPE).astype(np.float32)


@pytest.fixture
def mean():
    return random.numpy_generator(1).normal(size=SHAPE).astype(np.float32)


def test_fixed_scale_equals_tfd(x, mean):
    distribution = tfp.distributions.Independent(tfp.distributions.Normal(mean, 0.3), 3)
    expected = distribution.log_prob(x)
    np.testing.assert_allclose(Gaussian(0.3).log_prob(x, mean), expected, rtol=1e-5)


def test_learned_scale_equals_tfd(x, mean):
    log_scale = random.numpy_generator(5).normal(size=SHAPE).astype(np.float32)
    distribution = tfp.distributions.Independent(
        tfp.distributions.Normal(mean, np.exp(log_scale)), 3
    )
    parameters = np.concatenate([mean, log_scale], axis=-1)
    likelihood = Gaussian()
    assert likelihood.num_parameters(2) == parameters.shape[-1]
    np.testing.assert_allclose(
        likelihood.log_prob(x, parameters), distribution.log_prob(x), rtol=1e-5
    )


@pytest.mark.parametrize("log_scale", [-100.0, 100.0])
def test_extreme_scales_stay_finite(log_scale):
    parameters = tf.constant([[0.5, log_scale]])
    with tf.GradientTape() as tape:
        tape.watch(parameters)
        log_prob = Gaussian().log_prob(tf.zeros((1, 1)), parameters)
    assert np.isfinite(log_prob).all()
    assert np.isfinite(tape.gradient(log_prob, parameters)).all()


def test_scale_is_bounded_below():
    # closed form: -log(scale) - log(2 pi) / 2 at the mean
    log_prob = Gaussian(min_scale=0.1).log_prob([[0.0]], [[0.0, -9.0]])
    np.testing.assert_allclose(
        log_prob, [-np.log(0.1) - np.log(2 * np.pi) / 2], rtol=1e-6
    )


def test_samples_have_mean_and_scale():
    seeds = random.row_seeds(3, 5000)
    parameters = np.broadcast_to(np.float32([0.2, np.log(0.1)]), (5000, 1, 1, 2))
    samples = Gaussian().sample(parameters, seeds).numpy()
    assert abs(samples.mean() - 0.2) < 5 * 0.1 / np.sqrt(5000)
    assert abs(samples.std() - 0.1) < 5 * 0.1 / np.sqrt(2 * 5000)


def test_images_stay_in_range():
    parameters = np.full((8, 1, 1, 1), 3.0, np.float32)
    likelihood = Gaussian(0.5)
    assert likelihood.mean(parameters).numpy().max() == 1.0
    assert likelihood.sample(parameters, random.row_seeds(0, 8)).numpy().max() <= 1.0


@pytest.mark.parametrize("arguments", [{"scale": 0.0}, {"min_scale": -1.0}])
def test_scales_must_be_positive(arguments):
    with pytest.raises(ValueError, match=f"Received: {next(iter(arguments))}="):
        Gaussian(**arguments)
