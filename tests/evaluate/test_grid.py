import numpy as np
import pytest
from PIL import Image

from tfgenai.evaluate.grid import image_grid, save_grid


def test_images_stand_in_rows_on_white() -> None:
    images = np.zeros((3, 2, 2, 1), np.uint8)
    images += np.arange(3, dtype=np.uint8)[:, None, None, None]
    grid = np.asarray(image_grid(images, 2, padding=1))
    w = 255
    expected = [
        [w, w, w, w, w, w, w],
        [w, 0, 0, w, 1, 1, w],
        [w, 0, 0, w, 1, 1, w],
        [w, w, w, w, w, w, w],
        [w, 2, 2, w, w, w, w],
        [w, 2, 2, w, w, w, w],
        [w, w, w, w, w, w, w],
    ]
    np.testing.assert_array_equal(grid, expected)


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (3, "RGB"), (4, "RGBA")])
def test_modes_and_scale(channels: int, mode: str) -> None:
    grid = image_grid(np.zeros((5, 4, 6, channels)), scale=3, padding=0)
    assert (grid.mode, grid.size) == (mode, (3 * 18, 2 * 12))
    assert set(np.asarray(grid)[:12, :18].ravel()) == {128}


def test_file_holds_the_grid(tmp_path) -> None:
    path = tmp_path / "new" / "grid.png"
    save_grid(path, np.full((4, 3, 3, 3), 7, np.uint8), padding=0)
    with Image.open(path) as picture:
        assert (picture.size, picture.getpixel((0, 0))) == ((6, 6), (7, 7, 7))
    assert [entry.name for entry in path.parent.iterdir()] == ["grid.png"]


def test_bad_arguments_are_refused_before_a_file_is_touched(tmp_path) -> None:
    images = np.zeros((2, 3, 3, 1), np.uint8)
    with pytest.raises(ValueError, match="num_columns=0"):
        image_grid(images, 0)
    with pytest.raises(ValueError, match="1, 3 or 4 channels"):
        image_grid(np.zeros((2, 3, 3, 2), np.uint8))
    with pytest.raises(ValueError, match=r"Use '\.png'"):
        save_grid(tmp_path / "a" / "grid.nothing", images)
    assert not list(tmp_path.iterdir())
