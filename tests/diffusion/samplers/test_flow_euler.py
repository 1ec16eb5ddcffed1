"""Euler in a rectified flow's time: the exact flow, its order, and what it refuses."""

import numpy as np
import pytest
from gaussian import (
    MEAN,
    SCHEDULES,
    SPACING,
    STD,
    assert_follows_the_flow,
    fitted_order,
    sample,
)

import tfgenai as tg
from tfgenai.diffusion import FlowEuler


def test_it_follows_the_exact_flow():
    assert_follows_the_flow(FlowEuler(), "flow_euler", 0.06)


def test_its_error_falls_in_proportion_to_the_steps():
    order = fitted_order(FlowEuler(spacing=SPACING), "rectified_flow")
    assert order == pytest.approx(1.0, abs=0.1)


def test_it_is_eulers_method_on_noise_minus_data():
    n = 5
    z = np.array([[0.3, -1.2], [1.1, 0.4]], np.float32)
    x = z.astype(np.float64)
    for i in range(n):
        t = 1 - i / n
        gain = (1 - t) * STD**2 / ((1 - t) ** 2 * STD**2 + t**2)
        x0 = MEAN + gain * (x - (1 - t) * MEAN)
        noise = (x - (1 - t) * x0) / t
        x = x - (noise - x0) / n
    ours = sample(FlowEuler(), SCHEDULES["rectified_flow"], np.full(2, n), z)
    np.testing.assert_allclose(ours, x, atol=1e-5)


@pytest.mark.parametrize("sampler", ["flow_euler", "flow_heun"])
@pytest.mark.parametrize("schedule", ["linear", "cosine", "sigmoid", "karras"])
def test_other_schedules_are_refused_with_the_way_out(sampler, schedule):
    with pytest.raises(ValueError, match=f"sampler='{sampler}'.*sampler='euler' or"):
        tg.DiffusionModel(data_shape=(2,), noise_schedule=schedule, sampler=sampler)
