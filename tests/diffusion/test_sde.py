"""SDEs against the equations of their own moments and published marginals."""

import numpy as np
import pytest
import tensorflow as tf

from tfgenai.diffusion.model_sde import ScheduleSDE
from tfgenai.diffusion.schedules import (
    Cosine,
    Karras,
    Linear,
    RectifiedFlow,
    Sigmoid,
)
from tfgenai.diffusion.sde import VESDE, VPSDE, SubVPSDE

SDES = {
    "vp": VPSDE(),
    "sub_vp": SubVPSDE(),
    "ve": VESDE(),
    "linear": ScheduleSDE(Linear()),
    "cosine": ScheduleSDE(Cosine()),
    "cosine_zero": ScheduleSDE(Cosine(zero_terminal_snr=True)),
    "sigmoid": ScheduleSDE(Sigmoid()),
    "karras": ScheduleSDE(Karras()),
    "rectified_flow": ScheduleSDE(RectifiedFlow()),
}
TIMES = np.linspace(0.1, 0.9, 9).astype(np.float32)


@pytest.fixture(params=SDES)
def sde(request):
    return SDES[request.param]


def moments(sde, times):
    """Mean factor and variance at times, float64."""
    mean, std = sde.marginal(tf.ones((len(times), 1)), tf.constant(times, tf.float32))
    return np.float64(mean[:, 0]), np.float64(std) ** 2


def test_the_marginals_solve_the_equations_of_the_moments(sde):
    # Särkkä & Solin 2019, equation 5.50: dm/dt = f m and dV/dt = 2 f V + g².
    h = 2e-3
    mean, variance = moments(sde, TIMES)
    (mean_after, variance_after), (mean_before, variance_before) = (
        moments(sde, TIMES + h),
        moments(sde, TIMES - h),
    )
    t = tf.constant(TIMES)
    f = np.float64(sde.drift(tf.ones((len(TIMES), 1)), t)[:, 0])
    g = np.float64(sde.diffusion(t))
    np.testing.assert_allclose(
        (mean_after - mean_before) / (2 * h), f * mean, rtol=5e-3, atol=2e-4
    )
    np.testing.assert_allclose(
        (variance_after - variance_before) / (2 * h),
        2 * f * variance + g**2,
        rtol=5e-3,
        atol=2e-4,
    )


def test_the_chain_keeps_the_marginals(sde):
    t, dt = tf.constant(TIMES), 0.05
    mean, variance = moments(sde, TIMES)
    mean_before, variance_before = moments(sde, TIMES - dt)
    f, g = sde.discretize(tf.ones((len(TIMES), 1)), t, dt)
    factor = 1.0 + np.float64(f[:, 0])
    np.testing.assert_allclose(factor * mean_before, mean, rtol=1e-4)
    np.testing.assert_allclose(
        factor**2 * variance_before + np.float64(g) ** 2, variance, rtol=1e-4
    )


def test_published_marginals():
    # Equation 33 at time 1 with beta from 0.1 to 20: exp(-½ 10.05) = 0.00657.
    mean, std = SDES["vp"].marginal(tf.ones((1, 1)), tf.ones((1,)))
    np.testing.assert_allclose(mean[0, 0], np.exp(-5.025), rtol=1e-5)
    np.testing.assert_allclose(std[0], np.sqrt(-np.expm1(-10.05)), rtol=1e-6)
    # Equation 29: the sub-VP standard deviation is the VP variance.
    half = tf.constant([0.3])
    x = tf.ones((1, 1))
    vp, sub = (SDES[name].marginal(x, half)[1] for name in ("vp", "sub_vp"))
    np.testing.assert_allclose(sub, vp**2, rtol=1e-6)
    assert SDES["sub_vp"].diffusion(half)[0] < SDES["vp"].diffusion(half)[0]
    # Equation 31: sigma grows from 0.01 to 50.
    ends = SDES["ve"].marginal(tf.zeros((2, 1)), tf.constant([0.0, 1.0]))[1]
    np.testing.assert_allclose(ends, [0.01, 50.0], rtol=1e-5)


def test_reversal_turns_the_score_into_drift(sde):
    x, t = tf.constant([[1.0, -2.0]]), tf.constant([0.4])

    def score(x, t):
        return -3.0 * x

    f, g = sde.drift(x, t), sde.diffusion(t)
    reverse = sde.reverse_drift(x, t, score)
    flow = sde.probability_flow_drift(x, t, score)
    np.testing.assert_allclose(reverse, f + 3.0 * g**2 * x, rtol=1e-5)
    np.testing.assert_allclose(flow, f + 1.5 * g**2 * x, rtol=1e-5)


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (lambda: VPSDE(beta_min=30.0), "beta_min=30.0"),
        (lambda: VESDE(sigma_min=0.0), "sigma_min=0.0"),
    ],
)
def test_wrong_ranges_are_refused(make, word):
    with pytest.raises(ValueError, match=word):
        make()
