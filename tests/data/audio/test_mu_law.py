"""µ-law against its formula, its bound, and what it refuses."""

import math

import hypothesis.strategies as st
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given

from tfgenai.core.errors import ConfigError
from tfgenai.data.audio import mu_law_decode, mu_law_encode


@pytest.mark.parametrize("num_levels", [2, 15, 256, 65536])
def test_every_level_comes_back(num_levels):
    levels = np.arange(num_levels, dtype=np.int32)
    again = mu_law_encode(mu_law_decode(levels, num_levels), num_levels)
    np.testing.assert_array_equal(again, levels)


def test_levels_are_those_of_the_formula():
    x = np.linspace(-1.0, 1.0, 1001)
    y = np.sign(x) * np.log(1 + 255 * np.abs(x)) / np.log(256)
    exact = (y + 1) / 2 * 255
    found = mu_law_encode(tf.constant(x, tf.float32)).numpy()
    assert np.abs(found - exact).max() <= 0.5 + 1e-4
    assert found.dtype == np.int32


@given(st.lists(st.floats(-1, 1, width=32), min_size=1), st.sampled_from([16, 256]))
def test_the_round_trip_keeps_the_stated_bound(samples, num_levels):
    x = np.array(samples, np.float32)
    y = mu_law_decode(mu_law_encode(x, num_levels), num_levels).numpy()
    mu = num_levels - 1
    largest = np.maximum(np.abs(x), np.abs(y))
    bound = math.log1p(mu) / mu**2 * (1 + mu * largest)
    assert (np.abs(x - y) <= bound * (1 + 1e-4) + 1e-7).all()


def test_what_is_too_loud_is_clipped():
    assert mu_law_encode(tf.constant([-3.0, 7.0])).numpy().tolist() == [0, 255]


@pytest.mark.parametrize("num_levels", [1, 0, -5, 2.0, True])
def test_bad_numbers_of_levels_are_refused(num_levels):
    for function in (mu_law_encode, mu_law_decode):
        with pytest.raises(ConfigError, match=f"num_levels={num_levels}"):
            function(tf.constant([0]), num_levels)
