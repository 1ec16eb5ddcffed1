"""The importance-weighted bound against exact log p(x) and direct arithmetic."""

import numpy as np
import pytest
import scipy.special
import scipy.stats
import tensorflow as tf

from tfgenai.core import random
from tfgenai.core.likelihoods import Gaussian
from tfgenai.vae.importance import SAMPLES_PER_CHUNK, importance_weighted_log_prob

SCALE = 0.5
W = np.float32([[0.8, -0.3, 0.5]])  # from one latent to three values


@pytest.fixture(scope="module")
def x():
    z = random.numpy_generator(0).normal(size=(40, 1))
    noise = random.numpy_generator(1).normal(size=(40, 3))
    return (z @ W + SCALE * noise).astype(np.float32)


@pytest.fixture(scope="module")
def estimate(x):
    """The bound for a posterior that is off: too wide and shifted."""

    @tf.function
    def bound(num_samples, seeds):
        posterior = (
            tf.fill((len(seeds), 1), 0.3),
            tf.fill((len(seeds), 1), np.float32(0.2)),
        )
        return importance_weighted_log_prob(
            tf.constant(x[: len(seeds)]),
            None,
            posterior,
            seeds,
            num_samples,
            decode=lambda z, labels: z @ W,
            log_prob=Gaussian(SCALE).log_prob,
        )

    def call(num_samples, n=40, seed=7):
        return bound(tf.constant(num_samples), random.row_seeds(seed, n)).numpy()

    return call


def exact_log_prob(x):
    covariance = W.T @ W + SCALE**2 * np.eye(3)
    return scipy.stats.multivariate_normal(np.zeros(3), covariance).logpdf(x)


def test_many_samples_give_exact_log_prob(x, estimate):
    # closed form of the linear Gaussian model
    np.testing.assert_allclose(estimate(20_000), exact_log_prob(x), atol=0.05)


def test_bound_tightens_with_the_samples(x, estimate):
    # Trap V2; 40 rows by 5 seeds
    means = [
        np.mean([estimate(k, seed=seed).mean() for seed in range(5)])
        for k in (1, 50, 500)
    ]
    assert means[0] < means[1] < means[2] < exact_log_prob(x).mean() + 0.01


@pytest.mark.parametrize("num_samples", [1, 7, SAMPLES_PER_CHUNK, 23])
def test_equals_logsumexp_of_the_weights(x, estimate, num_samples):
    # Burda et al. 2016, equation 8, with the same noise, in float64
    seeds = random.row_seeds(7, 40)
    chunks = -(-num_samples // SAMPLES_PER_CHUNK)
    noise = np.concatenate(
        [random.row_normal(seeds, (SAMPLES_PER_CHUNK, 1), c) for c in range(chunks)],
        axis=1,
    )[:, :num_samples]
    q = scipy.stats.norm(0.3, np.exp(0.1))
    z = 0.3 + np.exp(0.1) * noise.astype(np.float64)
    log_p = scipy.stats.norm(z @ W, SCALE).logpdf(x[:, np.newaxis]).sum(axis=-1)
    log_w = log_p + (scipy.stats.norm().logpdf(z) - q.logpdf(z))[..., 0]
    expected = scipy.special.logsumexp(log_w, axis=1) - np.log(num_samples)
    np.testing.assert_allclose(estimate(num_samples), expected, rtol=1e-5, atol=1e-4)


def test_rows_do_not_depend_on_each_other(estimate):
    np.testing.assert_array_equal(estimate(30, n=40)[:5], estimate(30, n=5))
