"""Classifier-free guidance against NumPy, its ends to the bit, and what it refuses."""

import numpy as np
import pytest
import tensorflow as tf
from exact_models import GaussianModel, noisy_batch, row_counts, small_model

from tfgenai.core import random
from tfgenai.diffusion import ClassifierFreeGuidance, Data, Guidance, NoGuidance
from tfgenai.diffusion.levels import Level

N = 6


@pytest.fixture(scope="module")
def model():
    # Its answers are the data estimates, so that no rounding hides a difference.
    return small_model(num_classes=3, condition_dropout=0.1, prediction_type="x0")


def knobs(**values):
    defaults = {
        "guidance_scale": 1.0,
        "guidance_rescale": 0.0,
        "guidance_start": 1.0,
        "guidance_end": 0.0,
    }
    rows = {
        name: tf.constant(np.broadcast_to(value, (N,)), tf.float32)
        for name, value in (defaults | values).items()
    }
    return rows | {"labels": tf.constant([0, 1, 2, 0, 1, 2])}


def both_answers(model, x, level):
    """The network's answers with and without condition, in one call on 2 n rows."""

    def twice(values):
        return tf.concat([values, values], 0)

    answers = model.predict_output(
        twice(x),
        Level(*map(twice, level)),
        {"labels": twice(knobs()["labels"])},
        tf.constant([True] * N + [False] * N),
        tf.zeros((2 * N, 2)),
    )
    return answers[:N].numpy(), answers[N:].numpy()


def estimate(model, x, level, **values):
    rows = knobs(**values)
    return ClassifierFreeGuidance().estimate(model, x, level, rows, tf.zeros_like(x))


def to_x0(model, output, x, level):
    return model.prediction.to_x0(tf.constant(output), x, level).numpy()


def test_the_two_answers_differ(model):
    conditional, without = both_answers(model, *noisy_batch(model, N))
    assert np.abs(conditional - without).min() > 1e-4


@pytest.mark.parametrize("others", [1.0, 2.5])
def test_a_scale_of_one_is_the_conditional_answer_to_the_bit(model, others):
    x, level = noisy_batch(model, N)
    conditional, _ = both_answers(model, x, level)
    if others == 1.0:  # then there is one call on the rows alone
        yes = tf.ones((N,), tf.bool)
        conditional = model.predict_output(x, level, knobs(), yes, tf.zeros_like(x))
    result = estimate(model, x, level, guidance_scale=[1.0, others] * 3).numpy()
    expected = to_x0(model, conditional, x, level)
    np.testing.assert_array_equal(result[::2], expected[::2])


class FixedAnswers:
    """Stands for a model whose network answers `(c, u)` whatever it is asked."""

    prediction = Data()

    def __init__(self, answers):
        self.answers = tf.constant(np.concatenate(answers), tf.float32)

    def predict_output(self, x, level, rows, kept, previous):
        return self.answers


def test_the_ends_are_exact_where_arithmetic_is_not():
    c, u = random.numpy_generator(0).normal(size=(2, N, 500)).astype(np.float32)
    assert (u + np.float32(1.0) * (c - u) != c).mean() > 0.2
    x, level = tf.zeros((N, 500)), noisy_batch(small_model(), N)[1]
    scales = [1.0, 0.0, 2.0] * 2
    result = estimate(FixedAnswers((c, u)), x, level, guidance_scale=scales).numpy()
    np.testing.assert_array_equal(result[::3], c[::3])
    np.testing.assert_array_equal(result[1::3], u[1::3])


def test_a_scale_of_zero_is_the_unconditional_answer_to_the_bit(model):
    x, level = noisy_batch(model, N)
    _, without = both_answers(model, x, level)
    result = estimate(model, x, level, guidance_scale=[0.0, 3.0] * 3).numpy()
    np.testing.assert_array_equal(result[::2], to_x0(model, without, x, level)[::2])


def test_other_scales_are_equation_6_in_numpy(model):
    x, level = noisy_batch(model, N)
    conditional, without = both_answers(model, x, level)
    w = np.array([[0.5], [1.5], [2.0], [3.0], [7.5], [20.0]], np.float32)
    result = estimate(model, x, level, guidance_scale=w[:, 0])
    expected = to_x0(model, without + w * (conditional - without), x, level)
    np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-5)


def test_rescale_is_equations_15_and_16_in_numpy(model):
    x, level = noisy_batch(model, N)
    c, u = both_answers(model, x, level)
    phi = np.array([[0.0], [0.2], [0.5], [0.7], [0.9], [1.0]], np.float32)
    guided = u + 4.0 * (c - u)
    rescaled = guided * c.std(1, keepdims=True) / guided.std(1, keepdims=True)
    expected = phi * rescaled + (1.0 - phi) * guided
    result = estimate(model, x, level, guidance_scale=4.0, guidance_rescale=phi[:, 0])
    np.testing.assert_allclose(result, to_x0(model, expected, x, level), atol=1e-4)


def test_outside_of_its_interval_there_is_no_guidance(model):
    x, level = noisy_batch(model, N, time=0.5)
    inside = estimate(model, x, level, guidance_scale=3.0).numpy()
    without = estimate(model, x, level).numpy()
    result = estimate(
        model,
        x,
        level,
        guidance_scale=3.0,
        guidance_start=[1.0, 1.0, 0.4, 0.4, 0.5, 0.6],
        guidance_end=[0.0, 0.6, 0.0, 0.4, 0.5, 0.4],
    )
    guided = np.array([True, False, False, False, True, True])
    np.testing.assert_allclose(result[guided], inside[guided], atol=1e-6)
    np.testing.assert_allclose(result[~guided], without[~guided], atol=1e-6)


def test_guidance_is_one_call_on_twice_the_rows():
    model = small_model(num_classes=3, condition_dropout=0.1)
    counts = row_counts(model)
    model.generate(5, labels=1, num_steps=4, guidance_scale=2.0)
    assert counts == [10] * 4
    counts.clear()
    model.generate(5, labels=1, num_steps=4)
    assert counts == [5] * 4
    counts.clear()
    model.generate(5, labels=1, num_steps=4, guidance_scale=2.0, guidance_start=0.6)
    assert counts == [5, 5, 10, 10]  # at times 1, 3/4, 1/2 and 1/4


def test_guided_gaussians_have_the_mean_of_the_closed_form():
    # u + w (c - u) is the answer for a mean moved by w times the label.
    model = GaussianModel([0.5, -1.0], [0.3, 0.8], num_classes=4, condition_dropout=0.1)
    guided = model.generate(3, seed=1, labels=[1, 2, 3], guidance_scale=2.5)
    without = model.generate(3, seed=1, labels=0)
    shift = 2.5 * np.array([[1.0], [2.0], [3.0]])
    np.testing.assert_allclose(guided - without, shift * [1, 1], rtol=0.02)


def test_rows_have_scales_of_their_own(model):
    scales = [0.0, 1.0, 4.0]
    together = model.generate(3, seed=5, labels=2, num_steps=5, guidance_scale=scales)
    for i, scale in enumerate(scales):
        alone = model.generate(3, seed=5, labels=2, num_steps=5, guidance_scale=scale)[
            i
        ]
        np.testing.assert_allclose(together[i], alone, atol=1e-5)
    assert np.abs(np.diff(together, axis=0)).min() > 1e-3


def test_the_models_own_scale_is_the_default():
    own = small_model(num_classes=3, condition_dropout=0.1, guidance_scale=3.0)
    other = small_model(num_classes=3, condition_dropout=0.1)
    np.testing.assert_array_equal(
        own.generate(2, labels=1, num_steps=3),
        other.generate(2, labels=1, num_steps=3, guidance_scale=3.0),
    )


def test_xla_guides_alike(model):
    arguments = {"labels": [0, 1, 2], "num_steps": 4, "guidance_scale": 3.0}
    plain = model.generate(3, seed=2, **arguments)
    compiled = model.generate(3, seed=2, jit_compile=True, **arguments)
    np.testing.assert_allclose(compiled, plain, atol=1e-4)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({}, "without conditions"),
        ({"num_classes": 3}, "trained with condition_dropout=0"),
    ],
)
def test_a_model_that_cannot_be_guided_is_refused(options, reason):
    unguidable = small_model(**options)
    labels = {"labels": 0} if options else {}
    with pytest.raises(ValueError, match=f"{reason}.*condition_dropout=0.1"):
        unguidable.generate(2, guidance=ClassifierFreeGuidance(2.0), **labels)
    with pytest.raises(ValueError, match=r"can be guided.*condition_dropout=0\.1"):
        unguidable.generate(2, guidance_scale=2.0, **labels)


def test_only_a_guidance_guides(model):
    with pytest.raises(TypeError, match="given as guidance_scale"):
        model.generate(2, labels=0, guidance=3.0)
    with pytest.raises(ValueError, match="guidance_scale=-1"):
        model.generate(2, labels=0, guidance_scale=-1.0)
    with pytest.raises(ValueError, match=r"NoGuidance has a scale|condition_dropout"):
        model.generate(2, labels=0, guidance=NoGuidance(), guidance_scale=2.0)


def test_the_base_has_no_knobs_and_no_answer(model):
    assert Guidance().conditions(model) == ()
    with pytest.raises(NotImplementedError):
        Guidance().estimate(model, None, None, {}, None)
