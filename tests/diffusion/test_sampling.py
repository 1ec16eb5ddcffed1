"""Samples: functions of their seed alone, by any sampler, and what is refused."""

import numpy as np
import pytest
import tensorflow as tf
from exact_models import GaussianModel, row_counts, small_model

from tfgenai.core import random
from tfgenai.diffusion import DDIM, DiffusionModel

MEAN, STD = np.array([0.5, -1.0]), np.array([0.4, 0.8])


@pytest.fixture(scope="module")
def model():
    return small_model(num_classes=3, condition_dropout=0.1, sampler=DDIM(4))


def test_a_row_does_not_depend_on_its_batch(model):
    labels = np.array([0, 1, 2, 1, 0])
    whole = model.generate(5, seed=7, labels=labels)
    seeds = random.row_seeds(7, 5)
    for i in range(5):
        alone = model.generate(1, seed=seeds[i : i + 1], labels=labels[i])
        np.testing.assert_allclose(alone[0], whole[i], atol=1e-5)
    parts = model.generate(5, seed=7, labels=labels, batch_size=2)
    np.testing.assert_allclose(parts, whole, atol=1e-5)


def test_the_order_does_not_matter(model):
    seeds, labels = np.array([5, 3, 9, 4]), np.array([0, 1, 2, 0])
    order = [2, 0, 3, 1]
    samples = model.generate(4, seed=seeds, labels=labels)
    np.testing.assert_allclose(
        model.generate(4, seed=seeds[order], labels=labels[order]),
        samples[order],
        atol=1e-6,
    )


@pytest.mark.parametrize("eta", [0.0, 1.0])
def test_seeds_decide(model, eta):
    sampler = DDIM(3, eta=eta)
    arguments = {"labels": 1, "sampler": sampler}
    first = model.generate(3, seed=1, **arguments)
    np.testing.assert_array_equal(model.generate(3, seed=1, **arguments), first)
    assert (model.generate(3, seed=2, **arguments) != first).all()
    assert len(np.unique(first, axis=0)) == 3
    own = model.generate(2, **arguments)
    np.testing.assert_array_equal(own, model.generate(2, seed=0, **arguments))


def test_more_samples_begin_with_fewer(model):
    fewer, more = (model.generate(n, seed=3, labels=0) for n in (2, 6))
    np.testing.assert_allclose(more[:2], fewer, atol=1e-6)


def test_a_sampler_by_name_is_the_object(model):
    for sampler in ("ddim", DDIM(50)):
        samples = model.generate(2, labels=1, num_steps=4, sampler=sampler)
        np.testing.assert_array_equal(samples, model.generate(2, labels=1))


def test_an_objects_steps_are_its_own():
    model = small_model()
    counts = row_counts(model)
    model.generate(2, sampler=DDIM(num_steps=7))
    assert counts == [2] * 7
    counts.clear()
    model.generate(2, sampler=DDIM(num_steps=7), num_steps=3)
    assert counts == [2] * 3


def test_rows_take_steps_of_their_own(model):
    together = model.generate(3, seed=[1, 2, 3], labels=0, num_steps=[2, 5, 3])
    for i, num_steps in enumerate([2, 5, 3]):
        alone = model.generate(1, seed=[i + 1], labels=0, num_steps=num_steps)
        np.testing.assert_allclose(together[i], alone[0], atol=1e-5)


@pytest.mark.parametrize("schedule", ["cosine", "linear", "karras", "rectified_flow"])
def test_an_exact_network_gives_the_datas_moments(schedule):
    model = GaussianModel(MEAN, STD, noise_schedule=schedule)
    x = model.generate(4000, seed=1, num_steps=100, sampler=DDIM(), batch_size=4000)
    np.testing.assert_allclose(x.mean(0), MEAN, atol=5 * 0.8 / 4000**0.5)
    np.testing.assert_allclose(x.std(0), STD, rtol=0.06)


def test_xla_samples_alike(model):
    plain = model.generate(3, seed=1, labels=[0, 1, 2])
    compiled = model.generate(3, seed=1, labels=[0, 1, 2], jit_compile=True)
    np.testing.assert_allclose(compiled, plain, atol=1e-4)


def test_sample_is_what_generate_runs(model):
    seeds = random.row_seeds(4, 2)
    rows = {
        c.name: tf.fill((2,), tf.constant(c.default, c.dtype))
        for c in model.conditions()
        if c.is_knob
    }
    samples = model.sample(tf.constant(seeds), labels=tf.constant([1, 2]), **rows)
    np.testing.assert_allclose(
        samples, model.generate(2, seed=4, labels=[1, 2]), atol=1e-6
    )


def test_the_average_is_used():
    model = small_model(ema_decay=0.9)
    before = model.generate(2, num_steps=3)
    for variable in model.trainable_variables:
        variable.assign(0.0 * variable.value)
    np.testing.assert_array_equal(model.generate(2, num_steps=3), before)


def test_pixels_stay_in_range():
    options = {"network": "mlp", "network_options": {"hidden_dim": 8, "num_blocks": 1}}
    images = DiffusionModel((2, 2, 1), **options).generate(20, num_steps=3)
    assert images.shape == (20, 2, 2, 1)
    assert np.abs(images).max() <= 1.0


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ({"label": 1}, TypeError, "Did you mean 'labels'"),
        ({"labels": 3}, ValueError, r"\[0, 2\].*labels=3"),
        ({"labels": -1}, ValueError, "labels=-1"),
        ({"labels": 0.5}, TypeError, "labels=0.5"),
        ({"labels": [0, 1, 2]}, ValueError, "labels of shape"),
        ({"labels": None}, ValueError, "needs a value for 'labels'"),
        ({"num_steps": 0}, ValueError, "num_steps=0"),
        ({"num_steps": 1001}, ValueError, r"\[1, 1000\].*num_steps=1001"),
        ({"n": 0}, ValueError, "n=0"),
        ({"batch_size": 0}, ValueError, "batch_size=0"),
        ({"seed": [1, 2, 3]}, ValueError, "seed of shape"),
        ({"seed": -1}, ValueError, "seed=-1"),
        ({"sampler": "dim"}, ValueError, "Did you mean 'ddim'"),
        ({"sampler": 3}, TypeError, "sampler=3"),
        ({"sampler": "flow_euler"}, ValueError, "flow"),
    ],
)
def test_refusals(model, arguments, error, match):
    with pytest.raises(error, match=match):
        model.generate(**{"n": 2, "labels": 0} | arguments)


def test_a_schedules_steps_are_the_most():
    model = small_model(num_timesteps=20)
    assert model.generate(1, num_steps=20).shape == (1, 2)
    with pytest.raises(ValueError, match=r"\[1, 20\].*num_steps=21"):
        model.generate(1, num_steps=21)
    with pytest.raises(ValueError, match=r"20 steps.*num_steps=50.*continuous time"):
        model.generate(1, sampler=DDIM(50))
