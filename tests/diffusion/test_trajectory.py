"""Trajectories: their end is `generate`, and their frames follow the closed form."""

import numpy as np
import pytest
from exact_models import GaussianModel, small_model

from tfgenai.diffusion import DDIM

MEAN, STD = np.array([0.5, -1.0]), np.array([0.4, 0.8])


@pytest.mark.parametrize("sampler", [None, DDIM(eta=1.0)])
@pytest.mark.parametrize("options", [{}, {"self_conditioning": True}])
def test_the_last_frame_is_generate(sampler, options):
    model = small_model(num_classes=3, condition_dropout=0.1, **options)
    arguments = {
        "seed": 5,
        "labels": [0, 1, 2],
        "num_steps": [6, 3, 6],
        "guidance_scale": 2.0,
        "sampler": sampler,
    }
    frames = model.trajectory(3, num_frames=6, **arguments)
    samples = model.generate(3, **arguments)
    np.testing.assert_allclose(frames.states[-1], samples, atol=1e-5)
    np.testing.assert_allclose(frames.estimates[-1], samples, atol=1e-5)
    np.testing.assert_array_equal(frames.states[2, 1], frames.states[5, 1])
    np.testing.assert_allclose(frames.times[:, 0], np.arange(5, -1, -1) / 6, atol=1e-6)
    np.testing.assert_array_equal(frames.times[2:, 1], 0.0)


def test_the_states_of_a_gaussian_are_its_marginals():
    model = GaussianModel(MEAN, STD)
    states, times = model.trajectory(2000, num_frames=4, num_steps=100)[1:]
    for state, time in zip(states, times[:, 0], strict=True):
        alpha, sigma = np.cos(time * np.pi / 2), np.sin(time * np.pi / 2)
        np.testing.assert_allclose(state.mean(0), alpha * MEAN, atol=0.06)
        spread = np.sqrt(alpha**2 * STD**2 + sigma**2)
        np.testing.assert_allclose(state.std(0), spread, rtol=0.06)


def test_frames_are_evenly_spaced():
    model = small_model()
    times = model.trajectory(1, num_frames=3, num_steps=12).times[:, 0]
    np.testing.assert_allclose(times, [2 / 3, 1 / 3, 0.0], atol=1e-6)


def test_batches_do_not_show():
    model = small_model()
    whole = model.trajectory(5, num_frames=2, num_steps=4)
    parts = model.trajectory(5, num_frames=2, num_steps=4, batch_size=2)
    for a, b in zip(whole, parts, strict=True):
        assert a.shape[:2] == (2, 5)
        np.testing.assert_allclose(b, a, atol=1e-5)


def test_refusals():
    model = small_model()
    with pytest.raises(ValueError, match=r"num_frames=5.*num_steps"):
        model.trajectory(2, num_frames=5, num_steps=4)
    with pytest.raises(ValueError, match="num_frames=0"):
        model.trajectory(2, num_frames=0)
    with pytest.raises(ValueError, match="n=0"):
        model.trajectory(0)
    with pytest.raises(ValueError, match="seed of shape"):
        model.trajectory(2, seed=[1, 2, 3])
