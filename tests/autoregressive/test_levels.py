"""Images and levels: nearest ones, in raster order, there and back."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from tfgenai.autoregressive.levels import levels_of_images, levels_to_images


@given(st.integers(2, 256), st.integers(0, 2**31))
def test_levels_come_back(num_levels, first):
    levels = (first + np.arange(12, dtype=np.int64)[None]) % num_levels
    images = levels_to_images(tf.constant(levels, tf.int32), num_levels, (2, 3, 2))
    assert images.shape == (1, 2, 3, 2)
    assert float(tf.reduce_max(tf.abs(images))) <= 1.0
    np.testing.assert_array_equal(levels_of_images(images, num_levels), levels)


def test_channels_stand_within_pixels_and_pixels_within_rows():
    x = np.linspace(-1, 1, 12, dtype=np.float32).reshape(1, 2, 3, 2)
    expected = [
        [row * 6 + col * 2 + c for row in (0, 1) for col in (0, 1, 2) for c in (0, 1)]
    ]
    np.testing.assert_array_equal(levels_of_images(x, 12), expected)


@pytest.mark.parametrize("num_levels", [2, 5, 256])
def test_the_nearest_level_is_taken(num_levels):
    x = np.linspace(-1, 1, 1000, dtype=np.float32).reshape(1, 1000, 1, 1)
    grid = np.linspace(-1, 1, num_levels)
    found = grid[levels_of_images(x, num_levels).numpy().ravel()]
    nearest = np.abs(x.reshape(-1, 1) - grid).min(axis=1)
    np.testing.assert_allclose(np.abs(found - x.ravel()), nearest, atol=1e-6)
