"""Noise levels: adding noise, taking it out, and the share that came between two."""

import numpy as np
import tensorflow as tf

from tfgenai.core import random
from tfgenai.diffusion.levels import (
    add_noise,
    clean_level,
    expand,
    half_log_snr_gain,
    noise_of,
    squared_transition,
    where_level,
)
from tfgenai.diffusion.schedules import Cosine, Linear

TIMES = tf.constant([0.1, 0.5, 0.9])


def test_values_are_put_beside_every_axis_of_the_data():
    for shape in ((3, 2), (3, 4, 2), (3, 4, 4, 1)):
        scaled = expand(tf.constant([1.0, 2.0, 3.0]), tf.zeros(shape)) * tf.ones(shape)
        assert scaled.shape == shape
        for row in range(3):
            assert (scaled[row].numpy() == row + 1).all()


def test_noise_that_is_added_can_be_read_off():
    level = Cosine().level(TIMES)
    generator = random.numpy_generator(0)
    x0, noise = np.float32(generator.normal(size=(2, 3, 4, 2)))
    x = add_noise(tf.constant(x0), tf.constant(noise), level)
    expected = x0 * np.cos(np.pi / 2 * TIMES.numpy())[:, None, None]
    expected += noise * np.sin(np.pi / 2 * TIMES.numpy())[:, None, None]
    np.testing.assert_allclose(x, expected, atol=1e-3)
    np.testing.assert_allclose(noise_of(x, x0, level), noise, atol=1e-4)


def test_snr_is_the_quotient_of_powers():
    level = Cosine().level(TIMES)
    np.testing.assert_allclose(level.snr, (level.alpha / level.sigma) ** 2, rtol=1e-5)


def test_clean_data_have_no_noise():
    level = clean_level(TIMES)
    assert (level.alpha.numpy() == 1).all()
    assert (level.sigma.numpy() == 0).all()
    assert (level.half_log_snr.numpy() == np.inf).all()


def test_levels_are_chosen_row_by_row():
    a, b = Cosine().level(TIMES), Linear().level(TIMES)
    mixed = where_level(tf.constant([True, False, True]), a, b)
    for value, x, y in zip(mixed, a, b, strict=True):
        np.testing.assert_array_equal(value, [x[0], y[1], x[2]])


def test_the_share_of_noise_between_neighbours_is_beta_over_sigma_squared():
    # sigma²_{t|s} = beta_t for neighbours in a chain; the share is of sigma_t².
    beta = np.linspace(1e-4, 0.02, 1000)
    variance = 1 - np.cumprod(1 - beta)
    levels = Linear(num_timesteps=1000)
    index = np.array([2, 500, 1000])
    now = levels.level(tf.constant(index / 1000, tf.float32))
    then = levels.level(tf.constant((index - 1) / 1000, tf.float32))
    np.testing.assert_allclose(
        squared_transition(now, then), beta[index - 1] / variance[index - 1], rtol=2e-3
    )


def test_the_share_is_one_to_clean_data_and_zero_to_the_same_level():
    level = Cosine(zero_terminal_snr=True).level(tf.constant([0.5, 1.0]))
    assert (squared_transition(level, clean_level(level.time)).numpy() == 1).all()
    assert (squared_transition(level, level).numpy() == 0).all()
    assert (half_log_snr_gain(level, level).numpy() == 0).all()
