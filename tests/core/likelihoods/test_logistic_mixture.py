"""The mixture of PixelCNN++ against its definition in float64 and sums to one."""

import itertools

import numpy as np
import pytest
import scipy.stats

from tfgenai.core import random
from tfgenai.core.likelihoods import DiscretizedLogistic, DiscretizedLogisticMixture


def log_prob_by_definition(x, parameters, components, levels):
    """Equations 1 to 3 for one pixel, in float64 and loops."""
    x, parameters = np.float64(x), np.float64(parameters)
    channels = len(x)
    groups = parameters.reshape(-1, components)
    logits, rest = groups[0], groups[1:]
    means, log_scales = rest[:channels], rest[channels : 2 * channels]
    coefficients = iter(np.tanh(rest[2 * channels :]))
    shifted = means.copy()
    for c in range(channels):
        for before in range(c):
            shifted[c] += next(coefficients) * x[before]
    half = 1 / (levels - 1)
    total = 0.0
    for k in range(components):
        mass = np.exp(logits[k]) / np.exp(logits).sum()
        for c in range(channels):
            logistic = scipy.stats.logistic(shifted[c, k], np.exp(log_scales[c, k]))
            low = -np.inf if x[c] < -1 + half else x[c] - half
            high = np.inf if x[c] > 1 - half else x[c] + half
            mass *= logistic.cdf(high) - logistic.cdf(low)
        total += mass
    return np.log(total)


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_equals_the_definition(channels):
    rng = random.numpy_generator(0, channels)
    likelihood = DiscretizedLogisticMixture(4)
    size = likelihood.num_parameters(channels)
    x = (rng.integers(0, 256, (6, 2, 1, channels)) / 127.5 - 1).astype(np.float32)
    x[0] = -1.0
    x[1] = 1.0
    parameters = rng.normal(size=(6, 2, 1, size)).astype(np.float32)
    expected = [
        sum(
            log_prob_by_definition(x[i, j, 0], parameters[i, j, 0], 4, 256)
            for j in range(2)
        )
        for i in range(6)
    ]
    np.testing.assert_allclose(likelihood.log_prob(x, parameters), expected, rtol=1e-4)


def test_pixels_of_two_channels_sum_to_one():
    levels = np.linspace(-1, 1, 16)
    x = np.float32(list(itertools.product(levels, levels))).reshape(-1, 1, 1, 2)
    likelihood = DiscretizedLogisticMixture(3, num_levels=16)
    parameters = random.numpy_generator(3).normal(
        size=(1, 1, 1, likelihood.num_parameters(2))
    )
    parameters = np.broadcast_to(parameters, (len(x), 1, 1, parameters.shape[-1]))
    log_prob = likelihood.log_prob(x, parameters.astype(np.float32)).numpy()
    np.testing.assert_allclose(
        np.exp(log_prob.astype(np.float64)).sum(), 1.0, rtol=1e-4
    )


def test_one_component_of_one_channel_is_the_discretized_logistic():
    x = np.float32([[[[0.2 * 127.5 / 127.5]]]])
    x = np.round((x + 1) * 127.5) / 127.5 - 1
    alone = DiscretizedLogistic().log_prob(x, np.float32([[[[0.1, -2.0]]]]))
    mixed = DiscretizedLogisticMixture(1).log_prob(
        x, np.float32([[[[3.0, 0.1, -2.0]]]])
    )
    np.testing.assert_allclose(alone, mixed, rtol=1e-6)


def test_samples_follow_the_masses():
    # chi-square over the 8 x 8 values of a pixel of two channels; p > 1e-4
    n, levels = 20_000, np.linspace(-1, 1, 8)
    likelihood = DiscretizedLogisticMixture(2, num_levels=8)
    size = likelihood.num_parameters(2)
    parameters = random.numpy_generator(9).normal(size=size).astype(np.float32)
    rows = np.broadcast_to(parameters, (n, 1, 1, size))
    samples = likelihood.sample(rows, random.row_seeds(4, n)).numpy()[:, 0, 0]
    assert likelihood.supports(samples[:, np.newaxis, np.newaxis]).numpy().all()
    index = np.rint((samples + 1) * 3.5).astype(int)
    counts = np.bincount(index[:, 0] * 8 + index[:, 1], minlength=64)
    grid = np.float32(list(itertools.product(levels, levels)))
    expected = n * np.exp([log_prob_by_definition(x, parameters, 2, 8) for x in grid])
    many = expected >= 5
    observed = np.append(counts[many], counts[~many].sum())
    wanted = np.append(expected[many], expected[~many].sum())
    keep = wanted > 0
    assert scipy.stats.chisquare(observed[keep], wanted[keep]).pvalue > 1e-4


def test_mean_equals_the_mean_of_samples_inside_the_range():
    # narrow components far from the ends: rounding and cutting do not matter
    likelihood = DiscretizedLogisticMixture(2)
    # groups: logits, means of 2 channels, log scales of 2, one coefficient
    parameters = np.float32(
        [0.3, -0.3, -0.2, 0.2, 0.1, -0.1, -4, -4, -4, -4, 0.5, -0.5]
    )
    rows = np.broadcast_to(parameters, (4000, 1, 1, 12))
    samples = likelihood.sample(rows, random.row_seeds(4, 4000)).numpy()
    mean = likelihood.mean(rows[:1]).numpy()[0]
    np.testing.assert_allclose(samples.mean(axis=0), mean, atol=5 * 0.25 / 4000**0.5)


def test_wrong_number_of_parameters_is_named():
    with pytest.raises(ValueError, match=r"30 \(grey\) or 100 \(colour\)"):
        DiscretizedLogisticMixture(10).mean(np.zeros((1, 1, 1, 31), np.float32))


@pytest.mark.parametrize("arguments", [{"num_components": 0}, {"num_levels": 1}])
def test_numbers_must_be_in_range(arguments):
    with pytest.raises(ValueError, match=f"Received: {next(iter(arguments))}="):
        DiscretizedLogisticMixture(**arguments)
