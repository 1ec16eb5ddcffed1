"""SDE-DPM-Solver++(2M): its samples' law, its two limits, its step written out."""

import numpy as np
import pytest
import tensorflow as tf
from gaussian import SCHEDULES, assert_draws_the_data, every_step

from tfgenai.diffusion import DDPM, DPMPP2M, DPMPP2MSDE


def test_its_samples_have_the_law_of_the_data():
    assert_draws_the_data(DPMPP2MSDE(), 0.015)


def run(sampler, step, previous):
    x, x0 = step.noise(1), step.noise(2)
    return sampler.step(lambda y, level: x0, x, (previous,), step)


@pytest.mark.parametrize("schedule", ["linear", "karras", "cosine, zero snr"])
def test_without_noise_it_is_the_deterministic_method(schedule):
    step = every_step(DPMPP2M(), SCHEDULES[schedule], 8)
    ours, x0, states = run(DPMPP2MSDE(eta=0.0), step, step.noise(3))
    theirs, _, _ = run(DPMPP2M(), step, step.noise(3))
    np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(states[0], x0)


@pytest.mark.parametrize("schedule", ["linear", "karras", "cosine, zero snr"])
def test_with_an_estimate_that_stays_it_is_ancestral_sampling(schedule):
    step = every_step(DPMPP2M(), SCHEDULES[schedule], 8)
    ours, _, _ = run(DPMPP2MSDE(), step, step.noise(2))
    theirs, _, _ = run(DDPM(), step, step.noise(2))
    np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_the_step_is_the_midpoint_rule_written_out_in_float64():
    step = every_step(DPMPP2M(), SCHEDULES["linear"], 8)
    previous = step.noise(3)
    result, x0, _ = run(DPMPP2MSDE(), step, previous)
    inner = slice(1, 7)
    a, b, c = (
        (np.float64(v.alpha)[inner, None], np.float64(v.sigma)[inner, None])
        for v in (step.previous, step.now, step.then)
    )
    lam = [np.log(alpha / sigma) for alpha, sigma in (a, b, c)]
    h, r = lam[2] - lam[1], (lam[1] - lam[0]) / (lam[2] - lam[1])
    d = x0[inner] + (x0[inner] - previous[inner]) / (2 * r)
    expected = (
        c[1] / b[1] * np.exp(-h) * step.noise(1)[inner]
        + c[0] * (1 - np.exp(-2 * h)) * d
        + c[1] * np.sqrt(1 - np.exp(-2 * h)) * step.noise(0)[inner]
    )
    np.testing.assert_allclose(result[inner], expected, atol=1e-4)


def test_one_estimate_is_carried():
    assert DPMPP2MSDE.num_states == 1
    with pytest.raises(ValueError, match="eta=2"):
        DPMPP2MSDE(eta=2)


def test_the_first_step_does_not_look_back():
    step = every_step(DPMPP2M(), SCHEDULES["linear"], 8)
    one, _, _ = run(DPMPP2MSDE(), step, tf.zeros((8, 2)))
    other, _, _ = run(DPMPP2MSDE(), step, tf.ones((8, 2)))
    same = np.abs(one - other).max(axis=1) == 0.0
    np.testing.assert_array_equal(same, [True] + [False] * 6 + [True])
