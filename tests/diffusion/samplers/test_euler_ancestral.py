"""Euler ancestral: s_down and s_up written out, its limits, its samples' law."""

import numpy as np
import pytest
from gaussian import SCHEDULES, assert_draws_the_data, every_step

from tfgenai.diffusion import DDPM, Euler, EulerAncestral


def test_its_samples_have_the_law_of_the_data():
    assert_draws_the_data(EulerAncestral(), 0.08)


@pytest.mark.parametrize("schedule", ["linear", "karras", "rectified_flow"])
def test_it_steps_below_the_next_level_and_adds_noise_up_to_it(schedule):
    step = every_step(EulerAncestral(), SCHEDULES[schedule], 8)
    x, x0, noise = step.noise(1), step.noise(2), step.noise(0)
    result = EulerAncestral(eta=0.6).step(lambda y, level: x0, x, (), step)[0]
    (a, s), (b, r) = (
        (
            np.float64(level.alpha)[1:, None],
            np.float64(level.sigma)[1:, None] / np.float64(level.alpha)[1:, None],
        )
        for level in (step.now, step.then)
    )
    up = 0.6 * np.sqrt(r**2 * (s**2 - r**2) / s**2)
    down = np.sqrt(r**2 - up**2)
    y = np.float64(x)[1:] / a
    y = y + (down - s) * (y - x0[1:]) / s + up * noise[1:]
    np.testing.assert_allclose(result[1:], b * y, atol=2e-5)


@pytest.mark.parametrize("schedule", ["linear", "cosine, zero snr"])
def test_its_limits_are_eulers_method_and_ancestral_sampling(schedule):
    step = every_step(Euler(), SCHEDULES[schedule], 8)
    x, x0 = step.noise(1), step.noise(2)

    def run(sampler):
        return sampler.step(lambda y, level: x0, x, (), step)[0]

    np.testing.assert_allclose(run(EulerAncestral(eta=0.0)), run(Euler()), atol=1e-5)
    np.testing.assert_allclose(run(EulerAncestral()), run(DDPM()), atol=1e-5)


def test_a_share_outside_of_0_to_1_is_refused():
    with pytest.raises(ValueError, match=r"eta=-0\.5"):
        EulerAncestral(eta=-0.5)
