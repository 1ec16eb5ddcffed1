"""Colour, noise and cutout: what they change, and by how much at most."""

import numpy as np
import pytest
import tensorflow as tf

from tfgenai.core.random import numpy_generator, step_seed
from tfgenai.data.augment import Color, Cutout, Noise

SEED = step_seed(0, 1)


@pytest.fixture
def images() -> np.ndarray:
    """Values far enough from both ends that nothing is clipped."""
    return numpy_generator(4).integers(90, 160, (64, 8, 10, 3)).astype(np.uint8)


def applied(augmentation, images) -> np.ndarray:
    return augmentation(tf.constant(images), SEED).numpy().astype(float)


def test_brightness_moves_all_pixels_alike(images):
    change = applied(Color(0.2, 0.0, 0.0), images) - images
    by_image = change.reshape(64, -1)
    np.testing.assert_allclose(by_image, by_image[:, :1].repeat(240, 1), atol=1.01)
    moved = by_image.mean(1)
    assert np.abs(moved).max() <= 51.5
    assert moved.min() < -25
    assert moved.max() > 25


def test_contrast_keeps_the_mean_and_scales_the_spread(images):
    found = applied(Color(0.0, 0.3, 0.0), images)
    np.testing.assert_allclose(found.mean((1, 2, 3)), images.mean((1, 2, 3)), atol=0.5)
    ratio = found.std((1, 2, 3)) / images.std((1, 2, 3))
    assert 0.69 < ratio.min() < 0.85
    assert 1.15 < ratio.max() < 1.31


def test_saturation_keeps_the_luma_and_grey_images(images):
    luma = np.array([0.299, 0.587, 0.114])
    found = applied(Color(0.0, 0.0, 0.5), images)
    np.testing.assert_allclose(found @ luma, images @ luma, atol=0.51)
    assert np.abs(found - images).max() > 10
    grey = np.repeat(images[..., :1], 3, axis=-1)
    np.testing.assert_allclose(applied(Color(0.0, 0.0, 0.5), grey), grey, atol=0.5)
    single = images[..., :1]
    np.testing.assert_array_equal(applied(Color(0.0, 0.0, 0.5), single), single)


def test_noise_has_a_strength_of_its_own_for_each_image():
    grey = np.full((200, 20, 20, 1), 128, np.uint8)
    change = applied(Noise(0.1), grey) - 128
    stddev = change.std((1, 2, 3))
    # uniform between 0 and 25.5
    assert stddev.max() < 28
    assert stddev.mean() == pytest.approx(12.75, abs=1.8)
    assert abs(change.mean()) < 0.5


def test_cutout_covers_a_square_and_nothing_else():
    bright = np.full((400, 12, 16, 2), 255, np.uint8)
    found = applied(Cutout(0.34), bright)
    covered = (found == 0).all(-1)
    np.testing.assert_array_equal(found[~covered], 255)
    whole = 0
    for each in covered:
        rows, columns = each.any(1), each.any(0)
        np.testing.assert_array_equal(each, rows[:, None] & columns)
        assert 1 <= rows.sum() <= 4
        assert 1 <= columns.sum() <= 4
        whole += rows.sum() == columns.sum() == 4
    assert 0.4 < whole / 400 < 0.75  # 9 / 12 · 13 / 16 = 0.61 lie inside
    assert covered.any(0).all()


def test_values_that_no_pixel_had_are_told():
    assert not Cutout().mixes_pixels
    assert Cutout(fill=3).mixes_pixels
    assert Color().mixes_pixels
    assert Noise().mixes_pixels


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Color(1.0), "brightness=1.0"),
        (lambda: Color(contrast=-0.1), "contrast=-0.1"),
        (lambda: Color(0, 0, 0), "Leave it out"),
        (lambda: Noise(0), "max_stddev=0"),
        (lambda: Cutout(1.0), "size=1.0"),
        (lambda: Cutout(fill=300), "fill=300"),
    ],
)
def test_bad_numbers_are_refused(make, words):
    with pytest.raises(ValueError, match=words):
        make()
