"""Euler: the exact flow, its order, and its step written out in sigma / alpha."""

import numpy as np
import pytest
from gaussian import (
    SCHEDULES,
    SPACING,
    assert_follows_the_flow,
    every_step,
    fitted_order,
)

from tfgenai.diffusion import DDIM, Euler


def test_it_follows_the_exact_flow():
    assert_follows_the_flow(Euler(), "euler", 0.06)


@pytest.mark.parametrize("schedule", ["cosine", "karras", "rectified_flow"])
def test_its_error_falls_in_proportion_to_the_steps(schedule):
    order = fitted_order(Euler(spacing=SPACING), schedule)
    assert order == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize("schedule", ["linear", "cosine", "karras", "rectified_flow"])
def test_it_is_a_straight_step_in_the_noise_to_signal_ratio(schedule):
    step = every_step(Euler(), SCHEDULES[schedule], 8)
    x, x0 = step.noise(1), step.noise(2)
    result = Euler().step(lambda y, level: x0, x, (), step)[0]
    (a, s), (b, r) = (
        (
            np.float64(level.alpha)[1:, None],
            np.float64(level.sigma)[1:, None] / np.float64(level.alpha)[1:, None],
        )
        for level in (step.now, step.then)
    )
    y = np.float64(x)[1:] / a
    derivative = (y - x0[1:]) / s
    np.testing.assert_allclose(result[1:], b * (y + (r - s) * derivative), atol=1e-5)


@pytest.mark.parametrize("schedule", ["linear", "karras", "cosine, 1000, zero snr"])
def test_it_is_ddim_without_noise(schedule):
    step = every_step(Euler(), SCHEDULES[schedule], 8)
    x, x0 = step.noise(1), step.noise(2)
    ours, theirs = (
        sampler.step(lambda y, level: x0, x, (), step)[0]
        for sampler in (Euler(), DDIM())
    )
    np.testing.assert_allclose(ours, theirs, atol=1e-5)
