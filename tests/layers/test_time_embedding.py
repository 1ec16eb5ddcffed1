"""TimeEmbedding: the formula, precision near the end, and the config."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfgenai.layers import TimeEmbedding


def test_it_is_the_formula_in_float64():
    time, dim = np.array([0.0, 0.25, 1.0, -1.5]), 6
    frequencies = 1000.0 * 10_000.0 ** (-np.arange(3) / 3)
    angles = time[:, None] * frequencies
    expected = np.concatenate((np.cos(angles), np.sin(angles)), axis=1)
    y = TimeEmbedding(dim)(tf.constant(time, tf.float32))
    np.testing.assert_allclose(y, expected, atol=2e-4)  # float32 angles near 1500


def test_half_precision_still_tells_neighbouring_steps_apart():
    layer = TimeEmbedding(32, dtype="mixed_bfloat16")
    y = layer(tf.constant([0.999, 1.0]))
    assert y.dtype == tf.float32
    np.testing.assert_allclose(y, TimeEmbedding(32)(tf.constant([0.999, 1.0])))
    assert float(tf.reduce_max(abs(y[0] - y[1]))) > 0.5


def test_it_survives_its_config_and_knows_its_shape():
    layer = TimeEmbedding(4, scale=2.0, max_period=10.0)
    copy = TimeEmbedding.from_config(layer.get_config())
    time = tf.constant([0.3, 0.7])
    np.testing.assert_array_equal(copy(time), layer(time))
    symbolic = layer(keras.Input((), batch_size=3))
    assert (symbolic.shape, symbolic.dtype) == ((3, 4), "float32")


@pytest.mark.parametrize("dim", [0, 5])
def test_an_odd_or_empty_length_is_refused(dim):
    with pytest.raises(ValueError, match=f"dim={dim}"):
        TimeEmbedding(dim)
