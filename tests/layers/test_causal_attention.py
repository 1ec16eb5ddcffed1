"""CausalAttention against NumPy in float64, its groups, its cache and its refusals."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfgenai.core import random
from tfgenai.layers import CausalAttention
from tfgenai.layers.causal_mask import cached_visibility, causal_visibility

ROTARY = {"rotary_base": 100.0}
OPTIONS = {
    "plain": {},
    "no_bias": {"use_bias": False},
    "rotary": ROTARY,
    "qk_norm": {"use_qk_norm": True, "norm_epsilon": 1e-3},
    "groups": {"num_key_value_heads": 2},
    "one_group_of_longer_heads": {"num_key_value_heads": 1, "head_dim": 6, **ROTARY},
    "all": {"num_key_value_heads": 2, "use_qk_norm": True, "use_bias": False, **ROTARY},
}


def noise(*shape, seed=0):
    return random.numpy_generator(seed).normal(size=shape).astype(np.float32)


def make(**options):
    """Weights that hide nothing: biases and scales are not at their defaults."""
    layer = CausalAttention(4, **options)
    layer.build((None, None, 16))
    for i, weight in enumerate(layer.weights):
        weight.assign(0.3 * noise(*weight.shape, seed=100 + i) + 0.1)
    return layer


def in_numpy(layer, x, mask, positions):
    """Vaswani et al. 2017, equation 1, head by head, in float64."""
    x = x.astype(np.float64)

    def linear(dense, values):
        y = values @ dense.kernel.numpy().astype(np.float64)
        return y + dense.bias.numpy() if dense.use_bias else y

    def prepared(values, scale):
        if layer.use_qk_norm:
            mean_square = (values**2).mean(-1, keepdims=True)
            values = values / np.sqrt(mean_square + layer.norm_epsilon) * scale.numpy()
        if layer.rotary_base is not None:
            half = values.shape[-1] // 2
            theta = layer.rotary_base ** (-np.arange(half) / half)
            turn = np.exp(1j * positions[:, :, None] * theta)
            pairs = (values[..., :half] + 1j * values[..., half:]) * turn
            values = np.concatenate([pairs.real, pairs.imag], -1)
        return values

    groups = layer.num_key_value_heads or layer.num_heads
    query, key, value = (
        linear(dense, x) for dense in (layer.query, layer.key, layer.value)
    )
    size = query.shape[-1] // layer.num_heads
    scales = [getattr(layer, name, None) for name in ("query_scale", "key_scale")]
    heads = []
    for i in range(layer.num_heads):
        j = i * groups // layer.num_heads
        q = prepared(query[..., i * size : (i + 1) * size], scales[0])
        k = prepared(key[..., j * size : (j + 1) * size], scales[1])
        v = value[..., j * size : (j + 1) * size]
        logits = np.where(mask, q @ k.swapaxes(-1, -2) / np.sqrt(size), -np.inf)
        weights = np.exp(logits - logits.max(-1, keepdims=True))
        heads.append(weights / weights.sum(-1, keepdims=True) @ v)
    return linear(layer.projection, np.concatenate(heads, -1))


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_it_is_the_formula_in_numpy(options):
    layer, x = make(**options), noise(2, 6, 16)
    seen = causal_visibility(
        tf.constant([[1, 2, 9, 4, 5, 6], [1, 2, 3, 4, 5, 6]]),
        end_token=9,
        sliding_window=3,
    )
    expected = in_numpy(layer, x, seen.mask[:, 0].numpy(), seen.positions.numpy())
    np.testing.assert_allclose(layer(x, seen), expected, atol=2e-5)


def test_shared_keys_are_repeated_keys():
    shared, repeated = make(num_key_value_heads=2), make()
    for name in ("query", "projection"):
        getattr(repeated, name).set_weights(getattr(shared, name).get_weights())
    for name in ("key", "value"):
        kernel, bias = getattr(shared, name).get_weights()
        # two heads of 4, each for two heads of the queries
        kernel = np.repeat(kernel.reshape(16, 2, 4), 2, axis=1).reshape(16, 16)
        bias = np.repeat(bias.reshape(2, 4), 2, axis=0).ravel()
        getattr(repeated, name).set_weights([kernel, bias])
    x, seen = noise(2, 5, 16), causal_visibility(tf.ones((2, 5), tf.int32))
    np.testing.assert_allclose(shared(x, seen), repeated(x, seen), atol=1e-5)


@pytest.mark.parametrize("window", [None, 2])
def test_its_jacobian_is_the_mask(window):
    layer, x = make(), tf.constant(noise(1, 5, 16))
    seen = causal_visibility(
        tf.constant([[1, 2, 9, 4, 5]]), end_token=9, sliding_window=window
    )
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x, seen)
    jacobian = tape.jacobian(y, x).numpy()
    np.testing.assert_array_equal(
        np.abs(jacobian).max((0, 2, 3, 5)) > 0, seen.mask[0, 0]
    )


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_pieces_with_a_cache_are_the_whole(options):
    layer, x = make(**options), noise(2, 6, 16)
    seen = causal_visibility(tf.ones((2, 6), tf.int32), sliding_window=4)
    whole = layer(x, seen).numpy()
    cache, fused, pieces = layer.empty_cache(2, 7), layer.fused(), []
    for start, stop in ((0, 3), (3, 4), (4, 6)):
        positions = tf.tile(tf.range(start, stop)[tf.newaxis], (2, 1))
        y, cache = layer.extend(
            x[:, start:stop],
            cached_visibility(positions, 7, sliding_window=4),
            cache,
            layer.cache_slots(positions),
            fused,
        )
        pieces.append(y.numpy())
    np.testing.assert_allclose(np.concatenate(pieces, 1), whole, atol=1e-5)
    groups = options.get("num_key_value_heads", 4)
    size = options.get("head_dim", 4)
    assert cache.keys.shape == cache.values.shape == (2, groups, 7, size)


def test_rows_stand_where_they_are_in_the_cache():
    layer, x = make(), noise(2, 4, 16)
    whole = layer(x, causal_visibility(tf.ones((2, 4), tf.int32))).numpy()

    def extend(cache, tokens, positions):
        positions = tf.constant(positions)
        where = cached_visibility(positions, 4), cache, layer.cache_slots(positions)
        return layer.extend(tokens, *where, layer.fused())

    _, cache = extend(layer.empty_cache(2, 4), x, [[0, 1, 2, 3]] * 2)
    # slots are written again, and what is behind a token is not seen by it
    cache = tf.nest.map_structure(
        lambda t: tf.concat([t[:, :, :1], 7 * t[:, :, 1:2], t[:, :, 2:]], 2), cache
    )
    newest = np.stack([x[0, 1:2], x[1, 1:2]])
    y, cache = extend(cache, newest, [[1], [1]])
    np.testing.assert_allclose(y, whole[:, 1:2], atol=1e-5)
    newest = np.stack([x[0, 2:3], x[1, 3:4]])
    y, _ = extend(cache, newest, [[2], [3]])
    np.testing.assert_allclose(y[0], whole[0, 2:3], atol=1e-5)
    np.testing.assert_allclose(y[1], whole[1, 3:4], atol=1e-5)


def test_a_token_that_sees_nothing_is_finite():
    x, seen = noise(1, 3, 16), causal_visibility(tf.constant([[-1, -1, 4]]))
    assert np.isfinite(make()(x, seen)).all()


def test_dropout_is_on_in_training_alone():
    layer = make(dropout=0.5)
    x, seen = noise(2, 5, 16), causal_visibility(tf.ones((2, 5), tf.int32))
    plain = layer(x, seen).numpy()
    np.testing.assert_array_equal(plain, layer(x, seen))
    with random.seed_scope(tf.constant([1, 2])):
        dropped = layer(x, seen, training=True).numpy()
    assert np.abs(dropped - plain).max() > 0.01


@pytest.mark.parametrize("dtype", ["mixed_float16", "mixed_bfloat16"])
def test_half_precision_keeps_weights_and_softmax_in_float32(dtype):
    layer = make(dtype=dtype, use_qk_norm=True, **ROTARY)
    # logits of 300 · 300 · 16 would be infinite in float16 without the norm
    x, seen = 300 * noise(1, 4, 16), causal_visibility(tf.ones((1, 4), tf.int32))
    y = layer(x, seen)
    assert y.dtype == layer.compute_dtype
    assert np.isfinite(tf.cast(y, tf.float32)).all()
    assert {w.dtype for w in layer.weights} == {"float32"}


def test_initial_weights_have_the_deviation_asked_for():
    layer = CausalAttention(4, init_stddev=0.02, output_init_stddev=0.005, seed=3)
    layer.build((None, None, 128))
    for name, expected in (("query", 0.02), ("value", 0.02), ("projection", 0.005)):
        kernel, bias = getattr(layer, name).get_weights()
        assert kernel.std() == pytest.approx(expected, rel=0.05)
        assert not bias.any()


def test_weights_are_a_function_of_the_seed():
    first, again, other = (CausalAttention(2, seed=s) for s in (1, 1, 2))
    for layer in (first, again, other):
        layer.build((None, None, 4))
    for a, b in zip(first.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert (first.get_weights()[0] != other.get_weights()[0]).any()
    assert (first.query.kernel.numpy() != first.key.kernel.numpy()).any()


def test_comes_back_from_its_config():
    layer = CausalAttention(
        4,
        num_key_value_heads=2,
        head_dim=6,
        use_bias=False,
        rotary_base=50.0,
        use_qk_norm=True,
        dropout=0.1,
        init_stddev=0.1,
        output_init_stddev=0.2,
        norm_epsilon=1e-4,
        seed=5,
        name="attention",
        dtype="mixed_bfloat16",
    )
    again = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(layer)
    )
    assert again.get_config() == layer.get_config()
    assert again.get_config()["norm_epsilon"] == 1e-4


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"num_heads": 0}, "num_heads=0"),
        ({"num_key_value_heads": 3}, "num_key_value_heads=3"),
        ({"num_heads": 3}, r"num_heads=3, dim=16.*\[1, 2, 4, 8, 16\]"),
        ({"head_dim": 3, **ROTARY}, "head_dim=3"),
        ({"dropout": 1.0}, "rate=1"),
    ],
)
def test_refuses_what_cannot_work(arguments, words):
    with pytest.raises(ValueError, match=words):
        CausalAttention(**{"num_heads": 4, **arguments}).build((None, None, 16))
