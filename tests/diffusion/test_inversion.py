"""Inversion laws: closed form of a Gaussian's noise, and round trips."""

import numpy as np
import pytest
import tensorflow as tf
from exact_models import GaussianModel, small_model

from tfgenai.core import random
from tfgenai.diffusion import DDIM, SAMPLERS
from tfgenai.diffusion.inversion import draws_noise

MEAN, STD = np.array([0.3, -0.5, 0.0]), np.array([0.2, 0.6, 1.2])
SCHEDULES = ("cosine", "linear", "sigmoid", "karras", "rectified_flow")


def data(n=4):
    noise = random.numpy_generator(3).normal(size=(n, 3))
    return (MEAN + STD * noise).astype(np.float32)


def round_trip_error(model, x, **arguments):
    num_iterations = arguments.pop("num_iterations", 4)
    noise = model.invert(x, num_iterations=num_iterations, **arguments)
    return np.abs(model.generate_from(noise, **arguments) - x).max()


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_ddim_makes_the_data_of_their_noise_again(schedule):
    model = GaussianModel(MEAN, STD, noise_schedule=schedule)
    assert round_trip_error(model, data(), num_steps=100) < 1e-3


def test_the_noise_of_gaussian_data_is_their_standard_score():
    # The probability flow maps quantiles to quantiles.
    model = GaussianModel(MEAN, STD)
    noise = model.invert(data(), num_steps=200)
    np.testing.assert_allclose(noise, (data() - MEAN) / STD, rtol=0.03, atol=0.02)


def test_the_error_falls_with_steps_and_iterations():
    model = GaussianModel(MEAN, STD)
    errors = [
        [
            round_trip_error(model, data(), num_steps=s, num_iterations=i)
            for s in (10, 20, 40)
        ]
        for i in (1, 4)
    ]
    paper, exact = np.array(errors)
    assert (np.diff(paper) < 0).all()
    assert (np.diff(exact) < 0).all()
    assert (exact < paper).all()
    assert exact[-1] < 0.3 * paper[-1]


def test_a_network_is_inverted_too():
    model = small_model()
    x = np.array([[0.5, -0.5], [1.0, 0.2]], np.float32)
    noise = model.invert(model.generate_from(x, num_steps=30), num_steps=30)
    np.testing.assert_allclose(noise, x, atol=0.02)


def test_rows_have_steps_and_labels_of_their_own():
    model = GaussianModel(MEAN, STD, num_classes=3)
    x = data(3)
    arguments = {"num_steps": [20, 40, 60], "labels": [0, 1, 2]}
    noise = model.invert(x, **arguments)
    for i in range(3):
        alone = model.invert(x[i : i + 1], num_steps=[20, 40, 60][i], labels=i)
        np.testing.assert_allclose(noise[i], alone[0], atol=1e-4)
    assert np.abs(model.generate_from(noise, **arguments) - x).max() < 0.02


@pytest.mark.parametrize("schedule", ["cosine", "karras"])
def test_generate_from_the_noise_of_a_seed_is_generate(schedule):
    model = small_model(noise_schedule=schedule)
    seeds = np.array([3, 9])
    noise = random.row_normal(tf.constant(seeds), (2,), 0).numpy()
    arguments = {"num_steps": 3, "sampler": "ddim"}
    np.testing.assert_array_equal(
        model.generate_from(noise, **arguments),
        model.generate(2, seed=seeds, **arguments),
    )


def test_pure_noise_can_be_reached():
    model = GaussianModel(MEAN, STD, zero_terminal_snr=True)
    assert round_trip_error(model, data(), num_steps=60) < 2e-3


def test_self_conditioned_models_invert_about():
    model = small_model(self_conditioning=True)
    x = np.array([[0.5, -0.5]], np.float32)
    assert np.isfinite(model.invert(x, num_steps=5)).all()


def test_refusals():
    model = small_model()
    x = np.zeros((2, 2), np.float32)
    with pytest.raises(ValueError, match=r"DDIM without noise.*sampler='ddim'"):
        model.invert(x, sampler=DDIM(eta=0.5))
    with pytest.raises(ValueError, match=r"draws no noise.*sampler='ddim'"):
        model.generate_from(x, sampler=DDIM(eta=0.5))
    with pytest.raises(ValueError, match="num_iterations=0"):
        model.invert(x, num_iterations=0)
    with pytest.raises(ValueError, match="batch_size=0"):
        model.invert(x, batch_size=0)
    with pytest.raises(TypeError, match="floats"):
        model.invert(np.zeros((2, 2), np.uint8))
    with pytest.raises(ValueError, match="noise of shape"):
        model.generate_from(np.zeros((2, 3), np.float32))


def test_the_average_is_used():
    model = small_model(ema_decay=0.9)
    x = np.array([[0.5, -0.5]], np.float32)
    noise, samples = model.invert(x, num_steps=3), model.generate_from(x, num_steps=3)
    for variable in model.trainable_variables:
        variable.assign(0.0 * variable.value)
    np.testing.assert_array_equal(model.invert(x, num_steps=3), noise)
    np.testing.assert_array_equal(model.generate_from(x, num_steps=3), samples)


def test_a_model_of_noise_inverts_by_ddim():
    model = GaussianModel(MEAN, STD, sampler=DDIM(60, eta=1.0))
    assert np.abs(model.generate_from(model.invert(data())) - data()).max() < 1e-3


def test_samplers_that_draw_are_found():
    schedule = small_model().schedule
    assert not draws_noise(DDIM(), schedule)
    assert draws_noise(DDIM(eta=1.0), schedule)
    assert not draws_noise(
        SAMPLERS.create("ddim"), small_model(num_timesteps=2).schedule
    )
