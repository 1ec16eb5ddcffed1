"""MixUp and CutMix, against the labels that their pixels have."""

import numpy as np
import pytest
import tensorflow as tf

from tfgenai.core.random import step_seed
from tfgenai.data.augment import CutMix, MixUp

CLASSES = 64


def constant_images(size=(16, 12)):
    """Image `i` has the value `i` everywhere and the label `i`."""
    y = np.arange(CLASSES, dtype=np.int32)
    x = np.ones((CLASSES, *size, 2)) * y[:, None, None, None]
    return tf.constant(x, tf.float32), tf.constant(y)


@pytest.mark.parametrize("mix", [MixUp(CLASSES), CutMix(CLASSES)])
def test_labels_are_the_shares_of_the_pixels(mix):
    x, y = constant_images()
    mixed, shares = (
        np.asarray(part, np.float64) for part in mix(x, y, step_seed(0, 1))
    )
    # The mean of an image is the mean of the classes by their shares.
    np.testing.assert_allclose(
        mixed.mean((1, 2, 3)), shares @ np.arange(CLASSES), rtol=1e-5, atol=1e-4
    )
    np.testing.assert_allclose(shares.sum(1), 1.0, atol=1e-6)
    assert ((shares > 0).sum(1) <= 2).all()
    # Two images mix on average half and half, or less where a box leaves the image.
    own = shares[np.arange(CLASSES), np.arange(CLASSES)]
    assert 0.35 < own.mean() < 0.85


def test_mixup_adds_and_cutmix_cuts():
    x, y = constant_images()
    added = np.asarray(MixUp(CLASSES)(x, y, step_seed(0, 1))[0])
    assert (np.ptp(added, axis=(1, 2, 3)) < 1e-4).all()
    cut = np.asarray(CutMix(CLASSES)(x, y, step_seed(0, 1))[0])
    for i, image in enumerate(cut[..., 0]):
        others = np.argwhere(image != i)
        if len(others):
            box = image[
                slice(others[:, 0].min(), others[:, 0].max() + 1),
                slice(others[:, 1].min(), others[:, 1].max() + 1),
            ]
            assert len(np.unique(box)) == 1


@pytest.mark.parametrize("mix", [MixUp(CLASSES), CutMix(CLASSES)])
def test_the_seed_decides_in_a_graph_too(mix):
    x, y = constant_images()
    graph = tf.function(mix)
    one, two, other = (np.asarray(graph(x, y, step_seed(s, 0))[0]) for s in (0, 0, 1))
    np.testing.assert_array_equal(one, two)
    assert (one != other).any()


def test_two_classes_are_needed():
    for mix in (MixUp, CutMix):
        with pytest.raises(ValueError, match="num_classes=1"):
            mix(1)
