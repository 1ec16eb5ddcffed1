"""Prior preservation: equation 2's sum, and batches that a seed and a number decide."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from tiny_images import diffusion, gan, pictures, points

import tfgenai as tg
from tfgenai.core.reductions import weighted_mean
from tfgenai.finetune.images import add_classes, with_prior


def batches_of(dataset):
    return [tuple(np.asarray(part) for part in batch) for batch in dataset]


def test_the_weighted_mean_is_the_sum_of_equation_2():
    new = points(3, n=4)
    mixed = with_prior(new, diffusion(), 30, weight=0.3, num_steps=1)
    ((x, y, weight),) = batches_of(mixed)
    losses = np.arange(8.0) ** 2  # of some model
    found = weighted_mean(tf.constant(losses, tf.float32), weight)
    expected = losses[:4].mean() + 0.3 * losses[4:].mean()
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    ((given, labels),) = batches_of(new)
    np.testing.assert_array_equal(x[:4], given)
    np.testing.assert_array_equal(y[:4], labels)


def test_samples_are_the_models_own_under_their_labels():
    model = diffusion()
    mixed = with_prior(points(3, n=64), model, 6, seed=5, num_steps=2)
    ((x, y, _),) = batches_of(mixed)
    labels = [0, 1, 2, 0, 1, 2]
    samples = model.generate(6, labels=labels, seed=5, num_steps=2)
    seen = set()
    for point, label in zip(x[64:], y[64:], strict=True):
        matches = np.flatnonzero((samples == point).all(axis=1))
        assert len(matches) == 1
        assert labels[matches[0]] == label
        seen.add(int(matches[0]))
    assert seen == set(range(6))


def test_weights_that_are_there_are_kept_and_rows_may_be_few():
    x, y = np.zeros((3, 2), np.float32), np.full(3, 3)
    weights = np.array([1.0, 2.0, 3.0], np.float32)
    new = tf.data.Dataset.from_tensor_slices((x, y, weights)).batch(2)
    first, last = batches_of(with_prior(new, diffusion(), 3, weight=0.5, num_steps=1))
    np.testing.assert_allclose(first[2], [2.0, 4.0, 1.0, 1.0])
    np.testing.assert_allclose(last[2], [6.0, 1.0])


def test_an_epoch_that_is_asked_for_by_number_is_that_of_the_whole_run():
    data = tg.data.load("digits", split="train[:64]", batch_size=16, seed=3)
    mixed = with_prior(data, gan(10), 20, seed=1)
    whole = batches_of(mixed.for_epochs(0, 3))
    assert len(whole) == 3 * mixed.steps_per_epoch == 12
    late = batches_of(mixed.for_epochs(2, 3))
    for one, other in zip(whole[8:], late, strict=True):
        for a, b in zip(one, other, strict=True):
            np.testing.assert_array_equal(a, b)
    labels = {tuple(y[16:]) for _, y, _ in whole}
    assert len(labels) == 12  # no two batches have the same samples


def test_fit_takes_it_for_diffusion_models_and_gans():
    for model, new in ((diffusion(), points(3)), (gan(), pictures(3))):
        mixed = with_prior(new, model, 4)
        grown = add_classes(model)
        grown.compile()
        history = grown.fit(mixed, epochs=2, verbose=0)
        assert int(grown.step.numpy()) == 2
        assert np.isfinite(history.history["loss"]).all()


def test_a_model_without_classes_needs_none():
    x = tf.data.Dataset.from_tensors(np.zeros((4, 2), np.float32))
    model = diffusion(None)
    mixed = with_prior(x, model, 4, num_steps=1)
    model.compile(keras.optimizers.SGD(0.0))
    model.fit(mixed, verbose=0)
    ((_, labels, weights),) = batches_of(mixed)
    assert labels.tolist() == [0] * 8
    assert weights.tolist() == [2.0] * 8


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"num_samples": 0}, ValueError, "num_samples=0"),
        ({"weight": -1.0}, ValueError, "weight=-1.0"),
        ({"weight": float("nan")}, ValueError, "weight=nan"),
        ({"dataset": [1, 2]}, TypeError, "type list"),
        ({"dataset": points(3).repeat()}, ValueError, "repeat"),
        ({"num_step": 3}, TypeError, "num_step"),
    ],
)
def test_bad_input_is_refused(change, error, words):
    arguments = {"dataset": points(3), "num_samples": 4} | change
    with pytest.raises(error, match=words):
        with_prior(model=diffusion(), **arguments)
