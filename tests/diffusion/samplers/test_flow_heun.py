"""Heun in a rectified flow's time: the exact flow, its order, and its calls."""

import numpy as np
import pytest
import tensorflow as tf
from gaussian import (
    MEAN,
    SCHEDULES,
    SPACING,
    STD,
    assert_follows_the_flow,
    best_estimate,
    fitted_order,
    sample,
)

from tfgenai.diffusion import FlowHeun


def test_it_follows_the_exact_flow():
    assert_follows_the_flow(FlowHeun(), "flow_heun", 0.001)


def test_its_error_falls_with_the_square_of_the_steps():
    order = fitted_order(FlowHeun(spacing=SPACING), "rectified_flow")
    assert order == pytest.approx(2.0, abs=0.2)


def velocity(x, t):
    gain = (1 - t) * STD**2 / ((1 - t) ** 2 * STD**2 + t**2)
    x0 = MEAN + gain * (x - (1 - t) * MEAN)
    return (x - (1 - t) * x0) / t - x0


def test_it_is_heuns_method_on_noise_minus_data():
    n = 5
    z = np.array([[0.3, -1.2], [1.1, 0.4]], np.float32)
    x = z.astype(np.float64)
    for i in range(n):
        t, s = 1 - i / n, 1 - (i + 1) / n
        u = velocity(x, t)
        if i < n - 1:
            u = (u + velocity(x - u / n, s)) / 2
        x = x - u / n
    ours = sample(FlowHeun(), SCHEDULES["rectified_flow"], np.full(2, n), z)
    np.testing.assert_allclose(ours, x, atol=1e-5)


def test_the_network_is_called_twice_a_step_but_once_in_the_last():
    calls = tf.Variable(0)

    def denoise(x, level, previous):
        calls.assign_add(1)
        return best_estimate(x, level)

    schedule = SCHEDULES["rectified_flow"]
    sample(FlowHeun(), schedule, np.full(2, 4), np.zeros((2, 2)), denoise)
    assert int(calls) == 7
