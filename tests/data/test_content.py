"""Hashes and sums of images, held against hashlib and NumPy."""

import hashlib

import numpy as np
import pytest

from tfgenai.core.random import numpy_generator
from tfgenai.data import example_hashes
from tfgenai.data.content import Content


@pytest.fixture
def images() -> np.ndarray:
    return numpy_generator(1).integers(0, 256, (9, 5, 4, 3)).astype(np.uint8)


def test_a_hash_is_sha256_of_shape_and_pixels(images):
    expected = hashlib.sha256(b"5x4x3" + images[2].tobytes()).hexdigest()
    assert example_hashes(images)[2] == expected


def test_equal_images_have_equal_hashes_and_others_do_not(images):
    changed = images.copy()
    changed[4, 0, 0, 0] ^= 1
    same = [
        a == b for a, b in zip(*map(example_hashes, (images, changed)), strict=True)
    ]
    assert same == [i != 4 for i in range(9)]
    turned = images.reshape(9, 4, 5, 3)
    assert not set(example_hashes(images)) & set(example_hashes(turned))


def test_images_that_do_not_lie_row_by_row_hash_alike(images):
    assert example_hashes(images[::2]) == example_hashes(images)[::2]
    assert example_hashes(np.asfortranarray(images)) == example_hashes(images)


def test_floats_are_refused(images):
    with pytest.raises(ValueError, match="uint8 images"):
        example_hashes(images / 255)


def test_a_card_has_the_moments_of_numpy(images):
    rows = np.array([0, 3, 8])
    labels = np.arange(9, dtype=np.int32) % 2
    card = Content.of(images).card(rows, labels, num_pixels=60, num_classes=3)
    assert card.num_examples == 3
    assert card.mean == pytest.approx(images[rows].mean() / 255, abs=1e-6)
    assert card.std == pytest.approx(images[rows].std() / 255, abs=1e-6)
    assert card.label_histogram == [2, 1, 0]
    assert card.num_duplicates == 0


def test_a_card_counts_copies_and_its_hash_sees_order_and_labels(images):
    images[5] = images[2]
    content = Content.of(images)

    def card(rows, labels=None):
        return content.card(np.array(rows), labels, num_pixels=60, num_classes=None)

    assert card([2, 5, 7]).num_duplicates == 1
    assert card([2, 7]).sha256 == card([5, 7]).sha256
    assert card([2, 7]).sha256 != card([7, 2]).sha256
    assert card([2, 7]).sha256 != card([2, 7], np.zeros(9, np.int32)).sha256


def test_parts_join_to_the_whole(images):
    whole = Content.of(images)
    joined = Content.join([Content.of(images[:4]), Content.of(images[4:])])
    np.testing.assert_array_equal(whole.digests, joined.digests)
    np.testing.assert_array_equal(whole.sums, joined.sums)
    np.testing.assert_array_equal(whole.square_sums, joined.square_sums)


def test_groups_are_equal_for_copies_alone(images):
    images[8] = images[0]
    groups = Content.of(images).groups()
    assert groups[8] == groups[0]
    assert len(set(groups)) == 8
