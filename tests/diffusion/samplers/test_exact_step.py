"""The exact step: its two limits, against the posterior and against a fine ODE."""

import dataclasses
import itertools

import numpy as np
import tensorflow as tf
from gaussian import SCHEDULES, every_step

from tfgenai.diffusion import Euler
from tfgenai.diffusion.levels import Level, clean_level
from tfgenai.diffusion.samplers.exact_step import change_by_history, exact_step
from tfgenai.diffusion.schedules import Cosine, Linear


def test_the_ode_for_an_estimate_that_stays_matches_a_fine_integration_in_float64():
    # dx/dt = x_0 dalpha/dt + noise dsigma/dt, for cosine angles, by 100,000 steps.
    x0, x = 0.4, -0.7
    angles = np.linspace(1.2, 0.5, 100_001)
    y = x
    for a, b in itertools.pairwise(angles):
        noise = (y - np.cos(a) * x0) / np.sin(a)
        y += (np.cos(b) - np.cos(a)) * x0 + (np.sin(b) - np.sin(a)) * noise
    now, then = (
        Level(*(tf.constant([v], tf.float32) for v in values))
        for values in (
            (0.0, np.cos(a), np.sin(a), -np.log(np.tan(a))) for a in (1.2, 0.5)
        )
    )
    mean, std = exact_step(tf.constant([[x]]), tf.constant([[x0]]), now, then)
    np.testing.assert_allclose(mean, [[y]], atol=1e-5)
    assert std[0] == 0.0


def test_pure_noise_goes_to_data_and_noise_and_then_to_data():
    schedule = Cosine(zero_terminal_snr=True)
    noise, middle = (schedule.level(tf.constant([t])) for t in (1.0, 0.5))
    x, x0 = tf.constant([[1.5]]), tf.constant([[0.2]])
    for eta in (0.0, 1.0):
        mean, std = exact_step(x, x0, noise, middle, eta=eta)
        share = 0.0 if eta else 1.0  # what is left of the noise that was
        expected = middle.alpha * 0.2 + share * middle.sigma * 1.5
        np.testing.assert_allclose(mean[0], expected, rtol=1e-5)
        np.testing.assert_allclose(std, (1 - share) * middle.sigma, rtol=1e-5)
        mean, std = exact_step(x, x0, noise, clean_level(middle.time), eta=eta)
        np.testing.assert_array_equal(mean, x0)
        np.testing.assert_array_equal(std, [0.0])


def test_a_step_to_the_same_level_changes_nothing_even_in_pure_noise():
    for schedule in (Linear(), Linear(zero_terminal_snr=True)):
        level = schedule.level(tf.constant([1.0]))
        for eta in (0.0, 1.0):
            mean, std = exact_step(
                tf.constant([[1.5]]), tf.constant([[9.0]]), level, level, eta=eta
            )
            np.testing.assert_allclose(mean, [[1.5]], rtol=1e-6)
            np.testing.assert_array_equal(std, [0.0])


def test_the_change_goes_on_in_half_log_snr_and_is_none_at_the_ends():
    step = every_step(Euler(spacing="trailing"), SCHEDULES["cosine, zero snr"], 6)
    x0 = tf.fill((6, 2), 3.0)
    change, share = change_by_history(x0, x0 - 1.0, step)
    snr = np.log(1 / np.tan(np.pi / 2 * np.linspace(1, 0, 7)[2:6]))
    expected = np.diff(snr)[1:] / np.diff(snr)[:-1]
    np.testing.assert_allclose(share[3:5], expected, rtol=1e-3)
    np.testing.assert_allclose(change[3:5, 0], share[3:5])
    # first, after a step from pure noise, and last
    np.testing.assert_array_equal(tf.gather(share, [0, 1, 5]), [0.0, 0.0, 0.0])
    still = dataclasses.replace(step, previous=step.now)
    assert np.isfinite(change_by_history(x0, x0, still)[0]).all()
