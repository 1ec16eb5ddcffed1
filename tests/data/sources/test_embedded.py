"""The digits: those of scikit-learn, split once and for all."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

from tfgenai.core.errors import DataError
from tfgenai.data import load_arrays
from tfgenai.data.sources.embedded import Digits


@pytest.fixture(scope="module")
def splits():
    return load_arrays("digits"), load_arrays("digits", split="test")


def test_the_images_are_those_of_scikit_learn(splits):
    original = load_digits()
    rows = [int(name.removeprefix("digits/")) for part in splits for name in part.ids]
    assert sorted(rows) == list(range(1797))
    images = np.concatenate([part.images for part in splits])[..., 0]
    np.testing.assert_array_equal(np.rint(images * (16 / 255)), original.images[rows])
    assert (images.min(), images.max()) == (0, 255)
    labels = np.concatenate([part.labels for part in splits])
    np.testing.assert_array_equal(labels, original.target[rows])


def test_each_digit_has_its_share_of_the_test_split(splits):
    train, test = (np.bincount(part.labels) for part in splits)
    np.testing.assert_allclose(test, (train + test) * 297 / 1797, atol=1)


def test_the_split_does_not_depend_on_the_seed(splits):
    assert load_arrays("digits", split="test", seed=9).ids == splits[1].ids


def test_other_splits_are_refused():
    with pytest.raises(DataError, match="split='validation'"):
        Digits().read("validation")
