"""Previews: a grid with the images themselves first."""

import numpy as np
import pytest
from PIL import Image

from tfgenai.core.errors import DataError
from tfgenai.core.numpy_random import numpy_generator
from tfgenai.data.augment import Flip, preview


@pytest.mark.parametrize("channels", [1, 3])
def test_rows_are_images_and_columns_changes(tmp_path, channels):
    shape = (3, 70, 80, channels)
    images = numpy_generator(0).integers(0, 256, shape).astype(np.uint8)
    path = preview(images, [Flip(), "noise"], tmp_path / "grid.png")
    with Image.open(path) as picture:
        grid = np.asarray(picture).reshape(3 * 74, 3 * 84, channels)
    for row in range(3):
        cells = grid[row * 74 + 2 : row * 74 + 72].reshape(70, 3, 84, channels)
        cells = cells[:, :, 2:82]
        np.testing.assert_array_equal(cells[:, 0], images[row])
        flipped = np.array_equal(cells[:, 1], images[row][:, ::-1])
        assert flipped or np.array_equal(cells[:, 1], images[row])
        assert (cells[:, 2] != images[row]).any()


def test_small_images_are_shown_larger_and_others_refused(tmp_path):
    path = preview(np.zeros((1, 8, 8, 1), np.uint8), [], tmp_path / "grid.png")
    with Image.open(path) as picture:
        assert picture.size == (68, 68)
    for wrong in (np.zeros((1, 8, 8, 1)), np.zeros((1, 8, 8, 2), np.uint8), [1]):
        with pytest.raises(DataError, match="1 or 3"):
            preview(wrong, [], tmp_path / "other.png")
    assert not (tmp_path / "other.png").exists()
