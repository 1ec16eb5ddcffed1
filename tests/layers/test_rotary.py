"""Rotary positions: a turn in the complex plane, relative, and of unchanged length."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from tfgenai.core import random
from tfgenai.layers.rotary import rotary_angles, rotate


def noise(*shape, seed=0):
    return random.numpy_generator(seed).normal(size=shape).astype(np.float32)


def turned(x, positions, base=10_000.0):
    return rotate(x, rotary_angles(tf.constant(positions), x.shape[-1], base)).numpy()


@pytest.mark.parametrize("base", [10_000.0, 500.0])
def test_it_is_a_product_of_complex_numbers(base):
    x, positions = noise(2, 3, 4, 8), np.array([[0, 1, 5, 63], [2, 2, 0, 9]], np.int32)
    # Su et al. 2021, equation 12: pair i of position m times exp(i m theta_i).
    theta = base ** (-2 * np.arange(4) / 8)
    pairs = x[..., :4] + 1j * x[..., 4:]
    pairs = pairs * np.exp(1j * positions[:, None, :, None] * theta)
    expected = np.concatenate([pairs.real, pairs.imag], -1)
    np.testing.assert_allclose(turned(x, positions, base), expected, atol=2e-5)


@settings(max_examples=20)
@given(st.integers(0, 200), st.integers(0, 200), st.integers(0, 500))
def test_scores_depend_on_differences_of_positions(m, n, shift):
    query, key = noise(1, 1, 1, 16), noise(1, 1, 1, 16, seed=1)

    def score(m, n):
        return (turned(query, [[m]]) * turned(key, [[n]])).sum()

    assert score(m, n) == pytest.approx(score(m + shift, n + shift), abs=2e-3)


def test_scores_do_depend_on_them():
    query, key = noise(1, 1, 1, 16), noise(1, 1, 1, 16, seed=1)
    scores = [(turned(query, [[m]]) * key).sum() for m in range(4)]
    assert np.abs(np.diff(scores)).min() > 0.05


def test_lengths_are_kept_and_position_0_is_not_turned():
    x = noise(2, 3, 5, 6)
    y = turned(x, [[0, 3, 77, 1000, 4]])
    np.testing.assert_allclose((y**2).sum(-1), (x**2).sum(-1), rtol=1e-5)
    np.testing.assert_array_equal(y[:, :, 0], x[:, :, 0])


def test_angles_of_half_precision_are_those_of_float32():
    x = noise(1, 1, 1, 8).astype(np.float16)
    y = turned(x, [[1001]])
    assert y.dtype == np.float16
    np.testing.assert_allclose(y, turned(x.astype(np.float32), [[1001]]), atol=2e-3)
