"""Checks that reach further than the model's own tests of bad input."""

import numpy as np
import pytest

from tfgenai.vae.checks import check_image, check_latents


def test_whole_numbers_become_float32():
    assert check_latents([[0, 1]], 2).dtype == np.float32


def test_one_image_becomes_a_batch_of_one():
    assert check_image(np.zeros((4, 4, 1)), (4, 4, 1)).shape == (1, 4, 4, 1)
    with pytest.raises(ValueError, match=r"x\[0\]"):
        check_image(np.zeros((1, 4, 4, 1)), (4, 4, 1))
