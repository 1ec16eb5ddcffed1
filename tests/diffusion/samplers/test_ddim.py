"""DDIM: the exact flow, its order, and its two limits."""

import numpy as np
import pytest
import tensorflow as tf
from gaussian import (
    SCHEDULES,
    SPACING,
    assert_draws_the_data,
    assert_follows_the_flow,
    every_step,
    fitted_order,
    sample,
)

from tfgenai.core import random
from tfgenai.diffusion import DDIM, DDPM
from tfgenai.diffusion.schedules import Cosine, Linear


def test_it_follows_the_exact_flow():
    assert_follows_the_flow(DDIM(), "ddim", 0.06)


@pytest.mark.parametrize("schedule", ["cosine", "karras", "rectified_flow"])
def test_its_error_falls_in_proportion_to_the_steps(schedule):
    assert fitted_order(DDIM(spacing=SPACING), schedule) == pytest.approx(1.0, abs=0.1)


def test_with_noise_it_draws_the_data():
    assert_draws_the_data(DDIM(eta=0.5), 0.05)


@pytest.mark.parametrize("schedule", [Linear, Cosine])
def test_all_steps_with_all_noise_are_ancestral_sampling_step_by_step(schedule):
    levels = schedule(num_timesteps=1000)
    step = every_step(DDPM(), levels, 1000)
    x = step.noise(1)
    x0 = tf.clip_by_value(step.noise(2), -1.0, 1.0)
    ours, theirs = (
        sampler.step(lambda y, level: x0, x, (), step)[0]
        for sampler in (DDIM(eta=1.0), DDPM())
    )
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_all_steps_with_all_noise_are_ancestral_sampling_over_a_run():
    z = random.numpy_generator(3).standard_normal((4, 2))
    steps = np.full(4, 100)
    ours, theirs = (
        sample(sampler, Linear(num_timesteps=100), steps, z)
        for sampler in (DDIM(eta=1.0), DDPM())
    )
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_equation_12_written_out_in_float64():
    schedule = SCHEDULES["cosine"]
    step = every_step(DDIM(), schedule, 10)
    x, x0, noise = step.noise(1), step.noise(2), step.noise(0)
    result = DDIM(eta=0.7).step(lambda y, level: x0, x, (), step)[0]
    a, b = (np.float64(level.alpha)[:, None] ** 2 for level in (step.now, step.then))
    sigma = 0.7 * np.sqrt((1 - b) / (1 - a)) * np.sqrt(1 - a / b)
    predicted = (x - np.sqrt(a) * x0) / np.sqrt(1 - a)
    expected = np.sqrt(b) * x0 + np.sqrt(1 - b - sigma**2) * predicted + sigma * noise
    np.testing.assert_allclose(result, expected, atol=1e-4)


def test_a_share_outside_of_0_to_1_is_refused():
    with pytest.raises(ValueError, match=r"eta=1\.5"):
        DDIM(eta=1.5)
