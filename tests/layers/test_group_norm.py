"""GroupNorm against NumPy, and its hand-written gradient against autodiff."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfgenai.core import random
from tfgenai.layers import GroupNorm
from tfgenai.layers.group_norm import default_num_groups, group_norm


def noise(shape, seed=0, scale=1.0, offset=0.0):
    return random.numpy_generator(seed).normal(offset, scale, shape).astype(np.float32)


def in_numpy(x, gain, bias, num_groups, epsilon, silu):
    """Wu & He 2018, equations 1 and 7, sample by sample and group by group."""
    x = x.astype(np.float64)
    z = np.empty_like(x)
    size = x.shape[-1] // num_groups
    for sample in range(len(x)):
        for group in range(num_groups):
            where = (sample, ..., slice(group * size, (group + 1) * size))
            part = x[where]
            z[where] = (part - part.mean()) / np.sqrt(part.var() + epsilon)
    spread = (slice(None),) + (None,) * (x.ndim - 2)
    z = z * gain[spread] + bias[spread]
    return z / (1 + np.exp(-z)) if silu else z


def by_autodiff(x, gain, bias, num_groups, epsilon, silu):
    shape = x.shape
    grouped = tf.reshape(x, (shape[0], -1, num_groups, shape[-1] // num_groups))
    # Not tf.nn.moments: it stops a gradient that its second derivative would need.
    centred = grouped - tf.reduce_mean(grouped, axis=(1, 3), keepdims=True)
    variance = tf.reduce_mean(tf.square(centred), axis=(1, 3), keepdims=True)
    z = centred / tf.sqrt(variance + epsilon)
    z = tf.reshape(z, (shape[0], -1, shape[-1])) * gain[:, None] + bias[:, None]
    return tf.reshape(z * tf.sigmoid(z) if silu else z, shape)


@pytest.mark.parametrize("silu", [False, True])
@pytest.mark.parametrize(
    ("shape", "num_groups"), [((2, 3, 5, 8), 2), ((3, 7, 6), 6), ((2, 4, 6), 1)]
)
def test_it_is_the_formula_in_numpy(shape, num_groups, silu):
    x = noise(shape, offset=2.0)
    gain, bias = noise((shape[0], shape[-1]), 1), noise((shape[0], shape[-1]), 2)
    y = group_norm(
        *map(tf.constant, (x, gain, bias)),
        num_groups=num_groups,
        epsilon=1e-5,
        silu=silu,
    )
    expected = in_numpy(x, gain, bias, num_groups, 1e-5, silu)
    np.testing.assert_allclose(y, expected, atol=1e-5)


@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize("silu", [False, True])
def test_its_gradient_is_that_of_autodiff(silu, rows):
    inputs = [
        tf.constant(noise((3, 4, 5, 8), 0, 2.0, 1.0)),
        tf.constant(noise((rows, 8), 1)),
        tf.constant(noise((rows, 8), 2)),
    ]
    upstream = tf.constant(noise((3, 4, 5, 8), 3))
    arguments = {"num_groups": 2, "epsilon": 1e-3, "silu": silu}

    def gradients(function):
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            y = function(*inputs, **arguments)
        return tape.gradient(y, inputs, upstream)

    for ours, theirs in zip(gradients(group_norm), gradients(by_autodiff), strict=True):
        assert ours.shape == theirs.shape
        np.testing.assert_allclose(ours, theirs, atol=2e-5, rtol=1e-4)


def test_its_second_gradient_is_that_of_autodiff():
    x, vector = tf.constant(noise((2, 3, 4))), tf.constant(noise((2, 3, 4), 1))
    ones = tf.ones((1, 4))

    def second(function):
        with tf.GradientTape() as outer:
            outer.watch(x)
            with tf.GradientTape() as inner:
                inner.watch(x)
                y = function(x, ones, ones, num_groups=2, epsilon=1e-3, silu=True)
            gradient = inner.gradient(y, x, vector)
        return outer.gradient(gradient, x, vector)

    np.testing.assert_allclose(second(group_norm), second(by_autodiff), atol=1e-4)


def test_a_large_mean_does_not_cost_digits():
    x = noise((2, 16, 16, 4))
    y = GroupNorm(1)(x + 1000.0)  # exact in float32 up to 6e-5
    np.testing.assert_allclose(y, GroupNorm(1)(x), atol=5e-4)


def test_adaptive_scale_and_shift_act_on_the_normalized_values():
    x, scale, shift = noise((2, 5, 8)), noise((2, 8), 1), noise((2, 8), 2)
    plain = GroupNorm(4)(x).numpy()
    layer = GroupNorm(4, is_adaptive=True)
    assert not layer.weights
    np.testing.assert_allclose(
        layer(x, scale, shift),
        plain * (1 + scale[:, None]) + shift[:, None],
        atol=1e-5,
    )


def test_samples_do_not_see_each_other_and_statistics_do_not_overflow():
    x = noise((4, 6, 6, 8))
    layer = GroupNorm()
    np.testing.assert_allclose(layer(x[:1]), layer(x)[:1], atol=1e-6)
    half = GroupNorm(dtype="mixed_float16", activation="silu")
    y = half(tf.constant(300.0 * x, tf.float16))  # squares exceed 65,504
    assert y.dtype == tf.float16
    assert np.isfinite(y.numpy()).all()


def test_an_unknown_batch_and_length_work():
    inputs = keras.Input((None, 8))
    model = keras.Model(inputs, GroupNorm(activation="silu")(inputs))
    x = noise((3, 5, 8))
    np.testing.assert_allclose(model(x), GroupNorm(activation="silu")(x), atol=1e-6)


def test_it_survives_its_config():
    layer = GroupNorm(2, activation="silu", epsilon=1e-3)
    copy = GroupNorm.from_config(layer.get_config())
    x = noise((2, 3, 4))
    np.testing.assert_array_equal(copy(x), layer(x))


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 6, 30, 64, 100, 512])
def test_the_usual_groups_always_divide(channels):
    groups = default_num_groups(channels)
    assert channels % groups == 0
    assert groups <= 32
    assert channels // groups >= min(4, channels)


def test_what_cannot_work_is_refused():
    with pytest.raises(ValueError, match=r"num_groups=3, channels=8"):
        GroupNorm(3)(tf.ones((1, 2, 8)))
    with pytest.raises(ValueError, match="'relu'"):
        GroupNorm(activation="relu")
    with pytest.raises(ValueError, match="is_adaptive=True"):
        GroupNorm(is_adaptive=True)(tf.ones((1, 2, 8)))
    with pytest.raises(ValueError, match="is_adaptive=False"):
        GroupNorm()(tf.ones((1, 2, 8)), tf.ones((1, 8)), tf.ones((1, 8)))
