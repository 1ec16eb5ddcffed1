"""Augmentations of sound: what they change, by how much, and from the seed alone."""

import numpy as np
import pytest
import tensorflow as tf

from tfgenai.core.random import numpy_generator, step_seed
from tfgenai.data.augment.sound import (
    SOUND_AUGMENTATIONS,
    Background,
    Gain,
    SpecAugment,
    TimeShift,
)

SEED = step_seed(0, 1)


@pytest.fixture
def sounds() -> np.ndarray:
    return numpy_generator(4).uniform(-0.4, 0.4, (100, 500)).astype(np.float32)


@pytest.mark.parametrize("name", SOUND_AUGMENTATIONS.names())
def test_the_seed_alone_decides_in_graphs_of_any_size(name, sounds):
    augmentation = SOUND_AUGMENTATIONS.create(name)
    if name == "spec_augment":
        sounds = sounds.reshape(100, 25, 20)
    specs = tf.TensorSpec([None] * sounds.ndim), tf.TensorSpec((2,), tf.int32)
    in_graph = tf.function(augmentation, input_signature=specs)
    found, other = (augmentation(sounds, step_seed(0, step)) for step in (1, 2))
    np.testing.assert_allclose(in_graph(sounds, SEED), found, atol=1e-6)
    assert found.shape == sounds.shape
    changed = np.asarray(found != other).reshape(100, -1).any(1)
    assert changed.mean() > 0.8
    alike = augmentation(np.repeat(sounds[:1], 100, 0), SEED).numpy().reshape(100, -1)
    assert len(np.unique(alike, axis=0)) > 20


def test_sounds_begin_earlier_or_later(sounds):
    found = TimeShift(0.1)(sounds, SEED).numpy()
    shifts = []
    for sound, moved in zip(sounds, found, strict=True):
        padded = np.pad(sound, 50)
        (shift,) = (
            s for s in range(-50, 51) if (padded[50 - s : 550 - s] == moved).all()
        )
        shifts.append(shift)
    assert min(shifts) < -35
    assert max(shifts) > 35


def test_gain_is_within_its_limits_and_does_not_clip(sounds):
    ratio = Gain(6.0)(sounds, SEED).numpy() / sounds
    np.testing.assert_allclose(ratio, ratio[:, :1].repeat(500, 1), rtol=1e-5)
    decibels = 20 * np.log10(ratio[:, 0])
    assert -6.001 < decibels.min() < -5
    assert 5 < decibels.max() < 6.001
    loud = Gain(20.0)(2 * sounds, SEED).numpy()
    assert np.abs(loud).max() == pytest.approx(1.0, abs=1e-6)
    silence = np.zeros((3, 10), np.float32)
    np.testing.assert_array_equal(Gain()(silence, SEED), silence)


def test_noise_has_the_distance_that_is_asked_for(sounds):
    noise = Background(20.0, 20.0)(sounds, SEED).numpy() - sounds
    ratio = 10 * np.log10(np.square(sounds).mean(1) / np.square(noise).mean(1))
    assert ratio.mean() == pytest.approx(20.0, abs=0.1)
    assert np.abs(ratio - 20).max() < 1.5  # of 500 samples


def test_masks_are_stretches_of_the_mean():
    x = numpy_generator(1).normal(size=(300, 40, 30)).astype(np.float32)
    found = SpecAugment(0.25, 0.2, num_masks=1)(x, SEED).numpy()
    covered = found != x
    mean = x.mean((1, 2), keepdims=True)
    np.testing.assert_allclose(
        found[covered], np.broadcast_to(mean, x.shape)[covered], atol=1e-5
    )
    widest = [0, 0]
    for each in covered:
        for axis, most in ((1, 10), (0, 6)):
            lines = np.flatnonzero(each.all(axis))
            assert len(lines) <= most
            assert not len(lines) or np.ptp(lines) == len(lines) - 1
            widest[1 - axis] = max(widest[1 - axis], len(lines))
        both = each.all(1)[:, None] | each.all(0)[None]
        np.testing.assert_array_equal(each, both)
    assert widest == [10, 6]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: TimeShift(0), "max_shift=0"),
        (lambda: Gain(-1), "max_decibels=-1"),
        (lambda: Background(3.0, 2.0), "min_snr=3.0, max_snr=2.0"),
        (lambda: SpecAugment(max_frames=1.0), "max_frames=1.0"),
        (lambda: SpecAugment(num_masks=0), "num_masks=0"),
        (lambda: SpecAugment(num_masks=1.5), "num_masks=1.5"),
    ],
)
def test_bad_numbers_are_refused(make, words):
    with pytest.raises(ValueError, match=words):
        make()
