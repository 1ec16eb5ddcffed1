import numpy as np
import pytest
from PIL import Image

from tfgenai.core.random import numpy_generator
from tfgenai.evaluate.pixels import resize, to_uint8


def test_floats_are_rounded_to_the_nearest_level() -> None:
    levels = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
    floats = levels.astype(np.float32) / 127.5 - 1
    np.testing.assert_array_equal(to_uint8(floats), levels)
    np.testing.assert_array_equal(to_uint8(floats + 0.4 / 127.5), levels)
    assert to_uint8(levels) is levels


def test_small_overshoot_is_clipped() -> None:
    images = np.array([-1.2, 1.2]).reshape(1, 1, 2, 1)
    assert to_uint8(images).ravel().tolist() == [0, 255]


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((3, 8, 8)), r"shape=\(3, 8, 8\)"),
        (np.zeros((0, 8, 8, 1)), r"shape=\(0, 8, 8, 1\)"),
        (np.zeros((1, 8, 8, 1), np.int64), "dtype=int64"),
        (np.full((2, 2, 2, 1), 200.0), r"\[200, 200\]"),
        (np.stack([np.zeros((2, 2, 1)), np.full((2, 2, 1), np.nan)]), r"images\[1\]"),
    ],
)
def test_what_is_not_an_image_is_refused(images, message) -> None:
    with pytest.raises(ValueError, match=message):
        to_uint8(images)


def test_resize_of_a_checkerboard_equals_pillows_within_one_level() -> None:
    board = (np.indices((64, 64)).sum(axis=0) % 2 * 255).astype(np.uint8)
    expected = Image.fromarray(board).resize((32, 32), Image.Resampling.BICUBIC)
    found = resize(board[None, :, :, None], (32, 32))[0, :, :, 0]
    assert np.abs(found.astype(int) - np.asarray(expected, int)).max() <= 1


@pytest.mark.parametrize("size", [(32, 32), (20, 50), (90, 100)])
def test_resize_of_noise_equals_pillows_in_floats(size: tuple[int, int]) -> None:
    # In floats, because Pillow rounds twice, after each axis, in uint8.
    noise = numpy_generator(0).integers(0, 256, (64, 64)).astype(np.uint8)
    exact = Image.fromarray(noise.astype(np.float32)).resize(
        size[::-1], Image.Resampling.BICUBIC
    )
    expected = np.clip(np.rint(np.asarray(exact)), 0, 255)
    found = resize(noise[None, :, :, None], size)[0, :, :, 0]
    assert np.abs(found - expected).max() <= 1


def test_resize_to_the_same_size_changes_nothing() -> None:
    images = numpy_generator(0).integers(0, 256, (2, 5, 7, 3)).astype(np.uint8)
    assert resize(images, (5, 7)) is images
