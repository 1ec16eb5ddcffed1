"""The SDE of a schedule and the score of a model, against closed forms."""

import numpy as np
import pytest
import tensorflow as tf
from exact_models import GaussianModel

from tfgenai.diffusion.model_sde import ScheduleSDE, score_of, sde_of
from tfgenai.diffusion.schedules import Cosine, Karras, Linear, RectifiedFlow
from tfgenai.diffusion.sde import VPSDE

TIMES = tf.constant([0.05, 0.3, 0.7, 0.95])


def test_the_linear_schedule_gives_the_vp_sde_of_the_paper():
    x = tf.ones((4, 2))
    ours, paper = ScheduleSDE(Linear()), VPSDE(0.1, 20.0)
    np.testing.assert_allclose(ours.drift(x, TIMES), paper.drift(x, TIMES), rtol=1e-4)
    np.testing.assert_allclose(ours.diffusion(TIMES), paper.diffusion(TIMES), rtol=1e-3)
    assert (ours.min_time, ours.max_time) == (1e-3, pytest.approx(0.9974, abs=1e-3))


def test_the_karras_schedule_gives_a_ve_sde():
    # alpha = 1, so no drift; g² = d sigma²/dt with sigma = (a + b t)^7.
    a, b = 0.002 ** (1 / 7), 80.0 ** (1 / 7) - 0.002 ** (1 / 7)
    sde = ScheduleSDE(Karras())
    assert not np.any(sde.drift(tf.ones((4, 2)), TIMES))
    t = np.float64(TIMES)
    np.testing.assert_allclose(
        np.float64(sde.diffusion(TIMES)) ** 2, 14 * b * (a + b * t) ** 13, rtol=1e-4
    )
    assert sde.prior_std == pytest.approx(80.0, rel=1e-4)


def test_the_straight_line_has_the_known_sde():
    # x_t = (1 - t) x_0 + t z: f = -x / (1 - t), g² = 2 t / (1 - t).
    sde, t = ScheduleSDE(RectifiedFlow()), np.float64(TIMES)
    np.testing.assert_allclose(
        sde.drift(tf.ones((4, 1)), TIMES)[:, 0], -1 / (1 - t), rtol=1e-4
    )
    np.testing.assert_allclose(
        np.float64(sde.diffusion(TIMES)) ** 2, 2 * t / (1 - t), rtol=1e-4
    )


@pytest.mark.parametrize("schedule", [Cosine(zero_terminal_snr=True), RectifiedFlow()])
def test_solvers_begin_where_the_drift_is_finite(schedule):
    sde = ScheduleSDE(schedule)
    assert sde.max_time < 1
    last = tf.constant([sde.max_time])
    assert np.isfinite(sde.diffusion(last)).all()
    mean, std = sde.marginal(tf.ones((1, 1)), last)
    assert mean[0, 0] < 0.01
    assert sde.prior_std == pytest.approx(float(std[0]))


@pytest.mark.parametrize("num_timesteps", [None, 1000])
@pytest.mark.parametrize("schedule", ["linear", "cosine", "karras", "rectified_flow"])
def test_the_score_of_a_gaussian_model_is_that_of_its_marginal(schedule, num_timesteps):
    mean, std = np.array([0.5, -1.0]), np.array([0.3, 1.5])
    model = GaussianModel(
        mean, std, noise_schedule=schedule, num_timesteps=num_timesteps
    )
    x = tf.constant([[0.1, 1.0], [0.2, -2.0], [-1.0, 0.3], [2.0, 0.0]])
    factor, sigma = (
        np.float64(v) for v in sde_of(model).marginal(tf.ones((len(TIMES), 1)), TIMES)
    )
    expected = -(x - factor * mean) / (factor**2 * std**2 + sigma[:, np.newaxis] ** 2)
    np.testing.assert_allclose(
        score_of(model)(x, TIMES), expected, rtol=2e-3, atol=1e-3
    )


def test_conditions_reach_the_score():
    model = GaussianModel([0.0], [1.0], num_classes=4)
    x, t = tf.zeros((2, 1)), tf.fill((2,), 0.5)
    one, each = score_of(model, labels=3)(x, t), score_of(model, labels=[0, 3])(x, t)
    np.testing.assert_array_equal(one[0], one[1])
    np.testing.assert_array_equal(each[1], one[1])
    assert each[0] != each[1]
    with pytest.raises(ValueError, match="labels"):
        score_of(model)
    with pytest.raises(TypeError, match="colour"):
        score_of(model, labels=1, colour=2)
