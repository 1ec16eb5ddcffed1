"""Consistency sampling: one step is the estimate, more add new noise."""

import numpy as np
import pytest
import tensorflow as tf

from tfgenai.core import random
from tfgenai.diffusion import Consistency, DiffusionModel
from tfgenai.diffusion.samplers.sampler import run_sampler

SEEDS = tf.constant([3, 8], tf.int64)


def run(model, denoise, x, num_steps):
    steps = tf.fill((len(x),), num_steps)
    return run_sampler(
        Consistency(), model.schedule, denoise, tf.constant(x), SEEDS, steps
    ).numpy()


def test_one_step_is_the_estimate_at_pure_noise():
    model = DiffusionModel(data_shape=(2,))
    times = []

    def denoise(x, level, _):
        tf.py_function(lambda t: times.append(t.numpy().tolist()), [level.time], [])
        return 3.0 * x + 1.0

    x = np.array([[1.0, 2.0], [3.0, 4.0]], np.float32)
    np.testing.assert_allclose(run(model, denoise, x, 1), 3.0 * x + 1.0, rtol=1e-6)
    assert times == [[1.0, 1.0]]


@pytest.mark.parametrize("schedule", ["cosine", "karras", "rectified_flow"])
def test_algorithm_1_written_out(schedule):
    """Independent: x <- f(x, T); then for each tau, x <- f(alpha x + sigma z, tau)."""
    model = DiffusionModel(data_shape=(2,), noise_schedule=schedule)
    x = np.array([[1.0, -2.0], [0.5, 4.0]], np.float32)

    def f(x, level):
        return 0.5 * np.tanh(x) + level.time.numpy()[:, None]

    expected = x
    for k in range(3):
        level = model.schedule.level(tf.fill((2,), 1.0 - k / 3))
        if k:
            # the draws of step k - 1: four streams a step, after the initial noise
            z = random.row_normal(SEEDS, (2,), 1 + 4 * (k - 1)).numpy()
            alpha, sigma = level.alpha.numpy()[:, None], level.sigma.numpy()[:, None]
            expected = alpha * expected + sigma * z
        expected = f(expected, level)

    def denoise(x, level, _):
        return 0.5 * tf.tanh(x) + level.time[:, tf.newaxis]

    np.testing.assert_allclose(run(model, denoise, x, 3), expected, rtol=1e-5)


def test_it_is_found_by_name_and_its_steps_are_those_of_the_caller():
    model = DiffusionModel(data_shape=(2,), sampler="consistency")
    assert isinstance(model.sampler, Consistency)
    one, two = (model.generate(4, seed=1, num_steps=n) for n in (1, 2))
    assert not np.array_equal(one, two)
    np.testing.assert_array_equal(two, model.generate(4, seed=1))
