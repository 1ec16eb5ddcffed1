"""Spacing: the times of each rule, against tables written by hand."""

import numpy as np
import pytest
import tensorflow as tf

from tfgenai.diffusion import SPACINGS, Euler
from tfgenai.diffusion.samplers.sampler import level_at
from tfgenai.diffusion.schedules import NOISE_SCHEDULES, Cosine, Karras, Linear


def times(name, schedule, num_steps):
    """Times of all steps as a sampler visits them, on the schedule's grid."""
    index = tf.range(num_steps)
    n = tf.fill((num_steps,), num_steps)
    return level_at(Euler(spacing=name), schedule, index, n).time.numpy()


TABLES = {
    # Lin et al. 2023, table 2: trailing 1000, 800, …; leading 801, 601, … 1.
    "trailing": [1000, 800, 600, 400, 200],
    "leading": [801, 601, 401, 201, 1],
    "linspace": [1000, 750, 500, 251, 1],
}


@pytest.mark.parametrize("name", TABLES)
def test_five_steps_of_a_thousand(name):
    found = times(name, Linear(num_timesteps=1000), 5) * 1000
    np.testing.assert_allclose(found, TABLES[name], atol=0.01)


@pytest.mark.parametrize(
    ("name", "table"),
    [("trailing", [1.0, 0.75, 0.5, 0.25]), ("leading", [0.75, 0.5, 0.25, 0.001])],
)
def test_four_steps_of_continuous_time(name, table):
    np.testing.assert_allclose(times(name, Cosine(), 4), table, atol=1e-6)


def test_karras_levels_are_those_of_equation_5():
    schedule = Karras()
    time = times("karras", schedule, 6)
    sigma = schedule.level(tf.constant(time)).sigma
    roots = 80 ** (1 / 7) + np.arange(6) / 5 * (0.002 ** (1 / 7) - 80 ** (1 / 7))
    np.testing.assert_allclose(sigma, roots**7, rtol=1e-4)


@pytest.mark.parametrize("name", ["trailing", "linspace", "karras"])
@pytest.mark.parametrize("schedule", list(NOISE_SCHEDULES))
@pytest.mark.parametrize("num_timesteps", [None, 100])
def test_all_but_leading_start_at_time_1_and_go_down(name, schedule, num_timesteps):
    made = NOISE_SCHEDULES.get(schedule)(num_timesteps=num_timesteps)
    for num_steps in (1, 2, 7):
        time = times(name, made, num_steps)
        assert time[0] == 1.0
        assert (np.diff(time) <= 0).all()
        assert (time >= 0).all()


def test_leading_never_visits_the_noisiest_level():
    schedule = Linear(num_timesteps=1000)
    for num_steps in (5, 10, 50, 100):
        assert times("leading", schedule, num_steps).max() < 1.0
        assert times("trailing", schedule, num_steps).max() == 1.0


def test_all_steps_visit_every_level_once():
    for name in ("trailing", "leading", "linspace"):
        found = times(name, Linear(num_timesteps=100), 100) * 100
        np.testing.assert_allclose(found, np.arange(100, 0, -1), atol=1e-3)


def test_there_are_four():
    assert SPACINGS.names() == ["karras", "leading", "linspace", "trailing"]
