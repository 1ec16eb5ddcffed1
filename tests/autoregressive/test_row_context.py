"""The context of rows: what it sees, and row by row."""

import numpy as np
import pytest
import tensorflow as tf

from tfgenai.autoregressive import RowContext
from tfgenai.core import random

HEIGHT, WIDTH, CHANNELS = 8, 3, 2


@pytest.fixture(scope="module")
def x():
    shape = (2, HEIGHT, WIDTH, CHANNELS)
    return random.numpy_generator(0).normal(size=shape).astype(np.float32)


def with_last_layer(layer):
    """The layer with a last map that is not zero."""
    layer.build((None, HEIGHT, WIDTH, CHANNELS))
    kernel = layer.last.kernel
    values = random.numpy_generator(5).normal(size=kernel.shape)
    kernel.assign(values.astype(np.float32))
    return layer


def test_it_begins_as_nothing(x):
    assert not RowContext(8, num_blocks=2, filters=2)(x).numpy().any()


@pytest.mark.parametrize("num_blocks", [0, 1, 2])
def test_a_row_sees_whole_rows_above_as_far_as_dilations_reach(x, num_blocks):
    # Three rows, and 1, 2, 4, … more by each block.
    layer = with_last_layer(RowContext(8, num_blocks=num_blocks, filters=2))
    x = tf.constant(x[:1])
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        y = tf.reduce_sum(layer(x) ** 2, axis=(2, 3))
    seen = tape.jacobian(y, x, experimental_use_pfor=False).numpy()[0, :, 0] != 0
    distance = np.arange(HEIGHT)[:, None] - np.arange(HEIGHT)
    expected = (distance >= 1) & (distance <= 2 + 2**num_blocks)
    np.testing.assert_array_equal(
        seen, np.broadcast_to(expected[..., None, None], seen.shape)
    )


def test_row_by_row_equals_all_rows(x):
    layer = with_last_layer(RowContext(8, num_blocks=2, filters=5))
    whole = layer(x)
    past = layer.initial_past(tf.constant(2), tf.float32)
    above = np.pad(x, [[0, 0], [1, 0], [0, 0], [0, 0]])
    for i in range(HEIGHT):
        row, past = layer.step(tf.constant(above[:, i : i + 1]), past)
        np.testing.assert_allclose(row[:, 0], whole[:, i], atol=1e-5)


def test_config_makes_the_layer_again(x):
    layer = with_last_layer(RowContext(8, num_blocks=2, filters=5, dropout=0.1, seed=4))
    twin = with_last_layer(RowContext.from_config(layer.get_config()))
    np.testing.assert_array_equal(layer(x), twin(x))
