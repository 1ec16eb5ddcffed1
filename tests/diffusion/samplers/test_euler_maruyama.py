"""Euler-Maruyama: its step against the SDE's coefficients, its samples' law."""

import numpy as np
import pytest
import tensorflow as tf
from gaussian import MEAN, SCHEDULES, assert_draws_the_data, every_step, with_noise

from tfgenai.diffusion import EulerMaruyama
from tfgenai.diffusion.samplers.sampler import Step
from tfgenai.diffusion.schedules import Linear


def test_its_samples_have_the_law_of_the_data():
    assert_draws_the_data(EulerMaruyama(), 0.06)


def test_small_steps_are_those_of_the_reverse_sde():
    # VP-SDE: f = -beta(t)/2 x, g² = beta(t), beta(t) = 0.1 + 19.9 t; equation 32.
    schedule, dt = Linear(), 1e-4
    time = np.array([0.3, 0.6, 0.9], np.float32)
    now, then = (schedule.level(tf.constant(t)) for t in (time, time - dt))
    no = tf.zeros(3, tf.bool)
    index = tf.range(3)
    step = Step(schedule, index, index, now, now, then, no, no, lambda k: None)
    x, x0 = tf.constant([[1.0, -0.4]] * 3), tf.constant([[0.2, 0.5]] * 3)
    moved = {
        noise: EulerMaruyama().step(
            lambda y, level: x0, x, (), with_noise(step, noise)
        )[0]
        for noise in (0.0, 1.0)
    }
    beta = (0.1 + 19.9 * time)[:, None]
    score = -(x - now.alpha[:, None] * x0) / now.sigma[:, None] ** 2
    drift = 0.5 * beta * x + beta * score
    np.testing.assert_allclose((moved[0.0] - x) / dt, drift, rtol=0.01, atol=0.01)
    spread = (moved[1.0] - moved[0.0]) / np.sqrt(dt)
    np.testing.assert_allclose(spread, np.sqrt(beta) * np.ones(2), rtol=0.01)


def test_where_noise_only_grows_it_is_the_steps_of_the_variance_exploding_process():
    # Song et al. 2021, equation 46 for f = 0: x + (s² - s'²) score + sqrt(s² - s'²) z.
    step = every_step(EulerMaruyama(), SCHEDULES["karras"], 10)
    x, x0, noise = step.noise(1), step.noise(2), step.noise(0)
    result = EulerMaruyama().step(lambda y, level: x0, x, (), step)[0]
    s, r = (np.float64(v.sigma)[:-1, None] for v in (step.now, step.then))
    score = -(x[:-1] - x0[:-1]) / s**2
    expected = x[:-1] + (s**2 - r**2) * score + np.sqrt(s**2 - r**2) * noise[:-1]
    np.testing.assert_allclose(result[:-1], expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("schedule", list(SCHEDULES))
def test_the_last_step_is_the_data_estimate(schedule):
    step = every_step(EulerMaruyama(), SCHEDULES[schedule], 5)
    x0 = tf.tile(MEAN[None], (5, 1))
    result = EulerMaruyama().step(lambda y, level: x0, step.noise(1), (), step)[0]
    np.testing.assert_array_equal(result[-1], MEAN)
    assert np.isfinite(result).all()
