"""SeededDropout: expectation, share, seeds, and the scope of a step."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfgenai.core import random
from tfgenai.layers import SeededDropout


def test_the_share_dropped_and_the_mean_are_right():
    layer, x = SeededDropout(0.3), tf.ones((100, 100))
    y = layer(x, seed=tf.constant([1, 2]), training=True).numpy()
    # five standard errors of a binomial share
    assert abs((y == 0).mean() - 0.3) < 5 * (0.21 / 1e4) ** 0.5
    np.testing.assert_allclose(y[y > 0], 1 / 0.7, rtol=1e-6)


def test_without_training_nothing_changes():
    x = tf.random_normal_initializer(seed=1)((3, 4))
    np.testing.assert_array_equal(SeededDropout(0.5)(x), x)


def test_two_layers_in_one_step_draw_two_masks_and_a_step_repeats_its_own():
    network = keras.Sequential([SeededDropout(0.5), SeededDropout(0.5)])
    x = tf.ones((1, 1000))

    def step(seed):
        with random.seed_scope(tf.constant(seed)):
            return network(x, training=True).numpy()

    first = step([1, 0])
    # one mask used twice would leave half, two masks leave a quarter
    assert abs((first > 0).mean() - 0.25) < 0.08
    np.testing.assert_array_equal(first, step([1, 0]))
    assert (first != step([2, 0])).any()


def test_training_outside_of_a_step_needs_a_seed():
    with pytest.raises(ValueError, match="seed_scope"):
        SeededDropout(0.5)(tf.ones((2, 2)), training=True)


def test_a_rate_of_one_is_refused():
    with pytest.raises(ValueError, match=r"rate=1\.0"):
        SeededDropout(1.0)
