"""Autoguidance: closed form, its end to the bit, averaged weights, refusals."""

import numpy as np
import pytest
import tensorflow as tf
from exact_models import GaussianModel, noisy_batch, row_counts, small_model

from tfgenai.diffusion import AutoGuidance, NoGuidance

N = 4


def estimate(guidance, model, x, level, scale, **rows):
    rows["autoguidance_scale"] = tf.constant(np.broadcast_to(scale, N), tf.float32)
    return guidance.estimate(model, x, level, rows, tf.zeros_like(x)).numpy()


def plain(model, x, level, **rows):
    return NoGuidance().estimate(model, x, level, rows, tf.zeros_like(x)).numpy()


def test_it_is_equation_3_in_numpy():
    model = small_model()
    weaker = small_model(prediction_type="epsilon")
    x, level = noisy_batch(model, N)
    w = np.array([[0.0], [0.5], [2.0], [3.0]], np.float32)
    strong, weak = plain(model, x, level), plain(weaker, x, level)
    assert np.abs(strong - weak).min() > 1e-3
    np.testing.assert_allclose(
        estimate(AutoGuidance(weaker), model, x, level, w[:, 0]),
        weak + w * (strong - weak),
        atol=1e-5,
    )


def test_a_gaussian_leaves_the_blurred_one_behind():
    # A model that believes in a mean 0.2 lower: w times the difference of the means.
    model, weaker = (GaussianModel([m, m], [0.5, 0.5]) for m in (1.0, 0.8))
    arguments = {"seed": 1, "num_steps": 60}
    guided = model.generate(
        4, guidance=AutoGuidance(weaker), autoguidance_scale=3.0, **arguments
    )
    shift = guided - weaker.generate(4, **arguments)
    np.testing.assert_allclose(shift, np.full((4, 2), 3.0 * 0.2), rtol=0.01)


def test_a_scale_of_one_is_the_model_to_the_bit():
    model, weaker = small_model(), small_model(prediction_type="epsilon")
    x, level = noisy_batch(model, N)
    result = estimate(AutoGuidance(weaker), model, x, level, [1.0, 2.0, 1.0, 2.0])
    expected = plain(model, x, level)
    np.testing.assert_array_equal(result[::2], expected[::2])
    assert (result[1::2] != expected[1::2]).all()


def test_without_guidance_the_weaker_model_is_not_asked():
    model, weaker = small_model(), small_model(prediction_type="epsilon")
    counts = row_counts(weaker)
    guidance = AutoGuidance(weaker, scale=1.5)
    model.generate(3, guidance=guidance, num_steps=2, autoguidance_scale=1.0)
    assert counts == []
    model.generate(3, guidance=guidance, num_steps=2)
    assert counts == [3, 3]


@pytest.mark.parametrize("jit_compile", [False, True])
def test_the_weaker_models_average_answers(jit_compile):
    model = small_model(num_classes=3)
    weaker = small_model(num_classes=3, prediction_type="epsilon", ema_decay=0.9)
    arguments = {
        "labels": [0, 1, 2],
        "num_steps": 3,
        "guidance": AutoGuidance(weaker),
        "jit_compile": jit_compile,
    }
    before = model.generate(3, **arguments)
    raw = [2.0 * w.value + 0.1 for w in weaker.trainable_variables]
    for weight, value in zip(weaker.trainable_variables, raw, strict=True):
        weight.assign(value)
    np.testing.assert_array_equal(model.generate(3, **arguments), before)
    for weight, value in zip(weaker.trainable_variables, raw, strict=True):
        np.testing.assert_array_equal(weight.value, value)
    for _, shadow in weaker.ema.pairs:
        shadow.assign(1.5 * shadow.value)
    assert (model.generate(3, **arguments) != before).any()


def test_refusals():
    model = small_model(num_classes=3)

    def refuses(weaker, match):
        with pytest.raises(ValueError, match=match):
            model.generate(1, labels=0, guidance=AutoGuidance(weaker))

    refuses(GaussianModel(np.zeros(3), np.ones(3)), "data_shape")
    refuses(small_model(noise_schedule="linear"), "noise_schedule.*Linear")
    refuses(small_model(num_timesteps=100), "noise_schedule.*num_timesteps=100")
    refuses(small_model(num_classes=4), r"conditions.*\['labels'\]")
    with pytest.raises(TypeError, match="DiffusionModel"):
        AutoGuidance(model.network)
    with pytest.raises(ValueError, match="scale=101"):
        AutoGuidance(model, scale=101)


def test_an_unconditional_weaker_model_will_do():
    model, weaker = small_model(num_classes=3), small_model()
    guidance = AutoGuidance(weaker)
    assert guidance.models == (weaker,)
    assert model.generate(2, labels=1, guidance=guidance, num_steps=2).shape == (2, 2)
