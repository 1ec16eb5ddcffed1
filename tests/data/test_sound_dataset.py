"""Batches of sound: cut, filled up, augmented; epochs are functions of the seed."""

import numpy as np
import pytest
import tensorflow as tf

from tfgenai.data import DatasetCard
from tfgenai.data.augment import Gain
from tfgenai.data.raw.example import Sound
from tfgenai.data.sound_dataset import SoundDataset, SoundPlan
from tfgenai.data.sources.sound_records import SoundRecords

_CARD = DatasetCard("a", "b", "c", "", "", None, {}, sample_rate=8000, channels=1)
_LENGTHS = [3, 10, 6, 25, 6, 1, 40]


def ramps(channels=1):
    """Sound i is i + 1, i + 1 + 0.001, ... in thousandths, so that each place shows."""
    return [
        Sound(
            np.repeat((i + 1 + np.arange(n)[:, None] / 1000) / 100, channels, 1).astype(
                np.float32
            ),
            8000,
        )
        for i, n in enumerate(_LENGTHS)
    ]


def dataset(*, fetched=False, channels=1, labels=True, **options):
    sounds = ramps(channels)
    records = SoundRecords.of(
        sounds,
        np.arange(len(sounds), dtype=np.int32) if labels else None,
        [str(i) for i in range(len(sounds))],
        total=sum(_LENGTHS),
        fetch=(lambda i: sounds[i].samples) if fetched else None,
    )
    settings = {
        "rows": np.arange(len(sounds)),
        "num_samples": 6,
        "batch_size": 3,
        "shuffle": False,
        "moves": False,
        "drop_remainder": False,
        "augment": (),
        "seed": 0,
    }
    return SoundDataset(SoundPlan(records=records, **{**settings, **options}), _CARD)


def joined(batches):
    xs, ys = zip(*batches, strict=True)
    return np.concatenate(xs), np.concatenate(ys)


def expected(number, start, channels=1):
    samples = ramps(channels)[number].samples[start : start + 6]
    return np.pad(samples, [(0, 6 - len(samples)), (0, 0)])


@pytest.mark.parametrize("fetched", [False, True])
@pytest.mark.parametrize("channels", [1, 2])
def test_the_middle_is_taken_and_zeros_come_at_the_end(fetched, channels):
    made = dataset(fetched=fetched, channels=channels)
    x, y = joined(made)
    assert x.dtype == np.float32
    assert y.tolist() == list(range(7))
    for number, length in enumerate(_LENGTHS):
        start = max(0, length - 6) // 2
        np.testing.assert_array_equal(x[number], expected(number, start, channels))
    assert (made.num_examples, made.steps_per_epoch) == (7, 3)
    assert (made.num_samples, made.sample_rate) == (6, 8000)
    assert made.element_spec[0].shape[1:] == (6, channels)


@pytest.mark.parametrize("fetched", [False, True])
def test_training_takes_any_place_equally_often(fetched):
    """Sound 3 has 20 places; in 300 epochs each is taken about 15 times."""
    made = dataset(fetched=fetched, moves=True, rows=np.array([3, 0]), batch_size=2)
    x, _ = joined(made.for_epochs(0, 300))
    starts = np.rint((x[::2, 0, 0] * 100 - 4) * 1000).astype(int)
    for row, start in zip(x[::2], starts, strict=True):
        np.testing.assert_array_equal(row, expected(3, start))
    counts = np.bincount(starts, minlength=20)
    assert len(counts) == 20
    assert counts.all()
    # Chi-squared with 19 degrees of freedom passes 43.8 once in a thousand.
    assert np.sum((counts - 15.0) ** 2 / 15.0) < 43.8
    for row in x[1::2]:  # shorter than the window: there is nothing to choose
        np.testing.assert_array_equal(row, expected(0, 0))


def test_epochs_are_functions_of_seed_and_number():
    options = {"moves": True, "shuffle": True, "augment": (Gain(),)}
    first = dataset(**options)
    epochs = [joined(first) for _ in range(3)]
    x, y = joined(dataset(**options).for_epochs(2, 3))
    np.testing.assert_array_equal(x, epochs[2][0])
    np.testing.assert_array_equal(y, epochs[2][1])
    assert not np.array_equal(epochs[0][1], epochs[1][1])
    other, _ = joined(dataset(**options, seed=1).for_epochs(2, 3))
    assert not np.array_equal(other, x)


def test_what_is_fetched_is_what_is_in_memory():
    options = {"moves": True, "shuffle": True, "augment": (Gain(),)}
    kept = joined(dataset(**options).for_epochs(1, 3))
    fetched = joined(dataset(fetched=True, **options).for_epochs(1, 3))
    np.testing.assert_array_equal(kept[0], fetched[0])
    np.testing.assert_array_equal(kept[1], fetched[1])


def test_augmentations_are_applied_in_their_order():
    class Add:
        def __init__(self, value):
            self.value = value

        def __call__(self, sounds, seed):
            return 2.0 * sounds + self.value

    x, _ = joined(dataset(augment=(Add(1.0), Add(3.0))))
    plain, _ = joined(dataset())
    np.testing.assert_allclose(x, 2 * (2 * plain + 1) + 3, rtol=1e-6)


def test_epochs_are_alike_where_nothing_is_drawn():
    rows = np.array([0, 2, 4])  # none is longer than the window
    records = dataset()._pipeline._plan.records
    settings = (records, rows, 6, 3, False, True, False, (), 0)
    assert SoundPlan(*settings).is_constant
    assert not SoundPlan(records, np.array([3]), *settings[2:]).is_constant


def test_without_labels_there_is_x_alone():
    made = dataset(labels=False, drop_remainder=True)
    batches = list(made)
    assert len(batches) == made.steps_per_epoch == 2
    assert isinstance(batches[0], tf.Tensor)
