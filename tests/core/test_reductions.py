"""Weighted means against NumPy."""

import numpy as np
import tensorflow as tf

from tfgenai.core.reductions import weighted_mean


def test_weights_multiply_and_the_number_of_examples_divides():
    values = np.arange(12.0, dtype=np.float32).reshape(4, 3)
    weight = np.array([0.0, 1.0, 2.0, 0.5], np.float32)
    np.testing.assert_allclose(
        weighted_mean(tf.constant(values), tf.constant(weight)),
        (values * weight[:, None]).sum(0) / 4,
    )


def test_no_weights_are_equal_weights():
    values = tf.constant([1.0, 2.0, 6.0])
    assert float(weighted_mean(values, None)) == 3.0
    assert float(weighted_mean(values, tf.ones(3))) == 3.0


def test_integer_weights_are_taken():
    assert float(weighted_mean(tf.constant([1.0, 2.0]), tf.constant([2, 0]))) == 1.0
