"""Heun: the exact flow, its order, algorithm 2 line by line, and churn."""

import json

import numpy as np
import pytest
import tensorflow as tf
from gaussian import (
    MEAN,
    SCHEDULES,
    SPACING,
    STD,
    assert_draws_the_data,
    assert_follows_the_flow,
    best_estimate,
    every_step,
    fitted_order,
    sample,
)

from tfgenai.diffusion import FlowHeun, Heun
from tfgenai.diffusion.levels import squared_transition


def test_it_follows_the_exact_flow():
    assert_follows_the_flow(Heun(spacing="trailing"), "heun", 0.012)


@pytest.mark.parametrize("schedule", ["cosine", "karras", "rectified_flow"])
def test_its_error_falls_with_the_square_of_the_steps(schedule):
    order = fitted_order(Heun(spacing=SPACING), schedule)
    assert order == pytest.approx(2.0, abs=0.2)


def test_with_churn_its_samples_have_the_law_of_the_data():
    sampler = Heun(s_churn=30.0, s_min=0.05, s_max=50.0, spacing="trailing")
    assert_draws_the_data(sampler, 0.02)


def test_without_churn_it_is_algorithm_2_line_by_line():
    schedule, n = SCHEDULES["karras"], 18
    z = np.array([[0.3, -1.2], [1.1, 0.4]], np.float32)

    def best(x, sigma):
        return MEAN + STD**2 / (STD**2 + sigma**2) * (x - MEAN)

    roots = np.linspace(80.0 ** (1 / 7), 0.002 ** (1 / 7), n)  # equation 5
    sigmas = np.append(roots**7, 0.0)
    x = MEAN + np.sqrt(STD**2 + sigmas[0] ** 2) * z.astype(np.float64)
    for i in range(n):
        d = (x - best(x, sigmas[i])) / sigmas[i]
        y = x + (sigmas[i + 1] - sigmas[i]) * d
        if sigmas[i + 1]:
            d_after = (y - best(y, sigmas[i + 1])) / sigmas[i + 1]
            y = x + (sigmas[i + 1] - sigmas[i]) * (d + d_after) / 2
        x = y
    ours = sample(Heun(), schedule, np.full(2, n), z)
    np.testing.assert_allclose(ours, x, atol=1e-4)


def test_on_a_rectified_flow_it_is_heun_in_time():
    z = np.array([[0.3, -1.2], [1.1, 0.4]], np.float32)
    ours, theirs = (
        sample(sampler, SCHEDULES["rectified_flow"], np.full(2, 9), z)
        for sampler in (Heun(spacing="trailing"), FlowHeun())
    )
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_the_network_is_called_twice_a_step_but_once_in_the_last():
    calls = tf.Variable(0)

    def denoise(x, level, previous):
        calls.assign_add(1)
        return best_estimate(x, level)

    sample(Heun(), SCHEDULES["karras"], np.full(2, 5), np.zeros((2, 2)), denoise)
    assert int(calls) == 9


@pytest.mark.parametrize("schedule", ["karras", "linear", "rectified_flow"])
def test_churn_adds_the_noise_between_two_levels(schedule):
    sampler = Heun(s_churn=8.0, spacing="trailing")
    step = every_step(sampler, SCHEDULES[schedule], 16)
    x = step.noise(1)
    y, hat = sampler._add_noise(x, step)
    inner = slice(2, None)  # away from the level that nothing goes beyond
    ratio = np.exp(step.now.half_log_snr - hat.half_log_snr)[inner]
    np.testing.assert_allclose(ratio, 2**0.5, rtol=2e-3)
    a, b = (np.float64(v.alpha)[inner, None] for v in (step.now, hat))
    r, s = (np.float64(v.sigma)[inner, None] for v in (step.now, hat))
    spread = np.sqrt(s**2 - (b / a) ** 2 * r**2)
    expected = b / a * x[inner] + spread * step.noise(0)[inner]
    np.testing.assert_allclose(y[inner], expected, rtol=1e-3, atol=1e-3)


def test_churn_stays_between_s_min_and_s_max_and_at_the_first_level():
    sampler = Heun(s_churn=8.0, s_min=0.1, s_max=10.0, spacing="trailing")
    for name in ("karras", "cosine, zero snr", "linear, 1000"):
        step = every_step(sampler, SCHEDULES[name], 16)
        y, hat = sampler._add_noise(step.noise(1), step)
        ratio = np.exp(-np.float64(step.now.half_log_snr))
        inside = (ratio >= 0.1) & (ratio <= 10.0)
        assert inside.any()
        assert not inside.all()
        share = squared_transition(hat, step.now).numpy()
        assert (share[inside] > 0.05).all()
        np.testing.assert_array_equal(share[~inside], 0.0)
        np.testing.assert_array_equal(y[~inside], step.noise(1)[~inside])


def test_its_config_is_json():
    config = Heun(s_churn=1.0).get_config()
    assert json.loads(json.dumps(config, allow_nan=False)) == config
    assert config["s_max"] is None


@pytest.mark.parametrize("name", ["s_churn", "s_min", "s_max", "s_noise"])
@pytest.mark.parametrize("value", [-1.0, float("inf")])
def test_numbers_that_are_negative_or_infinite_are_refused(name, value):
    with pytest.raises(ValueError, match=f"{name}={value}"):
        Heun(**{name: value})
