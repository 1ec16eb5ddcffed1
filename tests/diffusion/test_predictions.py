"""Prediction types: ways back to the data, exact, and EDM's factors as published."""

import numpy as np
import pytest
import tensorflow as tf

from tfgenai.core import random
from tfgenai.diffusion.levels import Level, add_noise, expand
from tfgenai.diffusion.predictions import EDM, PREDICTION_TYPES, Data, Velocity
from tfgenai.diffusion.schedules import NOISE_SCHEDULES, Cosine, Karras, RectifiedFlow

TIMES = tf.constant([0.02, 0.3, 0.6, 0.95])


def fits(name, schedule):
    try:
        PREDICTION_TYPES.create(name).check(NOISE_SCHEDULES.create(schedule))
    except ValueError:
        return False
    return True


PAIRS = [
    (name, schedule)
    for name in PREDICTION_TYPES.names()
    for schedule in NOISE_SCHEDULES.names()
    if fits(name, schedule)
]


def batch(schedule):
    level = NOISE_SCHEDULES.create(schedule).level(TIMES)
    x0, noise = np.float32(random.numpy_generator(0).normal(size=(2, 4, 3, 2)))
    return tf.constant(x0), tf.constant(noise), level


def test_the_pairs_that_fit():
    assert ("flow", "rectified_flow") in PAIRS
    assert ("flow", "cosine") not in PAIRS
    assert ("epsilon", "rectified_flow") not in PAIRS
    assert len(PAIRS) == 4 + 5 + 5 + 1 + 4  # epsilon, x0, velocity, flow, edm


@pytest.mark.parametrize(("name", "schedule"), PAIRS)
def test_the_target_leads_back_to_the_data(name, schedule):
    prediction = PREDICTION_TYPES.create(name)
    x0, noise, level = batch(schedule)
    x = add_noise(x0, noise, level)
    target = prediction.target(x0, noise, x, level)
    # Where hardly any data are left, a rounding of x is this much larger in x0.
    atol = 1e-5 * (1 + np.max(level.sigma / level.alpha))
    np.testing.assert_allclose(prediction.to_x0(target, x, level), x0, atol=atol)


@pytest.mark.parametrize(("name", "schedule"), PAIRS)
def test_error_scale_is_the_derivative_of_the_estimate(name, schedule):
    prediction = PREDICTION_TYPES.create(name)
    x0, noise, level = batch(schedule)
    x = add_noise(x0, noise, level)
    h = 0.5  # the estimate is linear in the output, so no small step is needed
    up, down = (prediction.to_x0(noise + d, x, level) for d in (h, -h))
    slope = np.abs(up - down)[:, 0, 0] / (2 * h)
    np.testing.assert_allclose(prediction.error_scale(level), slope, rtol=2e-3)


def test_velocity_is_the_one_of_salimans_and_ho():
    x0, noise, level = batch("cosine")
    x = add_noise(x0, noise, level)
    v = Velocity().target(x0, noise, x, level)
    expected = expand(level.alpha, x) * noise - expand(level.sigma, x) * x0
    np.testing.assert_allclose(v, expected, rtol=1e-6)
    # Appendix D: x0 = alpha x - sigma v.
    back = expand(level.alpha, x) * x - expand(level.sigma, x) * v
    np.testing.assert_allclose(Velocity().to_x0(v, x, level), back, atol=1e-5)


@pytest.mark.parametrize("sigma_data", [0.5, 1.3])
def test_edm_is_equation_7(sigma_data):
    # Karras et al. 2022, table 1, written out.
    sigma = np.array([0.002, 0.5, 3.0, 80.0])
    ones = tf.ones((4,))
    level = Level(
        ones,
        ones,
        tf.constant(sigma, tf.float32),
        tf.constant(-np.log(sigma), tf.float32),
    )
    c_skip = sigma_data**2 / (sigma**2 + sigma_data**2)
    c_out = sigma * sigma_data / np.sqrt(sigma_data**2 + sigma**2)
    c_in = 1 / np.sqrt(sigma**2 + sigma_data**2)
    c_noise = np.log(sigma) / 4
    prediction = EDM(sigma_data)
    x = tf.constant(random.numpy_generator(1).normal(size=(4, 3)), tf.float32)
    inputs, time = prediction.inputs(x, level)
    np.testing.assert_allclose(inputs, c_in[:, None] * x, rtol=1e-5)
    np.testing.assert_allclose(time, c_noise, rtol=1e-5)
    f = tf.ones_like(x)
    np.testing.assert_allclose(
        prediction.to_x0(f, x, level),
        c_skip[:, None] * x + c_out[:, None],
        rtol=1e-5,
        atol=1e-6,
    )
    np.testing.assert_allclose(prediction.error_scale(level), c_out, rtol=1e-5)
    assert prediction.get_config() == {"sigma_data": sigma_data}


@pytest.mark.parametrize("schedule", ["karras", "cosine", "linear"])
def test_edm_inputs_and_targets_have_unit_variance(schedule):
    n = 20_000
    generator = random.numpy_generator(2)
    x0 = tf.constant(0.5 * generator.normal(size=(4, n)), tf.float32)
    noise = tf.constant(generator.normal(size=(4, n)), tf.float32)
    level = NOISE_SCHEDULES.create(schedule).level(TIMES)
    x = add_noise(x0, noise, level)
    prediction = EDM(0.5)
    for values in (
        prediction.inputs(x, level)[0],
        prediction.target(x0, noise, x, level),
    ):
        # A variance of n normal numbers has a standard error of sqrt(2 / n) = 0.01.
        np.testing.assert_allclose(np.var(values, axis=1), 1.0, atol=0.05)


def test_zero_terminal_snr_needs_a_type_that_knows_the_data():
    # D1, D4: at pure noise, neither the noise nor EDM's output says anything of them.
    schedule = Cosine(zero_terminal_snr=True)
    for name in ("epsilon", "edm"):
        with pytest.raises(ValueError, match=name):
            PREDICTION_TYPES.create(name).check(schedule)
        with pytest.raises(ValueError, match="RectifiedFlow"):
            PREDICTION_TYPES.create(name).check(RectifiedFlow())
    level = schedule.level(tf.constant([1.0]))
    x = tf.constant([[0.7]])
    for prediction in (Velocity(), Data()):
        prediction.check(schedule)
        output = prediction.target(tf.constant([[0.3]]), x, x, level)
        assert float(prediction.to_x0(output, x, level)[0, 0]) == pytest.approx(0.3)


def test_velocity_bounds_the_error_where_the_data_are_gone():
    # D1: at the last of 1000 cosine levels, an error of 1e-3 in the noise would be one
    # of 20 in the data (1 / sqrt(alpha_bar) = 20,291); in the velocity it stays 1e-3.
    level = Cosine(num_timesteps=1000).level(tf.constant([1.0]))
    epsilon, velocity = (
        float(PREDICTION_TYPES.create(name).error_scale(level)[0])
        for name in ("epsilon", "velocity")
    )
    assert epsilon == pytest.approx(20_291, rel=1e-2)
    assert velocity == pytest.approx(1.0, rel=1e-3)


def test_wrong_arguments_are_refused():
    with pytest.raises(ValueError, match="sigma_data=0"):
        EDM(0)
    with pytest.raises(ValueError, match="noise_schedule=Karras"):
        PREDICTION_TYPES.create("flow").check(Karras())
