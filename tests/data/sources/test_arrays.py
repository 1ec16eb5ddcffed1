"""Arrays as a source: batches, labels, and what is refused."""

import numpy as np
import pytest

from tfgenai.core.errors import DataError
from tfgenai.data import ArraySource, load


def test_arrays_come_back_scaled_and_with_their_labels():
    images = np.arange(10 * 4, dtype=np.uint8).reshape(10, 2, 2, 1)
    labels = np.arange(10) % 3
    data = load(ArraySource(images, labels), batch_size=4, shuffle=False)
    x, y = next(iter(data))
    np.testing.assert_allclose(x, images[:4] / 127.5 - 1, atol=1e-6)
    np.testing.assert_array_equal(y, labels[:4])
    assert data.card.name == "arrays"


@pytest.mark.parametrize(
    ("images", "labels", "words"),
    [
        (np.zeros((2, 4, 4), np.uint8), None, r"shape \(2, 4, 4\)"),
        (np.zeros((2, 4, 4, 1)), None, "float64"),
        (np.zeros((0, 4, 4, 1), np.uint8), None, r"\(0, 4, 4, 1\)"),
        (np.zeros((2, 4, 4, 1), np.uint8), np.zeros(3, int), r"shape \(3,\)"),
        (np.zeros((2, 4, 4, 1), np.uint8), np.array([0, -1]), "-1"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(images, labels, words):
    with pytest.raises(DataError, match=words):
        ArraySource(images, labels)
