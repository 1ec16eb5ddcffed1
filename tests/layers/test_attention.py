"""MultiHeadAttention against NumPy in float64, its symmetries and its options."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfgenai.core import random
from tfgenai.layers import MultiHeadAttention


def noise(shape, seed=0):
    return random.numpy_generator(seed).normal(size=shape).astype(np.float32)


def randomize(layer):
    """Weights that hide nothing: biases and scales are not at their defaults."""
    for i, weight in enumerate(layer.weights):
        weight.assign(0.3 * noise(weight.shape, 100 + i) + 0.1)


def in_numpy(layer, x, context=None):
    """Vaswani et al. 2017, section 3.2, head by head."""
    w = {v.name: v.numpy().astype(np.float64) for v in layer.weights}
    dim = x.shape[-1]
    if context is None:
        joined = x @ w["query_key_value_kernel"] + w["query_key_value_bias"]
        query, key, value = np.split(joined, 3, axis=-1)
    else:
        query = x @ w["query_kernel"] + w["query_bias"]
        joined = context @ w["key_value_kernel"] + w["key_value_bias"]
        key, value = np.split(joined, 2, axis=-1)
    size = dim // layer.num_heads
    heads = []
    for i in range(layer.num_heads):
        q, k, v = (t[..., i * size : (i + 1) * size] for t in (query, key, value))
        if layer.use_qk_norm:
            q = q / np.sqrt((q**2).mean(-1, keepdims=True) + 1e-6) * w["query_scale"]
            k = k / np.sqrt((k**2).mean(-1, keepdims=True) + 1e-6) * w["key_scale"]
        logits = q @ k.swapaxes(-1, -2) / np.sqrt(size)
        weights = np.exp(logits - logits.max(-1, keepdims=True))
        heads.append(weights / weights.sum(-1, keepdims=True) @ v)
    return np.concatenate(heads, -1) @ w["output_kernel"] + w["output_bias"]


@pytest.mark.parametrize("use_qk_norm", [False, True])
@pytest.mark.parametrize("context_dim", [None, 5])
def test_it_is_the_formula_in_numpy(context_dim, use_qk_norm):
    layer = MultiHeadAttention(2, context_dim=context_dim, use_qk_norm=use_qk_norm)
    x = noise((3, 7, 8))
    inputs = (x,) if context_dim is None else (x, noise((3, 4, 5), 1))
    layer(*inputs)
    randomize(layer)
    np.testing.assert_allclose(layer(*inputs), in_numpy(layer, *inputs), atol=1e-5)


def test_permuted_tokens_give_permuted_results_and_a_permuted_context_the_same():
    x, context = noise((1, 6, 8)), noise((1, 5, 3), 1)
    own, cross = MultiHeadAttention(4), MultiHeadAttention(4, context_dim=3)
    order = [3, 1, 5, 0, 2, 4]
    np.testing.assert_allclose(own(x[:, order]), own(x).numpy()[:, order], atol=1e-5)
    np.testing.assert_allclose(cross(x, context[:, ::-1]), cross(x, context), atol=1e-5)


def test_qk_norm_bounds_the_logits_whatever_the_input():
    layer = MultiHeadAttention(1, use_qk_norm=True)
    x = noise((1, 6, 8))
    np.testing.assert_allclose(
        # biases are zero, so a factor passes through the values alone
        layer(1e3 * x) / 1e3,
        layer(x),
        rtol=1e-3,
        atol=1e-4,
    )


def test_a_zero_output_begins_at_zero_and_still_learns():
    layer = MultiHeadAttention(2, zero_init_output=True)
    x = noise((2, 3, 8))
    with tf.GradientTape() as tape:
        y = layer(x)
        loss = tf.reduce_sum(y * noise((2, 3, 8), 1))
    assert not y.numpy().any()
    gradient = tape.gradient(loss, layer.output_kernel)
    assert tf.reduce_max(abs(gradient)) > 0


def test_the_softmax_is_float32_in_half_precision():
    layer = MultiHeadAttention(2, dtype="mixed_float16")
    x = tf.constant(noise((1, 300, 16)), tf.float16)
    layer.build(x.shape)
    graph = tf.function(layer.__call__).get_concrete_function(x).graph
    (softmax,) = [op for op in graph.get_operations() if op.type == "Softmax"]
    assert softmax.outputs[0].dtype == tf.float32
    assert layer(x).dtype == tf.float16


def test_the_seed_decides_the_weights():
    def weights(seed):
        layer = MultiHeadAttention(2, seed=seed)
        layer.build((None, None, 8))
        return [weight.numpy() for weight in layer.weights]

    for first, second in zip(weights(3), weights(3), strict=True):
        np.testing.assert_array_equal(first, second)
    assert (weights(3)[0] != weights(4)[0]).any()


def test_it_survives_its_config_and_works_in_a_functional_model(tmp_path):
    x, context = keras.Input((None, 8)), keras.Input((None, 5))
    layer = MultiHeadAttention(2, context_dim=5, use_qk_norm=True, seed=3)
    model = keras.Model([x, context], layer(x, context))
    randomize(layer)
    model.save(tmp_path / "model.keras")
    inputs = [noise((2, 3, 8)), noise((2, 4, 5), 1)]
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.output_shape == (None, None, 8)
    np.testing.assert_array_equal(loaded(inputs), model(inputs))


def test_what_cannot_work_is_refused():
    x = tf.ones((1, 2, 8))
    with pytest.raises(ValueError, match=r"num_heads=3, dim=8"):
        MultiHeadAttention(3)(x)
    with pytest.raises(ValueError, match="num_heads=0"):
        MultiHeadAttention(0)
    with pytest.raises(ValueError, match="context=None, context_dim=5"):
        MultiHeadAttention(2, context_dim=5)(x)
    with pytest.raises(ValueError, match="context=a tensor, context_dim=None"):
        MultiHeadAttention(2)(x, x)
