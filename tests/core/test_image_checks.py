"""Checks of images that reach further than the models' own tests of bad input."""

import numpy as np
import pytest
import tensorflow as tf

from tfgenai.core.image_checks import (
    check_image_batch,
    check_image_shape,
    check_images,
)


def test_tensors_and_wider_floats_become_float32():
    for x in (tf.zeros((2, 4, 4, 1)), np.zeros((2, 4, 4, 1), np.float64)):
        assert check_images(x, (4, 4, 1)).dtype == np.float32


def test_the_ends_of_the_range_are_inside():
    x = np.full((1, 1, 2, 1), [[[-1.0], [1.0]]])
    np.testing.assert_array_equal(check_images(x, (1, 2, 1)), x)
    with pytest.raises(ValueError, match=r"x0 with the value -1\.0000"):
        check_images(x * (1 + 1e-6), (1, 2, 1), name="x0")
    with pytest.raises(ValueError, match="nan"):
        check_images(x * np.nan, (1, 2, 1))


@pytest.mark.parametrize("shape", [(28, 28), (28, 0, 1), (28, 28, 1.5), (28, True, 1)])
def test_a_shape_is_three_positive_whole_numbers(shape):
    with pytest.raises(ValueError, match="height, width, channels"):
        check_image_shape(shape)
    assert check_image_shape([28, np.int64(28), 1]) == (28, 28, 1)


def test_a_batch_has_floats_of_its_shape_and_labels_where_they_are_needed():
    x, y = tf.zeros((2, 4, 4, 1)), tf.constant([0, 1])
    assert check_image_batch(x, y, (4, 4, 1), None) is None
    assert check_image_batch(x, y, (4, 4, 1), 2) is y
    with pytest.raises(TypeError, match="x of type int32"):
        check_image_batch(tf.cast(x, tf.int32), y, (4, 4, 1), 2)
    with pytest.raises(ValueError, match="batches of shape"):
        check_image_batch(x, y, (4, 5, 1), 2)
    for labels in (None, tf.zeros(2), tf.one_hot(y, 2, dtype=tf.int32)):
        with pytest.raises(ValueError, match="labels"):
            check_image_batch(x, labels, (4, 4, 1), 2)
