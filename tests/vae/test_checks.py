"""Checks that reach further than the model's own tests of bad input."""

import numpy as np
import pytest
import tensorflow as tf

from tfgenai.core.image_checks import check_images
from tfgenai.vae.checks import check_image, check_latents


def test_tensors_and_wider_floats_become_float32():
    for x in (tf.zeros((2, 4, 4, 1)), np.zeros((2, 4, 4, 1), np.float64)):
        assert check_images(x, (4, 4, 1)).dtype == np.float32
    assert check_latents([[0, 1]], 2).dtype == np.float32


def test_the_ends_of_the_range_are_inside():
    x = np.full((1, 1, 2, 1), [[[-1.0], [1.0]]])
    np.testing.assert_array_equal(check_images(x, (1, 2, 1)), x)
    with pytest.raises(ValueError, match=r"x0 with the value -1\.0000"):
        check_images(x * (1 + 1e-6), (1, 2, 1), name="x0")


def test_one_image_becomes_a_batch_of_one():
    assert check_image(np.zeros((4, 4, 1)), (4, 4, 1)).shape == (1, 4, 4, 1)
    with pytest.raises(ValueError, match=r"x\[0\]"):
        check_image(np.zeros((1, 4, 4, 1)), (4, 4, 1))
