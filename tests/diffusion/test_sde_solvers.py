"""Solvers against the exact law of a Gaussian, whose score is known at every time."""

import numpy as np
import pytest
import tensorflow as tf

from tfgenai.core import random
from tfgenai.diffusion.levels import expand
from tfgenai.diffusion.model_sde import ScheduleSDE
from tfgenai.diffusion.schedules import Cosine
from tfgenai.diffusion.sde import VESDE, VPSDE, SubVPSDE
from tfgenai.diffusion.sde_solvers import (
    euler_maruyama,
    predictor_corrector,
    prior,
    probability_flow,
)

MEAN, STD = 1.0, 0.5
SDES = {
    "vp": VPSDE(),
    "sub_vp": SubVPSDE(),
    "ve": VESDE(),
    "cosine": ScheduleSDE(Cosine()),
}
N = 1500


@pytest.fixture(params=SDES)
def sde(request):
    return SDES[request.param]


def score_for(sde):
    def score(x, t):
        mean, std = sde.marginal(tf.fill(x.shape, MEAN), t)
        factor, _ = sde.marginal(tf.ones_like(x), t)
        return -(x - mean) / (factor**2 * STD**2 + expand(std, x) ** 2)

    return score


def solve(solver, sde, num_steps, n=N, **options):
    seeds = random.row_seeds(0, n)

    @tf.function
    def run(x, seeds):
        return solver(sde, score_for(sde), x, seeds, num_steps, **options)

    return run(prior(sde, seeds, (3,)), tf.constant(seeds)).numpy()


@pytest.mark.parametrize("solver", [euler_maruyama, predictor_corrector])
def test_samples_have_the_mean_and_spread_of_the_data(solver, sde):
    x = solve(solver, sde, 250)
    # The mean of 4,500 numbers has a standard error of 0.0075, their spread of 0.0053;
    # a method of order 1 adds its own.
    assert x.mean() == pytest.approx(MEAN, abs=0.03)
    assert x.std() == pytest.approx(STD, abs=0.03)


def test_the_corrector_mends_what_few_predictor_steps_spoil():
    # Steps of 0.1 overshoot; at every level, Langevin dynamics pull the law back.
    def spread_error(num_corrector_steps):
        x = solve(
            predictor_corrector,
            VPSDE(),
            10,
            num_corrector_steps=num_corrector_steps,
            snr=0.4,
        )
        return abs(x.std() - STD)

    without, corrected = spread_error(0), spread_error(4)
    assert without > 0.05
    assert corrected < 0.6 * without


def test_langevin_steps_alone_keep_the_law():
    # From samples of p at the last level, further steps of nearly no time are the
    # corrector's alone: the law must stay where it is.
    class Still(VPSDE):
        min_time, max_time = 0.3 - 1e-5, 0.3

    sde = Still()
    t = tf.constant([0.3])
    factor, sigma = (float(v[0]) for v in sde.marginal(tf.ones((1,)), t))
    std = np.sqrt(factor**2 * STD**2 + sigma**2)
    seeds = random.row_seeds(3, N)
    x = factor * MEAN + std * random.row_normal(seeds, (3,))
    run = tf.function(
        lambda x, seeds: predictor_corrector(
            sde, score_for(sde), x, seeds, 60, num_corrector_steps=1, snr=0.2
        )
    )
    out = run(x, tf.constant(seeds))
    assert np.abs(out - x).mean() > 0.5 * std  # they have moved
    assert float(tf.reduce_mean(out)) == pytest.approx(factor * MEAN, abs=0.03)
    assert float(tf.math.reduce_std(out)) == pytest.approx(std, abs=0.03)


def test_the_probability_flow_is_the_known_map(sde):
    # The flow of a Gaussian keeps each quantile: x = m + (x_1 - m_1) std / std_1.
    x1 = sde.prior_std * tf.constant([[-1.5], [0.0], [0.4], [2.0]])
    run = tf.function(lambda x: probability_flow(sde, score_for(sde), x, num_steps=200))
    x = run(x1)

    def law(time):
        mean, std = sde.marginal(tf.ones((1,)), tf.constant([time]))
        factor, std = float(mean[0]), float(std[0])
        return factor * MEAN, np.sqrt(factor**2 * STD**2 + std**2)

    (mean1, std1), (mean0, std0) = law(sde.max_time), law(sde.min_time)
    expected = mean0 + (x1 - mean1) * std0 / std1
    np.testing.assert_allclose(x, expected, atol=5e-3)


@pytest.mark.parametrize("solver", [euler_maruyama, predictor_corrector])
def test_a_row_depends_on_its_own_seed_only(solver):
    sde, seeds = VPSDE(), random.row_seeds(0, 6)
    x = prior(sde, seeds, (2,))
    whole = solver(sde, score_for(sde), x, seeds, 5)
    part = solver(sde, score_for(sde), x[2:4], seeds[2:4], 5)
    np.testing.assert_allclose(part, whole[2:4], atol=1e-6)
    other = solver(sde, score_for(sde), x, seeds + 1, 5)
    assert np.abs(other - whole).min() > 0


def test_no_steps_are_refused():
    with pytest.raises(ValueError, match="num_steps=0"):
        probability_flow(VPSDE(), score_for(VPSDE()), tf.zeros((1, 1)), num_steps=0)
