"""Turning and scaling, against SciPy and plain sums."""

import numpy as np
import pytest
import tensorflow as tf
from scipy import ndimage

from tfgenai.core import random
from tfgenai.core.random import numpy_generator, step_seed
from tfgenai.data.augment import Rotate, Scale

SEED = step_seed(0, 1)


@pytest.fixture
def images() -> np.ndarray:
    noise = numpy_generator(4).uniform(0, 255, (6, 9, 13, 1))
    return ndimage.gaussian_filter(noise, (0, 2, 2, 0)).round().astype(np.uint8)


def by_scipy(image, matrix, **options):
    """An affine map about the middle, with y before x as SciPy has it."""
    middle = (np.array(image.shape[:2]) - 1) / 2
    offset = middle - matrix @ middle
    return ndimage.affine_transform(
        image[..., 0].astype(float), matrix, offset, order=1, **options
    )


def test_turning_is_that_of_scipy(images):
    angles = random.uniform(SEED, (6,), -np.pi / 6, np.pi / 6).numpy()
    found = Rotate(30.0)(tf.constant(images), SEED).numpy()
    for image, turned, angle in zip(images, found, angles, strict=True):
        c, s = np.cos(angle), np.sin(angle)
        expected = by_scipy(image, np.array([[c, s], [-s, c]]), mode="nearest")
        # At the edge both differ in what they interpolate with.
        np.testing.assert_allclose(
            turned[2:-2, 4:-4, 0], expected[2:-2, 4:-4], atol=1.0
        )
    assert np.abs(angles).min() > 1e-3


def test_scaling_is_that_of_scipy(images):
    inverse = np.exp(random.uniform(SEED, (6,), -np.log(1.5), np.log(1.5)).numpy())
    found = Scale(1.5)(tf.constant(images), SEED).numpy()
    for image, scaled, factor in zip(images, found, inverse, strict=True):
        expected = by_scipy(image, factor * np.eye(2), mode="nearest")
        np.testing.assert_allclose(scaled[..., 0], expected, atol=1.0)
    assert inverse.min() < 0.95
    assert inverse.max() > 1.05


@pytest.mark.parametrize("augmentation", [Rotate(40.0, fill=7), Scale(3.0, fill=7)])
def test_what_comes_in_has_the_chosen_value(augmentation):
    bright = np.full((40, 9, 9, 1), 200, np.uint8)
    found = augmentation(tf.constant(bright), SEED).numpy()
    assert found.min() == 7
    np.testing.assert_array_equal(found[:, 4, 4], 200)


def test_without_a_value_the_edge_goes_on():
    even = np.full((5, 8, 8, 3), 90, np.uint8)
    for augmentation in (Rotate(45.0), Scale(4.0)):
        np.testing.assert_array_equal(augmentation(tf.constant(even), SEED), even)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Rotate(46.0), "max_degrees=46.0"),
        (lambda: Rotate(0), "max_degrees=0"),
        (lambda: Rotate(fill=256), "fill=256"),
        (lambda: Scale(1.0), "max_factor=1.0"),
        (lambda: Scale(float("inf")), "max_factor=inf"),
        (lambda: Scale(fill=-1), "fill=-1"),
    ],
)
def test_bad_numbers_are_refused(make, words):
    with pytest.raises(ValueError, match=words):
        make()
