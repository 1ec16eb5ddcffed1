"""Categorical against TensorFlow Probability, its draws against the masses."""

import numpy as np
import pytest
import scipy.stats
import tensorflow_probability as tfp

from tfgenai.core import random
from tfgenai.core.likelihoods import Categorical


def test_log_prob_equals_tfd():
    rng = random.numpy_generator(0)
    index = rng.integers(0, 5, (3, 2, 4, 3))
    logits = rng.normal(size=(3, 2, 4, 15)).astype(np.float32)
    distribution = tfp.distributions.Categorical(logits.reshape(3, 2, 4, 3, 5))
    expected = distribution.log_prob(index).numpy().sum(axis=(1, 2, 3))
    x = (index / 2.0 - 1.0).astype(np.float32)
    np.testing.assert_allclose(Categorical(5).log_prob(x, logits), expected, rtol=1e-5)


def test_mean_is_the_sum_of_levels_times_probabilities():
    logits = np.log(np.float32([[[[0.2, 0.3, 0.5]]]]))
    np.testing.assert_allclose(Categorical(3).mean(logits), [[[[0.3]]]], atol=1e-6)


@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_draws_follow_the_masses(temperature):
    # chi-square over 6 levels; p > 1e-4
    n = 10_000
    logits = random.numpy_generator(3).normal(size=6).astype(np.float32)
    likelihood = Categorical(6)
    u = random.row_uniform(random.row_seeds(0, n), (1,))
    rows = np.broadcast_to(logits, (n, 6))
    samples = likelihood.draw(rows, u, temperature).numpy()
    assert likelihood.supports(samples).numpy().all()
    counts = np.bincount(np.rint((samples[:, 0] + 1) * 2.5).astype(int), minlength=6)
    masses = np.exp(logits.astype(np.float64) / temperature)
    expected = n * masses / masses.sum()
    assert scipy.stats.chisquare(counts, expected).pvalue > 1e-4


def test_levels_lie_where_their_images_do():
    # 256 levels are those of 8-bit images
    x = (np.arange(256) / 127.5 - 1.0).astype(np.float32)
    logits = np.where(np.eye(256) > 0, 50.0, 0.0).astype(np.float32)
    drawn = Categorical().draw(logits, np.full((256, 1), 0.5, np.float32))
    np.testing.assert_allclose(drawn[:, 0], x, atol=1e-6)
    log_prob = Categorical().log_prob(x[:, None, None, None], logits[:, None, None])
    np.testing.assert_allclose(log_prob, np.zeros(256), atol=1e-5)


@pytest.mark.parametrize("num_levels", [1, 2.0])
def test_levels_must_be_two_or_more(num_levels):
    with pytest.raises(ValueError, match="num_levels="):
        Categorical(num_levels)


@pytest.mark.parametrize("temperature", [1e-3, 1e-37])
def test_a_tiny_temperature_takes_the_likeliest(temperature):
    logits = np.array([[[[-40.0, 1.0, 3.0, 40.0, 39.0]]]], np.float32)
    for number in (0.0, 0.5, 1.0 - 2.0**-24):
        u = np.full((1, 1, 1, 1), number, np.float32)
        assert Categorical(5).draw(logits, u, temperature).numpy().item() == 0.5


def test_what_has_no_probability_is_never_drawn():
    logits = np.full((1, 1, 1, 256), 0.0, np.float32)
    logits[..., -1] = -np.inf
    u = np.full((1, 1, 1, 1), 1.0 - 2.0**-24, np.float32)
    assert Categorical(256).draw(logits, u).numpy().item() < 1.0
