"""Augmentations: what they may do to an image, and that the seed alone decides."""

import numpy as np
import pytest
import tensorflow as tf

from tfgenai.core.random import numpy_generator, step_seed
from tfgenai.data.augment import AUGMENTATIONS, Crop, Flip, Shift


@pytest.fixture
def images() -> np.ndarray:
    return numpy_generator(4).integers(0, 256, (64, 8, 16, 3)).astype(np.uint8)


@pytest.mark.parametrize("name", AUGMENTATIONS.names())
def test_the_seed_alone_decides_and_the_images_differ(name, images):
    augmentation = AUGMENTATIONS.create(name)
    first, again, other = (
        augmentation(tf.constant(images), step_seed(0, step)).numpy()
        for step in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert first.dtype == np.uint8
    assert first.shape == images.shape
    assert (first != other).any(axis=(1, 2, 3)).mean() > 0.3
    same = augmentation(tf.constant(np.repeat(images[:1], 64, 0)), step_seed(0, 1))
    assert len(np.unique(same.numpy().reshape(64, -1), axis=0)) > 1


@pytest.mark.parametrize("name", AUGMENTATIONS.names())
def test_a_graph_of_any_batch_size_gives_the_same(name, images):
    augmentation = AUGMENTATIONS.create(name)

    @tf.function(input_signature=[tf.TensorSpec((None, 8, 16, 3), tf.uint8)])
    def in_graph(batch):
        return augmentation(batch, step_seed(0, 1))

    np.testing.assert_array_equal(
        in_graph(images), augmentation(tf.constant(images), step_seed(0, 1))
    )


def test_flip_mirrors_about_half_and_leaves_the_others(images):
    flipped = Flip()(tf.constant(images), step_seed(0, 0)).numpy()
    is_same = (flipped == images).all(axis=(1, 2, 3))
    is_mirrored = (flipped == images[:, :, ::-1]).all(axis=(1, 2, 3))
    assert (is_same ^ is_mirrored).all()
    assert 16 < is_mirrored.sum() < 48  # binomial: outside with p < 1e-4
    assert Flip.mirrors
    assert not Shift.mirrors
    assert not Crop.mirrors


def shifted(image, dy, dx, fill):
    """The image moved down by dy and right by dx, by plain indexing."""
    result = np.empty_like(image)
    height, width = image.shape[:2]
    for y in range(height):
        for x in range(width):
            inside = 0 <= y - dy < height and 0 <= x - dx < width
            source = image[
                np.clip(y - dy, 0, height - 1), np.clip(x - dx, 0, width - 1)
            ]
            result[y, x] = source if inside or fill is None else fill
    return result


@pytest.mark.parametrize("fill", [None, 7])
def test_shift_moves_by_whole_pixels_within_its_limits(images, fill):
    moved = Shift(0.25, fill=fill)(tf.constant(images[:24]), step_seed(0, 0)).numpy()
    seen = set()
    for image, found in zip(images, moved, strict=False):
        ways = [
            (dy, dx)
            for dy in range(-2, 3)
            for dx in range(-4, 5)
            if (shifted(image, dy, dx, fill) == found).all()
        ]
        assert len(ways) == 1
        seen.update(ways)
    assert len(seen) > 12
    assert {abs(dy) for dy, _ in seen} == {0, 1, 2}
    assert max(abs(dx) for _, dx in seen) == 4


def test_crop_of_everything_changes_nothing(images):
    cropped = Crop(1.0)(tf.constant(images), step_seed(0, 0))
    np.testing.assert_array_equal(cropped, images)


def test_crop_of_a_ramp_is_a_part_of_the_ramp():
    ramp = np.tile(
        np.arange(0, 240, 8, dtype=np.uint8)[None, None, :, None], (32, 4, 1, 1)
    )
    cropped = Crop(0.5)(tf.constant(ramp), step_seed(0, 0)).numpy().astype(int)
    spans = cropped[:, 0, -1, 0] - cropped[:, 0, 0, 0]
    assert (np.diff(cropped[:, 0, :, 0], axis=1) >= 0).all()
    assert (spans >= 232 * 0.5 - 1).all()
    assert (spans <= 232).all()
    assert spans.min() < 232 * 0.65 < 232 * 0.85 < spans.max()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Shift(0.0), "max_shift=0.0"),
        (lambda: Shift(1.0), "max_shift=1.0"),
        (lambda: Shift(fill=256), "fill=256"),
        (lambda: Crop(0.0), "min_scale=0.0"),
        (lambda: Crop(1.5), "min_scale=1.5"),
        (lambda: AUGMENTATIONS.create("flop"), "Did you mean 'flip'"),
    ],
)
def test_numbers_and_names_out_of_range_are_refused(make, words):
    with pytest.raises(ValueError, match=words):
        make()
