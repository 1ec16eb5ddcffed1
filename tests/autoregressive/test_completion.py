"""Exact likelihoods and completion: what is kept, what steers what, bad input."""

import numpy as np
import pytest

from tfgenai.autoregressive.completion import hide_unknown
from tfgenai.core import random
from tfgenai.evaluate.nll import evaluate_nll


@pytest.fixture(scope="module")
def model(make_tiny):
    return make_tiny((4, 5, 1))


@pytest.fixture(scope="module")
def images():
    rng = random.numpy_generator(8)
    return rng.choice([-1.0, 1.0], (6, 4, 5, 1)).astype(np.float32)


@pytest.mark.parametrize("num_rows", [0, 2, 4])
def test_the_rows_that_are_known_stay(model, images, num_rows):
    done = model.complete(images, num_rows=num_rows, seed=1)
    np.testing.assert_array_equal(done[:, :num_rows], images[:, :num_rows])
    assert set(np.unique(done)) <= {-1.0, 1.0}


def test_completing_a_sample_with_its_seed_gives_it_back(model):
    # The same uniform numbers and the same pixels before: the same pixels.
    sample = model.generate(6, seed=2)
    np.testing.assert_array_equal(model.complete(sample, num_rows=2, seed=2), sample)
    nothing = np.zeros((4, 5), bool)
    hidden = np.zeros_like(sample)
    np.testing.assert_array_equal(model.complete(hidden, mask=nothing, seed=2), sample)


def test_known_pixels_stay_and_steer_only_what_comes_after(model, images):
    mask = random.numpy_generator(3).random((6, 4, 5)) < 0.5
    done = model.complete(images, mask=mask, seed=1)
    np.testing.assert_array_equal(done[mask], images[mask])
    # turned over in the last row: pixels before it are the same
    other = np.concatenate([images[:, :3], -images[:, 3:]], axis=1)
    again = model.complete(other, mask=mask, seed=1)
    np.testing.assert_array_equal(again[:, :3], done[:, :3])
    assert (again[:, 3] != done[:, 3]).any()


def test_completions_follow_the_conditional_distribution(make_tiny):
    # One unknown pixel, the last: p(+1) is the sigmoid of its logit in a full pass.
    model = make_tiny((2, 2, 1))
    image = np.float32([[[[1.0], [-1.0]], [[1.0], [-1.0]]]])
    mask = np.array([[True, True], [True, False]])
    logit = float(model(image)[0, 1, 1, 0])
    n = 4000
    done = model.complete(np.repeat(image, n, 0), mask=mask, seed=9, batch_size=n)
    p = 1.0 / (1.0 + np.exp(-logit))
    error = abs((done[:, 1, 1, 0] == 1).mean() - p)
    assert error < 4 * np.sqrt(p * (1 - p) / n)


def test_log_likelihood_is_that_of_the_loss_and_of_evaluate_nll(model, images):
    nats = model.log_likelihood(images, batch_size=4)
    model.compile("adam")
    logs = model.evaluate(images, verbose=0, return_dict=True)
    assert logs["loss"] == pytest.approx(-nats.mean(), rel=1e-5)
    bits = logs["loss"] / (20 * np.log(2))
    assert logs["bits_per_dim"] == pytest.approx(bits, rel=1e-5)
    levels = np.where(images > 0, 255, 0).astype(np.uint8)
    value = evaluate_nll(model, levels, binarize="threshold")
    assert value.value == pytest.approx(-nats.mean(), rel=1e-5)


def test_unknown_pixels_may_be_anything_in_range(model, images):
    half = images.copy()
    half[:, 2:] = 0.3
    expected = model.complete(images, num_rows=2, seed=4)
    np.testing.assert_array_equal(model.complete(half, num_rows=2, seed=4), expected)
    hidden = hide_unknown(half, np.zeros((6, 4, 5), bool))
    assert (hidden == -1.0).all()


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({}, TypeError, "Either mask or num_rows"),
        ({"num_rows": 2, "mask": np.ones((4, 5), bool)}, TypeError, "Either mask"),
        ({"num_rows": 5}, ValueError, "num_rows=5"),
        ({"num_rows": 1.5}, TypeError, "num_rows=1.5"),
        ({"mask": np.ones((4, 5))}, TypeError, "mask of type float64"),
        ({"mask": np.ones((5, 4), bool)}, ValueError, r"mask of shape \(5, 4\)"),
        ({"num_rows": 1, "temperature": -1.0}, ValueError, "temperature=-1"),
        ({"num_rows": 1, "labels": 1}, TypeError, "labels"),
        ({"num_rows": 1, "batch_size": 0}, ValueError, "batch_size=0"),
        ({"num_rows": 1, "seed": -1}, ValueError, "seed"),
    ],
)
def test_bad_arguments_are_named(model, images, arguments, error, words):
    with pytest.raises(error, match=words):
        model.complete(images, **arguments)


def test_images_without_a_likelihood_are_refused(model, images):
    grey = images.copy()
    grey[3, 0, 0] = 0.5
    with pytest.raises(ValueError, match=r"-1 or \+1.*x\[3\]"):
        model.log_likelihood(grey)
    with pytest.raises(ValueError, match=r"images\[3\]"):
        model.complete(grey, num_rows=1)
    with pytest.raises(TypeError, match=r"127\.5"):
        model.log_likelihood(np.zeros((1, 4, 5, 1), np.uint8))
    with pytest.raises(ValueError, match=r"x\[None\]"):
        model.log_likelihood(images[0])
