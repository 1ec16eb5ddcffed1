"""DDPM: its posterior against the product of two Gaussians, and its samples."""

import numpy as np
import pytest
import tensorflow as tf
from gaussian import assert_draws_the_data, every_step, with_noise

from tfgenai.diffusion import DDPM
from tfgenai.diffusion.schedules import NOISE_SCHEDULES

SCHEDULES = [
    (name, zero)
    for name in NOISE_SCHEDULES
    for zero in (False, True)
    if not (zero and name == "karras")
]


def product_of_gaussians(schedule, num_timesteps, x, x0):
    """Law of x_s given x_t and x_0 by completing the square in float64, for every t."""
    alpha, sigma = (
        np.concatenate([[end], column])
        for end, column in zip((1.0, 0.0), schedule.table(num_timesteps), strict=True)
    )
    a = alpha[1:] / alpha[:-1]
    forward = sigma[1:] ** 2 - a**2 * sigma[:-1] ** 2  # variance of x_t given x_s
    prior = sigma[:-1] ** 2  # variance of x_s given x_0
    with np.errstate(divide="ignore"):
        precision = 1.0 / prior + a**2 / forward
    variance = 1.0 / precision
    # Multiplied through by the prior's variance, which is 0 for s = 0.
    weight = variance * a / forward
    mean = (1.0 - weight * a)[:, None] * alpha[:-1, None] * x0 + weight[:, None] * x
    return mean[::-1], variance[::-1], forward[::-1]  # sampling runs from T down


@pytest.mark.parametrize("num_timesteps", [10, 100, 1000])
@pytest.mark.parametrize(("name", "zero"), SCHEDULES)
def test_the_posterior_is_the_product_of_two_gaussians(name, zero, num_timesteps):
    schedule = NOISE_SCHEDULES.get(name)(
        num_timesteps=num_timesteps, zero_terminal_snr=zero
    )
    step = every_step(DDPM(), schedule, num_timesteps)
    x, x0 = step.noise(1), step.noise(2)
    mean, variance, forward = product_of_gaussians(
        schedule, num_timesteps, np.float64(x)[::-1], np.float64(x0)[::-1]
    )
    results = {}
    for kind in ("small", "large"):
        sampler = DDPM(variance=kind)
        for noise in (0.0, 1.0):
            given = with_noise(step, noise)
            results[kind, noise] = sampler.step(lambda y, level: x0, x, (), given)[0]
            assert np.isfinite(results[kind, noise]).all()
    np.testing.assert_allclose(results["small", 0.0], mean, atol=2e-5)
    np.testing.assert_array_equal(results["large", 0.0], results["small", 0.0])
    small, large = (
        (results[kind, 1.0] - results[kind, 0.0])[:, 0] for kind in ("small", "large")
    )
    np.testing.assert_allclose(small, np.sqrt(variance), rtol=2e-3, atol=1e-5)
    np.testing.assert_allclose(large[:-1], np.sqrt(forward[:-1]), rtol=2e-3, atol=1e-5)
    assert small[-1] == large[-1] == 0.0  # nothing is drawn in the last step


@pytest.mark.parametrize(("variance", "tolerance"), [("small", 0.08), ("large", 0.06)])
def test_its_samples_have_the_law_of_the_data(variance, tolerance):
    assert_draws_the_data(DDPM(variance=variance), tolerance)


def test_an_unknown_variance_is_refused():
    with pytest.raises(ValueError, match="variance='learned'"):
        DDPM(variance="learned")


def test_skipped_levels_have_the_posterior_between_them():
    schedule = NOISE_SCHEDULES.get("cosine")(num_timesteps=1000)
    step = with_noise(every_step(DDPM(), schedule, 4), 1.0)
    x = tf.zeros((4, 2))
    drawn = DDPM().step(lambda y, level: x, x, (), step)[0][:, 0]
    alpha, sigma = schedule.table(1000)
    t, s = [999, 749, 499], [749, 499, 249]
    forward = sigma[t] ** 2 - (alpha[t] / alpha[s]) ** 2 * sigma[s] ** 2
    expected = np.sqrt(forward) * sigma[s] / sigma[t]
    np.testing.assert_allclose(drawn[:3], expected, rtol=1e-4)
