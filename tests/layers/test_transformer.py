"""FeedForward: its formula in NumPy, tokens apart, seeds, dropout and refusals."""

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
        8, dropout=0.1, seed=5, name="feed_forward", dtype="mixed_bfloat16"
    )
    again = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(layer)
    )
    assert again.get_config() == layer.get_config()


@pytest.mark.parametrize(
    ("arguments", "word"),
    [({"intermediate_dim": 0}, "intermediate_dim=0"), ({"dropout": 1.0}, "rate=1")],
)
def test_refuses_what_cannot_work(arguments, word):
    with pytest.raises(ValueError, match=word):
        FeedForward(**{"intermediate_dim": 4, **arguments})
