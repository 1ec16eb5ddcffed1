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
    assert_draws_the_data(PredictorCorrector(), 0.03)


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


def test_the_corrector_mends_a_wrong_start():
    # Noise of half the spread: ancestral steps of a narrow model keep some of the
    # error, Langevin dynamics at every level lose it.
    def spread(num_corrector_steps):
        z = 0.2 * random.numpy_generator(2).normal(size=(4000, 2))
        sampler = PredictorCorrector(num_corrector_steps=num_corrector_steps, snr=0.4)
        return sample(sampler, SCHEDULES["karras"], [6] * 4000, z).std(0)

    without, corrected = (np.abs(spread(k) / STD - 1).max() for k in (0, 3))
    assert corrected < 0.6 * without


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
