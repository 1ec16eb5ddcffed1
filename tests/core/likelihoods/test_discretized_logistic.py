"""The discretised logistic against SciPy, TensorFlow Probability and sums to one."""

import numpy as np
import pytest
import scipy.stats
import tensorflow as tf
import tensorflow_probability as tfp

from tfgenai.core import random
from tfgenai.core.likelihoods import DiscretizedLogistic, bits_per_dim
from tfgenai.core.likelihoods.discretized_logistic import on_levels, to_level

LEVELS = np.arange(256) / 127.5 - 1.0


def mass_by_scipy(mean, scale):
    """Float64 masses of the 256 bins; edges half a level out, ends at infinity."""
    edges = np.concatenate([[-np.inf], (LEVELS[:-1] + LEVELS[1:]) / 2, [np.inf]])
    logistic = scipy.stats.logistic(mean, scale)
    # Differences of the smaller tail keep their digits.
    lower = np.diff(logistic.cdf(edges))
    upper = -np.diff(logistic.sf(edges))
    return np.where(edges[1:] < mean, lower, upper)


def log_probs(mean, log_scale):
    parameters = np.float32([mean, log_scale]).reshape(1, 1, 1, 2)
    x = np.float32(LEVELS).reshape(256, 1, 1, 1)
    return DiscretizedLogistic().log_prob(x, parameters).numpy().astype(np.float64)


@pytest.mark.parametrize("mean", [-1.4, -1.0, -0.3, 0.0, 0.77, 1.0])
@pytest.mark.parametrize("log_scale", [-6.0, -4.0, -1.0, 2.0])
class TestOneValue:
    def test_equals_scipy(self, mean, log_scale):
        with np.errstate(divide="ignore"):
            expected = np.log(mass_by_scipy(np.float32(mean), np.exp(log_scale)))
        likely = expected > -60  # beyond, SciPy's own digits end
        np.testing.assert_allclose(
            log_probs(mean, log_scale)[likely], expected[likely], rtol=2e-4, atol=2e-4
        )

    def test_sums_to_one(self, mean, log_scale):
        np.testing.assert_allclose(np.exp(log_probs(mean, log_scale)).sum(), 1.0, 1e-4)

    def test_equals_tfd_quantized_distribution(self, mean, log_scale):
        in_levels = tfp.distributions.Logistic(
            (np.float64(mean) + 1) * 127.5, np.exp(np.float64(log_scale)) * 127.5
        )
        # TFP's bins end at the level; ours are centred on it.
        quantized = tfp.distributions.QuantizedDistribution(
            tfp.bijectors.Shift(np.float64(-0.5))(in_levels), low=0.0, high=255.0
        )
        expected = quantized.log_prob(np.arange(256.0)).numpy()
        likely = expected > -10
        np.testing.assert_allclose(
            log_probs(mean, log_scale)[likely], expected[likely], rtol=2e-3, atol=2e-3
        )


def test_tails_stay_exact_and_trainable():
    # closed form far below the mean: log mass -> (x - mean) / scale + const
    parameters = tf.constant([0.9, -5.0], shape=(1, 1, 1, 2))
    x = tf.constant(LEVELS[[100, 101]], tf.float32, shape=(2, 1, 1, 1))
    with tf.GradientTape() as tape:
        tape.watch(parameters)
        log_prob = DiscretizedLogistic().log_prob(x, parameters)
    slope = float(log_prob[1] - log_prob[0])
    assert abs(slope - np.exp(5.0) / 127.5) < 1e-3
    gradient = tape.gradient(log_prob, parameters).numpy()
    assert np.isfinite(gradient).all()
    assert gradient.all()


@pytest.mark.parametrize("log_scale", [-100.0, 100.0])
def test_extreme_scales_stay_finite(log_scale):
    parameters = tf.constant([0.1, log_scale], shape=(1, 1, 1, 2))
    x = tf.constant(LEVELS, tf.float32, shape=(256, 1, 1, 1))
    with tf.GradientTape() as tape:
        tape.watch(parameters)
        log_prob = DiscretizedLogistic().log_prob(x, parameters)
    assert np.isfinite(log_prob).all()
    assert np.isfinite(tape.gradient(log_prob, parameters)).all()


def test_a_flat_distribution_has_log2_of_levels_bits():
    # Inside the range a very wide logistic is flat: all inner bins weigh the same.
    inner = log_probs(0.0, 6.0)[1:-1]
    np.testing.assert_allclose(inner, inner[0], atol=1e-3)
    uniform = np.log(1 / 256) * 784
    np.testing.assert_allclose(bits_per_dim(uniform, (28, 28, 1)), 8.0)


def test_samples_follow_the_masses():
    # chi-square over the bins that expect 5 or more; p > 1e-4
    n, mean, log_scale = 20_000, 0.5, -2.0
    parameters = np.broadcast_to(np.float32([mean, log_scale]), (n, 1, 1, 2))
    samples = DiscretizedLogistic().sample(parameters, random.row_seeds(1, n)).numpy()
    counts = np.bincount(
        np.rint((samples.ravel() + 1) * 127.5).astype(int), minlength=256
    )
    expected = n * mass_by_scipy(mean, np.exp(log_scale))
    many = expected >= 5
    observed = np.append(counts[many], counts[~many].sum())
    wanted = np.append(expected[many], expected[~many].sum())
    assert scipy.stats.chisquare(observed, wanted).pvalue > 1e-4


def test_every_byte_is_on_the_levels():
    bytes_as_floats = tf.cast(tf.range(256), tf.float32) / 127.5 - 1.0
    assert on_levels(tf.reshape(bytes_as_floats, (256, 1)), 256).numpy().all()
    assert not on_levels(tf.constant([[0.0], [1.01], [np.nan]]), 256).numpy().any()
    np.testing.assert_allclose(
        to_level(bytes_as_floats, 256), bytes_as_floats, atol=1e-7
    )


def test_two_levels_at_least():
    with pytest.raises(ValueError, match="Received: num_levels=1"):
        DiscretizedLogistic(1)
