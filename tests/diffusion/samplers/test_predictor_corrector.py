"""Predictor–corrector: the exact law of Gaussian data, and what the corrector does."""

import numpy as np
import pytest
import tensorflow as tf
from gaussian import (
    SCHEDULES,
    STD,
    assert_draws_the_data,
    best_estimate,
    every_step,
    sample,
    with_noise,
)

from tfgenai.core import random
from tfgenai.diffusion.samplers import DDIM, PredictorCorrector


def test_samples_have_the_law_of_the_data():
    assert_draws_the_data(PredictorCorrector(num_corrector_steps=3, snr=0.4), 0.03)


def test_without_corrector_it_is_ancestral_sampling():
    z = random.numpy_generator(0).normal(size=(4, 2))
    for name in ("cosine", "karras", "rectified_flow", "linear, zero snr"):
        ours, ancestral = (
            sample(sampler, SCHEDULES[name], [7] * 4, z)
            for sampler in (PredictorCorrector(num_corrector_steps=0), DDIM(eta=1.0))
        )
        np.testing.assert_allclose(ours, ancestral, atol=1e-4, err_msg=name)


@pytest.mark.parametrize("schedule", ["cosine", "karras"])
def test_the_correctors_step_is_that_of_langevin_dynamics(schedule):
    # With ones for noise, what the corrector adds to the predictor's result is
    # epsilon score + sqrt(2 epsilon), the score that of the Gaussian's marginal.
    step = with_noise(every_step(DDIM(), SCHEDULES[schedule], 10), 1.0)
    x = tf.constant(random.numpy_generator(1).normal(size=(10, 2)), tf.float32)
    alone, corrected = (
        np.float64(
            PredictorCorrector(num_corrector_steps=k, snr=0.3).step(
                best_estimate, x, (), step
            )[0]
        )
        for k in (0, 1)
    )
    alpha_t, alpha, sigma = (
        np.float64(v)[:9, np.newaxis]
        for v in (step.now.alpha, step.then.alpha, step.then.sigma)
    )
    epsilon = 2 * (alpha_t / alpha) ** 2 * (0.3 * sigma) ** 2
    mean = np.array([0.3, -0.6])
    score = -(alone[:9] - alpha * mean) / (alpha**2 * STD**2 + sigma**2)
    np.testing.assert_allclose(
        corrected[:9] - alone[:9],
        epsilon * score + np.sqrt(2 * epsilon),
        rtol=1e-3,
        atol=1e-4,
    )
    # The last step ends in clean data, which have no score.
    np.testing.assert_array_equal(corrected[9], alone[9])


def test_the_corrector_mends_what_few_steps_spoil():
    # Ancestral steps draw the posterior of one data estimate, which is too narrow: 30
    # of them miss a tenth of the spread, Langevin dynamics at every level restore it.
    z = random.numpy_generator(2).normal(size=(10_000, 2))

    def width_error(num_corrector_steps):
        sampler = PredictorCorrector(num_corrector_steps=num_corrector_steps, snr=0.4)
        x = sample(sampler, SCHEDULES["rectified_flow"], [30] * len(z), z)
        return np.abs(x.std(0) / STD - 1).max()

    without, corrected = width_error(0), width_error(3)
    assert without > 0.08
    assert corrected < 0.5 * without


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"snr": 0.0}, "snr=0"),
        ({"snr": 1.5}, "snr=1.5"),
        ({"num_corrector_steps": 4}, "num_corrector_steps=4"),
        ({"num_corrector_steps": -1}, "num_corrector_steps=-1"),
    ],
)
def test_numbers_out_of_range_are_refused(options, word):
    with pytest.raises(ValueError, match=word):
        PredictorCorrector(**options)


def test_a_config_makes_the_same_sampler():
    sampler = PredictorCorrector(9, num_corrector_steps=2, snr=0.2, spacing="karras")
    config = sampler.get_config()
    assert PredictorCorrector.from_config(config).get_config() == config
    assert config["num_corrector_steps"] == 2
