"""FeedForward: its formulas in NumPy, tokens apart, seeds, dropout and refusals."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfgenai.core import random
from tfgenai.layers import FeedForward


def tokens(*shape, seed=0):
    return random.numpy_generator(seed).normal(size=shape).astype("float32")


def test_equals_its_formula_in_numpy():
    layer, x = FeedForward(7), tokens(2, 5, 3)
    y = layer(x).numpy()
    kernel1, bias1, kernel2, bias2 = layer.get_weights()
    bias1 += 0.3
    layer.set_weights([kernel1, bias1, kernel2, bias2 - 0.2])
    y = layer(x).numpy()
    hidden = x @ kernel1 + bias1
    # Hendrycks & Gimpel 2016, section 2: 0.5 x (1 + tanh(√(2/π) (x + 0.044715 x³)))
    inner = math.sqrt(2 / math.pi) * (hidden + 0.044715 * hidden**3)
    expected = 0.5 * hidden * (1 + np.tanh(inner)) @ kernel2 + bias2 - 0.2
    np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("use_bias", [True, False])
def test_swiglu_equals_its_formula_in_numpy(use_bias):
    layer, x = FeedForward(7, activation="swiglu", use_bias=use_bias), tokens(2, 5, 3)
    layer.build(x.shape)
    for i, weight in enumerate(layer.weights):
        weight.assign(tokens(*weight.shape, seed=1 + i))
    # Shazeer 2020, equation 6: (Swish(xW) * xV) W2
    kernels, biases = zip(
        *(
            (part.kernel.numpy(), part.bias.numpy() if use_bias else 0.0)
            for part in (layer.gate, layer.expand, layer.contract)
        ),
        strict=True,
    )
    gate = x @ kernels[0] + biases[0]
    hidden = gate / (1 + np.exp(-gate)) * (x @ kernels[1] + biases[1])
    expected = hidden @ kernels[2] + biases[2]
    np.testing.assert_allclose(layer(x), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("activation", "num_kernels"), [("gelu", 2), ("swiglu", 3)])
def test_without_bias_there_are_kernels_alone(activation, num_kernels):
    layer = FeedForward(8, activation=activation, use_bias=False)
    layer.build((None, None, 4))
    assert [len(w.shape) for w in layer.weights] == [2] * num_kernels
    assert not layer(np.zeros((1, 2, 4), np.float32)).numpy().any()


def test_initial_weights_have_the_deviation_asked_for():
    options = {"activation": "swiglu", "init_stddev": 0.02, "seed": 4}
    layer = FeedForward(256, output_init_stddev=0.004, **options)
    layer.build((None, None, 64))
    for part, expected in ((layer.gate, 0.02), (layer.expand, 0.02)):
        assert part.kernel.numpy().std() == pytest.approx(expected, rel=0.05)
    assert layer.contract.kernel.numpy().std() == pytest.approx(0.004, rel=0.05)
    alike = FeedForward(256, **options)
    alike.build((None, None, 64))
    assert alike.contract.kernel.numpy().std() == pytest.approx(0.02, rel=0.05)


def test_tokens_do_not_see_each_other():
    layer, x = FeedForward(8), tokens(1, 4, 6)
    order = [2, 0, 3, 1]
    np.testing.assert_allclose(layer(x[:, order]), layer(x).numpy()[:, order], 1e-5)


def test_begins_by_keeping_the_variance():
    # Lecun: variance 1 after each linear layer; E[gelu(z)²] = 0.425 in between.
    y = FeedForward(512)(tokens(4, 64, 128)).numpy()
    assert y.var() == pytest.approx(0.425, rel=0.1)


def test_weights_are_a_function_of_the_seed():
    first, again, other = (FeedForward(8, seed=s) for s in (1, 1, 2))
    for layer in (first, again, other):
        layer.build((None, None, 4))
    for a, b in zip(first.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert (first.get_weights()[0] != other.get_weights()[0]).any()
    assert (first.get_weights()[0].ravel() != first.get_weights()[2].ravel()).any()


def test_dropout_is_on_in_training_alone():
    layer, x = FeedForward(8, dropout=0.5), tf.constant(tokens(4, 16, 32))
    plain = layer(x).numpy()
    np.testing.assert_array_equal(plain, layer(x).numpy())
    with random.seed_scope(tf.constant([1, 2])):
        dropped = layer(x, training=True).numpy()
    # five standard errors of a binomial share
    assert abs((dropped == 0).mean() - 0.5) < 5 * (0.25 / dropped.size) ** 0.5
    kept = dropped != 0
    np.testing.assert_allclose(dropped[kept], 2 * plain[kept], rtol=1e-5)


@pytest.mark.parametrize("dtype", ["mixed_bfloat16", "mixed_float16"])
def test_half_precision_keeps_float32_weights(dtype):
    layer = FeedForward(8, dtype=dtype)
    y = layer(tokens(2, 3, 4))
    assert y.dtype == layer.compute_dtype
    assert {w.dtype for w in layer.weights} == {"float32"}


def test_comes_back_from_its_config():
    layer = FeedForward(
        8,
        activation="swiglu",
        use_bias=False,
        dropout=0.1,
        init_stddev=0.1,
        output_init_stddev=0.2,
        seed=5,
        name="feed_forward",
        dtype="mixed_bfloat16",
    )
    again = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(layer)
    )
    assert again.get_config() == layer.get_config()


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ({"intermediate_dim": 0}, "intermediate_dim=0"),
        ({"dropout": 1.0}, "rate=1"),
        ({"activation": "swigl"}, "activation='swigl'.*swiglu"),
    ],
)
def test_refuses_what_cannot_work(arguments, word):
    with pytest.raises(ValueError, match=word):
        FeedForward(**{"intermediate_dim": 4, **arguments})
