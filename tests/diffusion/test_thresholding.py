"""Thresholding: what is clipped, and by how much."""

import numpy as np
import pytest
import tensorflow as tf

from tfgenai.core import random
from tfgenai.diffusion.thresholding import threshold


@pytest.fixture
def x0():
    generator = random.numpy_generator(0)
    scale = np.array([0.2, 1.0, 4.0])[:, None, None, None]
    return np.float32(scale * generator.normal(size=(3, 20, 20, 1)))


def test_static_clips(x0):
    np.testing.assert_array_equal(
        threshold(tf.constant(x0), "static"), np.clip(x0, -1, 1)
    )


def test_none_leaves_everything(x0):
    np.testing.assert_array_equal(threshold(tf.constant(x0), "none"), x0)


def test_dynamic_divides_each_row_by_its_quantile(x0):
    # Saharia et al. 2022, figure A.10: s = max(percentile(|x|, 99.5), 1).
    out = threshold(tf.constant(x0), "dynamic").numpy()
    for row, values in zip(out, x0, strict=True):
        s = max(np.quantile(np.abs(values), 0.995, method="higher"), 1.0)
        np.testing.assert_allclose(row, np.clip(values, -s, s) / s, rtol=1e-5)
    assert np.abs(out).max() <= 1
    np.testing.assert_array_equal(out[0], x0[0])  # within the range: as it was
    assert np.mean(np.abs(out[2]) == 1) < 0.01  # static clipping would hold 80 %
