"""The block of DiT: identity at the start, its norm in NumPy, no order of tokens."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfgenai.core import random
from tfgenai.diffusion.dit_block import DiTBlock, modulated_norm


def batch(*shape, seed=0):
    return random.numpy_generator(seed).normal(size=shape).astype("float32")


def perturbed(layer, seed=7):
    """The layer as if trained: no weight is zero."""
    generator = random.numpy_generator(seed)
    for weight in layer.weights:
        weight.assign_add(0.2 * generator.normal(size=weight.shape))
    return layer


@pytest.mark.parametrize("context_dim", [None, 3])
def test_every_block_begins_as_the_identity(context_dim):
    block = DiTBlock(2, context_dim=context_dim)
    x, steering = batch(2, 5, 8), batch(2, 8, seed=1)
    block.build(x.shape, steering.shape)
    context = () if context_dim is None else (batch(2, 4, context_dim, seed=2),)
    np.testing.assert_array_equal(block(x, steering, *context), x)
    assert np.abs(perturbed(block)(x, steering, *context) - x).max() > 0.01


def test_modulated_norm_equals_its_formula_in_numpy():
    x, shift, scale = batch(2, 3, 8), batch(2, 8, seed=1), batch(2, 8, seed=2)
    centred = x - x.mean(-1, keepdims=True)
    normed = centred / np.sqrt(centred.var(-1, keepdims=True) + 1e-6)
    expected = normed * (1 + scale[:, None]) + shift[:, None]
    actual = modulated_norm(*map(tf.constant, (x, shift, scale)))
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-5)


def test_a_block_permutes_with_its_tokens():
    block, steering = DiTBlock(2, context_dim=3), batch(2, 8)
    x, context = batch(2, 5, 8, seed=1), batch(2, 4, 3, seed=2)
    block.build(x.shape, steering.shape)
    perturbed(block)
    order = [3, 1, 4, 0, 2]
    np.testing.assert_allclose(
        block(x[:, order], steering, context),
        block(x, steering, context).numpy()[:, order],
        rtol=1e-4,
        atol=1e-5,
    )


def test_comes_back_from_its_config():
    block = DiTBlock(
        2, mlp_ratio=2, dropout=0.1, context_dim=3, use_qk_norm=True, seed=4
    )
    again = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(block)
    )
    assert again.get_config() == block.get_config()
