"""Attention over pixels before: by its definition in loops, and with a cache."""

import numpy as np
import pytest
import scipy.special
import tensorflow as tf

from tfgenai.autoregressive import PixelAttention
from tfgenai.core import random

HEIGHT, WIDTH, FILTERS, CHANNELS = 3, 4, 6, 2


@pytest.fixture(scope="module")
def inputs():
    rng = random.numpy_generator(0)
    h, v = rng.normal(size=(2, 2, HEIGHT, WIDTH, FILTERS)).astype(np.float32)
    x = rng.normal(size=(2, HEIGHT, WIDTH, CHANNELS)).astype(np.float32)
    return h, v, x


def test_equals_its_definition(inputs):
    h, v, x = inputs
    layer = PixelAttention(FILTERS, 2, seed=1)
    result = layer(h, v, x)

    size = HEIGHT * WIDTH
    flat = np.concatenate([h, x], -1).reshape(2, size, -1)
    before = np.concatenate([np.zeros_like(flat[:, :1]), flat[:, :-1]], axis=1)
    mapped = before @ layer.query_key_value.kernel.numpy()[0]
    query, key, value = np.split(mapped, 3, axis=-1)
    query = query + v.reshape(2, size, -1) @ layer.row_query.kernel.numpy()[0]
    attended = np.zeros((2, size, FILTERS))
    for b in range(2):
        for p in range(size):
            for head in (slice(0, 3), slice(3, 6)):
                logits = key[b, : p + 1, head] @ query[b, p, head] / np.sqrt(3)
                weights = scipy.special.softmax(logits)
                attended[b, p, head] = weights @ value[b, : p + 1, head]
    expected = h + (attended @ layer.output_map.kernel.numpy()[0]).reshape(h.shape)
    np.testing.assert_allclose(result, expected, atol=1e-5)


def test_the_cache_changes_nothing(inputs):
    h, v, x = (tf.constant(t) for t in inputs)
    layer = PixelAttention(FILTERS, 2)
    whole = layer(h, v, x)
    past = layer.initial_past(tf.constant(2), HEIGHT * WIDTH, tf.float32)
    before = tf.zeros((2, CHANNELS))
    for i in range(HEIGHT):
        from_row = layer.step_row(v[:, i : i + 1])
        for j in range(WIDTH):
            y, past = layer.step_pixel(
                h[:, i, j], from_row[:, 0, j], before, past, tf.constant(i * WIDTH + j)
            )
            before = x[:, i, j]
            np.testing.assert_allclose(y, whole[:, i, j], atol=1e-5)
