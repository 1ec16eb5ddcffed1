"""Schedules against their papers' formulas in float64, and published numbers."""

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
import tensorflow as tf

from tfgenai.diffusion.levels import squared_transition
from tfgenai.diffusion.schedules import NOISE_SCHEDULES, Karras, Linear

PRESERVING = ("cosine", "linear", "sigmoid")
CASES = [
    *((name, False) for name in ("cosine", "karras", "linear", "sigmoid")),
    *((name, True) for name in PRESERVING),
    ("rectified_flow", False),
]


def grid(schedule):
    """All levels of a discrete schedule, or 200 of a continuous one."""
    if schedule.num_timesteps is None:
        times = np.linspace(schedule.min_time, 1.0, 200)
    else:
        times = np.arange(1, schedule.num_timesteps + 1) / schedule.num_timesteps
    return schedule.level(tf.constant(times, tf.float32))


def cosine_alpha_bar(steps):
    """Nichol & Dhariwal 2021, equation 17, with betas clipped at 0.999."""
    f = np.cos((np.arange(steps + 1) / steps + 0.008) / 1.008 * np.pi / 2) ** 2
    betas = np.minimum(1 - f[1:] / f[:-1], 0.999)
    return np.cumprod(1 - betas)


@pytest.mark.parametrize("steps", [100, 1000])
def test_linear_is_the_cumulative_product_of_ddpm(steps):
    betas = np.linspace(1e-4, 0.02, steps) * 1000 / steps
    level = grid(Linear(num_timesteps=steps))
    alpha_bar = np.cumprod(1 - betas)
    np.testing.assert_allclose(np.float64(level.alpha) ** 2, alpha_bar, rtol=1e-5)
    np.testing.assert_allclose(np.float64(level.sigma) ** 2, 1 - alpha_bar, rtol=1e-5)


@pytest.mark.parametrize("steps", [10, 100, 1000])
def test_cosine_is_equation_17(steps):
    level = grid(NOISE_SCHEDULES.create("cosine", num_timesteps=steps))
    alpha_bar = cosine_alpha_bar(steps)
    np.testing.assert_allclose(np.float64(level.alpha) ** 2, alpha_bar, rtol=1e-4)
    np.testing.assert_allclose(np.float64(level.sigma) ** 2, 1 - alpha_bar, rtol=1e-4)


def test_sigmoid_is_algorithm_1():
    # Chen 2023, algorithm 1 with start -3, end 3, tau 1 and the clip at 1e-9.
    times = np.linspace(0.001, 1.0, 200)

    def logistic(x):
        return 1 / (1 + np.exp(-x))

    gamma = (logistic(3.0) - logistic(6 * times - 3)) / (logistic(3.0) - logistic(-3.0))
    gamma = np.clip(gamma, 1e-9, 1)
    level = NOISE_SCHEDULES.create("sigmoid").level(tf.constant(times, tf.float32))
    np.testing.assert_allclose(np.float64(level.alpha) ** 2, gamma, rtol=1e-3)
    np.testing.assert_allclose(np.float64(level.sigma) ** 2, 1 - gamma, atol=2e-7)
    discrete = grid(NOISE_SCHEDULES.create("sigmoid", num_timesteps=200))
    gamma = logistic(3.0) - logistic(6 * np.arange(1, 201) / 200 - 3)
    gamma /= logistic(3.0) - logistic(-3.0)
    # The last beta is clipped at 0.999, so the last but one is the last to compare.
    np.testing.assert_allclose(
        np.float64(discrete.alpha[:-1]) ** 2, gamma[:-1], rtol=1e-4
    )


def test_karras_is_equation_5():
    # sigma_i of N = 18 steps, from sigma_max = 80 down to sigma_min = 0.002, rho = 7.
    i = np.arange(18)
    root = 80 ** (1 / 7) + i / 17 * (0.002 ** (1 / 7) - 80 ** (1 / 7))
    level = grid(Karras(num_timesteps=18))
    np.testing.assert_allclose(level.sigma[::-1], root**7, rtol=1e-5)
    assert (level.alpha.numpy() == 1).all()
    assert float(level.sigma[-1]) == pytest.approx(80, rel=1e-6)
    times = tf.constant(1 - i / 17, tf.float32)
    np.testing.assert_allclose(Karras().level(times).sigma, root**7, rtol=1e-4)


def test_rectified_flow_is_a_straight_line():
    level = grid(NOISE_SCHEDULES.create("rectified_flow"))
    np.testing.assert_allclose(level.alpha, 1 - level.time, atol=1e-6)
    np.testing.assert_allclose(level.sigma, level.time, atol=1e-6)


def test_continuous_linear_is_equation_33():
    t = np.linspace(0.001, 1, 50)
    level = Linear().level(tf.constant(t, tf.float32))
    alpha = np.exp(-0.25 * t**2 * 19.9 - 0.05 * t)
    np.testing.assert_allclose(level.alpha, alpha, rtol=1e-4)
    np.testing.assert_allclose(level.sigma, np.sqrt(1 - alpha**2), rtol=1e-4)


def test_published_numbers():
    linear, cosine = (
        grid(NOISE_SCHEDULES.create(name, num_timesteps=1000))
        for name in ("linear", "cosine")
    )
    # Lin et al. 2023, table 1: the last sqrt(alpha_bar) of 1000 steps.
    assert float(linear.alpha[-1]) == pytest.approx(0.00635, abs=5e-5)
    assert float(cosine.alpha[-1]) == pytest.approx(4.928e-5, rel=1e-3)
    # The cosine schedule's last alpha_bar without its clip would be 4e-33.
    assert float(cosine.alpha[-1]) ** 2 == pytest.approx(2.43e-9, rel=1e-2)
    assert float(cosine.alpha[0]) ** 2 == pytest.approx(0.99996, abs=5e-6)


@pytest.mark.parametrize("steps", [10, 20, 50, 100, 200, 500, 1000])
@pytest.mark.parametrize("name", PRESERVING)
def test_every_number_of_steps_ends_in_noise(name, steps):
    alpha_bar = float(grid(NOISE_SCHEDULES.create(name, num_timesteps=steps)).alpha[-1])
    assert 0 < alpha_bar**2 < 1e-2


@pytest.mark.parametrize("steps", [None, 10, 100, 1000])
@pytest.mark.parametrize(("name", "zero"), CASES)
def test_levels_are_in_order_and_finite(name, zero, steps):
    schedule = NOISE_SCHEDULES.create(name, num_timesteps=steps, zero_terminal_snr=zero)
    level = grid(schedule)
    half = np.float64(level.half_log_snr)
    assert (np.diff(half) < 0).all()
    assert np.isfinite(half[:-1]).all()
    assert np.isneginf(half[-1]) == schedule.ends_in_noise
    alpha, sigma = np.float64(level.alpha), np.float64(level.sigma)
    assert alpha[0] < 1 or name == "karras"
    assert (sigma > 0).all()
    ratio = np.log(alpha[:-1] / sigma[:-1])
    np.testing.assert_allclose(half[:-1], ratio, rtol=1e-3, atol=1e-3)
    if schedule.variance_preserving:
        np.testing.assert_allclose(alpha**2 + sigma**2, 1, atol=1e-6)
    # D2: every variance of the posterior is a number, the first one included.
    now, then = (type(level)(*(v[a:b] for v in level)) for a, b in ((1, None), (0, -1)))
    variance = then.sigma**2 * squared_transition(now, then)
    assert np.isfinite(variance).all()
    assert (variance.numpy() > 0).all()


@pytest.mark.parametrize("steps", [None, 50, 1000])
@pytest.mark.parametrize(("name", "zero"), CASES)
@hypothesis.given(share=st.floats(0.0, 1.0))
@hypothesis.settings(max_examples=15)
def test_time_of_a_level_is_its_time(name, zero, steps, share):
    schedule = NOISE_SCHEDULES.create(name, num_timesteps=steps, zero_terminal_snr=zero)
    time = tf.constant([schedule.min_time + share * (0.995 - schedule.min_time)])
    level = schedule.level(time)
    back = schedule.time_of(level.half_log_snr)
    np.testing.assert_allclose(back, level.time, atol=1e-3, rtol=1e-3)
    again = schedule.level_of(level.half_log_snr)
    np.testing.assert_allclose(again.alpha, level.alpha, atol=2e-5)
    np.testing.assert_allclose(again.sigma, level.sigma, rtol=2e-3, atol=1e-6)


def test_times_between_levels_lie_between_them():
    schedule = Linear(num_timesteps=10)
    half = schedule.level(tf.constant([0.3, 0.4])).half_log_snr
    time = schedule.time_of(tf.reduce_mean(half, keepdims=True))
    assert float(time[0]) == pytest.approx(0.35, abs=1e-5)


@pytest.mark.parametrize("name", PRESERVING)
def test_zero_terminal_snr_shifts_the_last_level_and_keeps_the_first(name):
    plain, zero = (
        grid(NOISE_SCHEDULES.create(name, num_timesteps=100, zero_terminal_snr=is_zero))
        for is_zero in (False, True)
    )
    assert float(zero.alpha[-1]) == 0
    assert float(zero.sigma[-1]) == 1
    assert float(zero.alpha[0]) == pytest.approx(float(plain.alpha[0]), rel=1e-6)
    # Lin et al. 2023, algorithm 1, all of it in float64.
    alpha = np.float64(plain.alpha)
    expected = (alpha - alpha[-1]) * alpha[0] / (alpha[0] - alpha[-1])
    np.testing.assert_allclose(zero.alpha, expected, atol=1e-6)
    continuous = NOISE_SCHEDULES.create(name, zero_terminal_snr=True)
    last = continuous.level(tf.constant([1.0]))
    assert float(last.alpha[0]) == 0
    assert np.isneginf(last.half_log_snr[0])


def test_discrete_times_are_snapped():
    schedule = Linear(num_timesteps=10)
    level = schedule.level(tf.constant([0.0, 0.28, 0.32, 1.0]))
    np.testing.assert_allclose(level.time, [0.1, 0.3, 0.3, 1.0], rtol=1e-6)
    assert level.alpha[1] == level.alpha[2]


@pytest.mark.parametrize("value", [0, 1, -3, 2.5, True, "many"])
def test_wrong_numbers_of_steps_are_refused(value):
    with pytest.raises(ValueError, match="num_timesteps="):
        Linear(num_timesteps=value)


def test_karras_refuses_what_it_cannot_be():
    with pytest.raises(ValueError, match="Raise sigma_max"):
        Karras(zero_terminal_snr=True)
    with pytest.raises(ValueError, match="sigma_min=2"):
        Karras(sigma_min=2.0, sigma_max=1.0)
    with pytest.raises(ValueError, match="rho=0"):
        Karras(rho=0)


@pytest.mark.parametrize("name", NOISE_SCHEDULES.names())
def test_a_config_makes_the_same_schedule(name):
    schedule = NOISE_SCHEDULES.create(name, num_timesteps=20)
    copy = type(schedule).from_config(schedule.get_config())
    assert copy.get_config() == schedule.get_config()
    np.testing.assert_array_equal(grid(copy).alpha, grid(schedule).alpha)
    assert Karras(rho=3.0).get_config()["rho"] == 3.0
