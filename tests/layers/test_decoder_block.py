"""DecoderBlock: two branches behind norms, in NumPy, cached, in half precision."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfgenai.core import random
from tfgenai.layers import DecoderBlock
from tfgenai.layers.causal_mask import cached_visibility, causal_visibility

PARTS = {"num_heads": 2, "rotary_base": 100.0}, {"intermediate_dim": 12}


def noise(*shape, seed=0):
    return random.numpy_generator(seed).normal(size=shape).astype(np.float32)


def make(**options):
    block = DecoderBlock(*PARTS, **options)
    block.build((None, None, 8))
    for i, weight in enumerate(block.weights):
        weight.assign(0.4 * noise(*weight.shape, seed=100 + i) + 0.2)
    return block


def norm_in_numpy(norm, layer, x):
    if norm == "rms":
        scale = layer.scale.numpy()
        return x / np.sqrt((x**2).mean(-1, keepdims=True) + 0.01) * scale
    centred = x - x.mean(-1, keepdims=True)
    y = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 0.01)
    y = y * layer.gamma.numpy()
    return y if layer.beta is None else y + layer.beta.numpy()


@pytest.mark.parametrize("use_bias", [True, False])
@pytest.mark.parametrize("norm", ["layer", "rms"])
def test_it_is_two_branches_behind_norms(norm, use_bias):
    block = make(norm=norm, use_bias=use_bias, norm_epsilon=0.01)
    x, seen = noise(2, 5, 8), causal_visibility(tf.ones((2, 5), tf.int32))
    normed = norm_in_numpy(norm, block.attention_norm, x)
    between = x + block.attention(normed, seen).numpy()
    normed = norm_in_numpy(norm, block.feed_forward_norm, between)
    expected = between + block.feed_forward(normed).numpy()
    np.testing.assert_allclose(block(x, seen), expected, rtol=1e-4, atol=1e-5)


def test_pieces_with_a_cache_are_the_whole():
    block, x = make(), noise(2, 5, 8)
    whole = block(x, causal_visibility(tf.ones((2, 5), tf.int32))).numpy()
    cache, pieces = block.attention.empty_cache(2, 5), []
    for start, stop in ((0, 2), (2, 5)):
        positions = tf.tile(tf.range(start, stop)[tf.newaxis], (2, 1))
        y, cache = block.extend(
            x[:, start:stop],
            cached_visibility(positions, 5),
            cache,
            block.attention.cache_slots(positions),
            block.attention.fused(),
        )
        pieces.append(y)
    np.testing.assert_allclose(np.concatenate(pieces, 1), whole, atol=1e-5)


def test_dropout_falls_on_both_branches_in_training_alone():
    block = make(dropout=0.5)
    x, seen = noise(4, 6, 8), causal_visibility(tf.ones((4, 6), tf.int32))
    np.testing.assert_array_equal(block(x, seen), block(x, seen))
    attention, feed_forward = [], []
    spies = (block.attention_dropout, attention), (block.feed_forward, feed_forward)
    for layer, results in spies:
        call = layer.call

        def spy(*args, call=call, results=results, **kwargs):
            results.append(call(*args, **kwargs))
            return results[-1]

        layer.call = spy
    with random.seed_scope(tf.constant([1, 2])):
        block(x, seen, training=True)
    for (branch,) in (attention, feed_forward):
        share = (branch.numpy() == 0).mean()
        # five standard errors of a binomial share
        assert abs(share - 0.5) < 5 * (0.25 / branch.numpy().size) ** 0.5


@pytest.mark.parametrize("norm", ["layer", "rms"])
def test_norms_of_half_precision_do_not_overflow(norm):
    block = make(norm=norm, dtype="mixed_float16")
    x, seen = 1000 * noise(1, 4, 8), causal_visibility(tf.ones((1, 4), tf.int32))
    y = block(x, seen)  # squares of 1000 are infinite in float16
    assert y.dtype == "float16"
    assert np.isfinite(y).all()
    assert np.abs(y - x).max() > 0.1


def test_comes_back_from_its_config():
    block = DecoderBlock(
        *PARTS,
        norm="rms",
        norm_epsilon=1e-3,
        use_bias=False,
        dropout=0.1,
        seed=5,
        name="block",
        dtype="mixed_bfloat16",
    )
    again = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(block)
    )
    assert again.get_config() == block.get_config()
    block.build((None, None, 8))
    again.build((None, None, 8))
    for a, b in zip(block.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_an_unknown_norm_is_refused():
    with pytest.raises(ValueError, match="norm='batch'"):
        DecoderBlock(*PARTS, norm="batch")
