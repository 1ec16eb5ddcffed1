"""Weightings against the papers' formulas, and the law of the times they draw."""

import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

from tfgenai.diffusion.predictions import EDM, PREDICTION_TYPES
from tfgenai.diffusion.schedules import Cosine, Karras, Linear, RectifiedFlow
from tfgenai.diffusion.weightings import (
    LOSS_WEIGHTINGS,
    SNR,
    LogitNormal,
    LogNormal,
    MinSNR,
    Uniform,
)

TIMES = tf.constant([0.05, 0.3, 0.5, 0.7, 0.95])
QUANTILES = np.array([0.01, 0.2, 0.5, 0.8, 0.99])


@pytest.fixture(scope="module")
def level():
    return Cosine().level(TIMES)


def weights(weighting, level, name):
    return weighting.weight(level, PREDICTION_TYPES.create(name))


@pytest.mark.parametrize("gamma", [1.0, 5.0])
def test_min_snr_of_hang_et_al(level, gamma):
    snr = np.float64(level.alpha) ** 2 / np.float64(level.sigma) ** 2
    assert snr.min() < gamma < snr.max()
    expected = {
        "x0": np.minimum(snr, gamma),
        "epsilon": np.minimum(1, gamma / snr),
        "velocity": np.minimum(snr, gamma) / (snr + 1),
    }
    for name, weight in expected.items():
        np.testing.assert_allclose(
            weights(MinSNR(gamma), level, name), weight, rtol=1e-4, err_msg=name
        )


def test_snr_weights_the_error_of_the_noise(level):
    snr = np.float64(level.alpha) ** 2 / np.float64(level.sigma) ** 2
    np.testing.assert_allclose(weights(SNR(), level, "x0"), snr, rtol=1e-4)
    np.testing.assert_allclose(weights(SNR(), level, "epsilon"), 1.0, rtol=1e-4)
    np.testing.assert_allclose(
        weights(SNR(), level, "velocity"), snr / (snr + 1), rtol=1e-4
    )


def test_weights_are_finite_where_nothing_of_the_data_is_left():
    last = Cosine(zero_terminal_snr=True).level(tf.constant([1.0]))
    for name in ("x0", "velocity"):
        for weighting in (MinSNR(), SNR(), Uniform()):
            assert np.isfinite(weights(weighting, last, name)).all()


def test_edm_weighs_the_data_error_as_table_1():
    # lambda(sigma) = (sigma² + sigma_data²) / (sigma sigma_data)² on the data's error.
    level = Karras().level(TIMES)
    sigma, prediction = np.float64(level.sigma), EDM(0.5)
    on_data = LogNormal().weight(level, prediction) / prediction.error_scale(level) ** 2
    np.testing.assert_allclose(
        on_data, (sigma**2 + 0.25) / (sigma * 0.5) ** 2, rtol=1e-4
    )


def test_edm_draws_log_normal_levels():
    schedule = Karras()
    times = LogNormal().times(tf.constant(QUANTILES, tf.float32), schedule)
    sigma = np.exp(-1.2 + 1.2 * scipy.stats.norm.ppf(QUANTILES))
    np.testing.assert_allclose(schedule.level(times).sigma, sigma, rtol=1e-3)


@pytest.mark.parametrize(("mean", "std"), [(0.0, 1.0), (0.5, 0.7)])
def test_logit_normal_times(mean, std):
    times = LogitNormal(mean, std).times(
        tf.constant(QUANTILES, tf.float32), RectifiedFlow()
    )
    logit = mean + std * scipy.stats.norm.ppf(QUANTILES)
    np.testing.assert_allclose(times, 1 / (1 + np.exp(-logit)), rtol=1e-4)


def test_uniform_times_cover_the_range_evenly():
    u = tf.constant((np.arange(1000) + 0.5) / 1000, tf.float32)
    times = Uniform().times(u, Cosine())
    np.testing.assert_allclose(times, 0.001 + 0.999 * u, rtol=1e-5)
    discrete = Uniform().times(u, Linear(num_timesteps=10)).numpy()
    values, counts = np.unique(discrete, return_counts=True)
    np.testing.assert_allclose(values, np.arange(1, 11) / 10, rtol=1e-6)
    assert (counts == 100).all()


@pytest.mark.parametrize("weighting", [LogNormal(), LogitNormal(), Uniform()])
def test_the_ends_of_the_unit_interval_are_safe(weighting):
    schedule = {LogNormal: Karras, LogitNormal: RectifiedFlow}.get(
        type(weighting), Cosine
    )()
    times = weighting.times(tf.constant([0.0, 1 - 2.0**-24]), schedule).numpy()
    assert np.isfinite(times).all()
    assert (times >= schedule.min_time - 1e-6).all()
    assert (times <= 1).all()


@pytest.mark.parametrize(
    ("act", "word"),
    [
        (lambda: MinSNR(0), "gamma=0"),
        (lambda: LogNormal(std=0), "std=0"),
        (lambda: LogitNormal(std=-1), "std=-1"),
        (lambda: LogNormal().check(Cosine()), "noise_schedule=Cosine"),
        (lambda: LogNormal().check(Karras(num_timesteps=5)), "num_timesteps=5"),
        (lambda: LogitNormal().check(Karras()), "noise_schedule=Karras"),
    ],
)
def test_what_does_not_fit_is_refused(act, word):
    with pytest.raises(ValueError, match=word):
        act()


@pytest.mark.parametrize("name", LOSS_WEIGHTINGS.names())
def test_a_config_makes_the_same_weighting(name):
    weighting = LOSS_WEIGHTINGS.create(name)
    copy = type(weighting).from_config(weighting.get_config())
    assert copy.get_config() == weighting.get_config()
    assert MinSNR(gamma=3.0).get_config() == {"gamma": 3.0}
