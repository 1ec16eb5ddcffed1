"""Losses, weights and means against NumPy; what padding and masks leave out."""

import numpy as np
import pytest
import tensorflow as tf
from tiny_gpt import log_softmax

from tfgenai.core import random
from tfgenai.gpt.objective import mean_per_token, next_token_losses, target_weights

TARGETS = tf.constant([[1, 0, 2], [3, -1, -1]])


def test_losses_are_negative_log_probabilities():
    logits = random.numpy_generator(0).normal(size=(2, 3, 4)).astype(np.float32)
    losses = next_token_losses(tf.constant(logits), TARGETS).numpy()
    expected = -log_softmax(logits)
    for row, column in np.argwhere(TARGETS.numpy() >= 0):
        target = TARGETS.numpy()[row, column]
        assert losses[row, column] == pytest.approx(expected[row, column, target], 1e-5)
    assert np.isfinite(losses).all()  # of padding, too


@pytest.mark.parametrize(
    ("mask", "sample_weight", "expected"),
    [
        (None, None, [[1, 1, 1], [1, 0, 0]]),
        ([[0, 1, 1], [1, 1, 0]], None, [[0, 1, 1], [1, 0, 0]]),
        (None, [2.0, 0.5], [[2, 2, 2], [0.5, 0, 0]]),
        (None, [[1.0, 2, 3], [4, 5, 6]], [[1, 2, 3], [4, 0, 0]]),
        ([[0, 1, 1], [1, 1, 1]], [2.0, 3.0], [[0, 2, 2], [3, 0, 0]]),
    ],
)
def test_weights(mask, sample_weight, expected):
    mask = None if mask is None else tf.constant(mask)
    if sample_weight is not None:
        sample_weight = tf.constant(sample_weight)
    weights = target_weights(TARGETS, mask, sample_weight)
    assert weights.dtype == tf.float32
    np.testing.assert_array_equal(weights, expected)


def test_the_mean_of_no_tokens_is_zero_and_has_no_gradient():
    values, weights = tf.constant([[1.0, 5.0]]), tf.zeros((1, 2))
    with tf.GradientTape() as tape:
        tape.watch(values)
        mean = mean_per_token(values, weights)
    assert float(mean) == 0
    assert not tape.gradient(mean, values).numpy().any()
