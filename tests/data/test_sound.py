"""Loading of sound by `load` and its card, from folders and tones."""

import numpy as np
import pytest
import soundfile

from tfgenai.core.errors import DataError
from tfgenai.data import DatasetCard, SoundDataset, describe, load
from tfgenai.data.augment import SpecAugment
from tfgenai.data.sources.plucked_strings import PluckedStrings


@pytest.fixture
def folder(tmp_path):
    """20 tones of two classes, 0.1 s to 0.3 s long, as a folder."""
    for i in range(20):
        path = tmp_path / "sounds" / "ab"[i % 2] / f"{i}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        tone = np.sin(np.arange(800 + 80 * i) * (0.1 + i / 100)) / 2
        soundfile.write(path, tone, 8000)
    return tmp_path / "sounds"


def tones(**options):
    return PluckedStrings(num_train=48, num_test=24, num_samples=500, **options)


def test_a_folder_becomes_batches(folder):
    train, test = load(folder, split=("train", "test"), num_samples=1000, batch_size=4)
    assert isinstance(train, SoundDataset)
    x, y = next(iter(train))
    assert x.shape == (4, 1000, 1)
    assert set(y.numpy()) <= {0, 1}
    assert (train.num_examples, test.num_examples) == (18, 2)
    assert train.steps_per_epoch == 4  # the rest of training data is left out
    assert test.steps_per_epoch == 1
    assert train.card.splits["train"].label_histogram == [9, 9]
    np.testing.assert_array_equal(next(iter(test))[0], next(iter(test))[0])


def test_slices_are_disjoint_and_leave_nothing_out():
    source = tones()
    parts = load(source, split=("train[:75%]", "train[75%:]"), batch_size=6)
    assert [part.num_examples for part in parts] == [36, 12]
    rows = np.concatenate(
        [x.numpy() for part in parts for x, _ in part.for_epochs(0, 1)]
    )
    whole = source.read("train").samples.reshape(48, 500)
    found = {row.tobytes() for row in rows[..., 0]}
    assert found == {row.tobytes() for row in whole}


def test_only_training_data_are_shuffled_moved_and_augmented():
    options = {"num_samples": 100, "batch_size": 12}
    names = ("train", "test")
    plain = load(tones(), split=names, **options)
    train, test = load(tones(), split=names, augment=["gain"], **options)
    assert not np.array_equal(next(iter(train))[0], next(iter(plain[0]))[0])
    first = next(iter(test))[0].numpy()
    np.testing.assert_array_equal(first, next(iter(plain[1]))[0])
    np.testing.assert_array_equal(first, next(iter(test))[0])
    whole = tones().read("test").samples.reshape(24, 500)
    np.testing.assert_array_equal(first[..., 0], whole[:12, 200:300])
    fixed = load(tones(), shuffle=False, **options)
    np.testing.assert_array_equal(next(iter(fixed))[0], next(iter(fixed))[0])


def test_a_rate_is_brought_about_and_stands_on_the_card():
    made = load(tones(), sample_rate=4000, channels=2, batch_size=2)
    assert made.element_spec[0].shape == (2, 250, 2)
    assert made.sample_rate == 4000
    card = made.card
    assert (card.sample_rate, card.channels) == (4000, 2)
    assert card.splits["train"].num_seconds == 48 * 250 / 4000
    assert "sound, 4000 Hz stereo" in str(card)
    assert "  3.0 seconds" in str(card)
    assert DatasetCard.from_json(card.to_json()) == card
    assert "sample_rate=4000, channels=2" in card.reproduce


def test_a_card_describes_all_splits(folder):
    card = describe(folder)
    assert {name: split.num_examples for name, split in card.splits.items()} == {
        "train": 18,
        "test": 2,
    }
    assert card.class_names == ["a", "b"]
    assert card.sample_rate == 8000
    total = sum(split.num_seconds for split in card.splits.values())
    assert total == pytest.approx(sum(0.1 + i / 100 for i in range(20)))
    assert describe(folder, sample_rate=4000).sample_rate == 4000
    with pytest.raises(DataError, match="No image_size"):
        describe(folder, image_size=8)
    with pytest.raises(DataError, match="No sample_rate"):
        describe("pydoc_topics", sample_rate=8000)


def test_above_the_memory_limit_batches_are_the_same(folder):
    options = {"num_samples": 900, "batch_size": 6, "sample_rate": 11025}
    kept = load(folder, **options)
    fetched = load(folder, memory_limit=1000, **options)
    for (x, y), (u, v) in zip(
        kept.for_epochs(0, 2), fetched.for_epochs(0, 2), strict=True
    ):
        np.testing.assert_array_equal(x, u)
        np.testing.assert_array_equal(y, v)
    assert kept.card == fetched.card


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"batch_size": 0}, ValueError, "batch_size=0"),
        ({"batch_size": 2.5}, TypeError, r"batch_size=2\.5"),
        ({"sample_rate": 0}, ValueError, "sample_rate=0"),
        ({"num_samples": True}, TypeError, "num_samples=True"),
        ({"channels": -1}, ValueError, "channels=-1"),
        ({"split": ()}, DataError, "One split or more"),
        ({"split": 3}, TypeError, "split=3"),
        ({"split": "valid"}, DataError, "split='valid'"),
        ({"augment": ["flip"]}, ValueError, "'flip'"),
        ({"augment": [3]}, TypeError, "SoundAugmentation"),
        ({"augment": ["spec_augment"]}, DataError, "MelSpectrogram"),
        ({"augment": SpecAugment()}, DataError, "MelSpectrogram"),
        ({"augment": "gain", "channels": 2}, DataError, "one channel"),
        ({"augment": "gain", "split": "test"}, DataError, "Training data"),
        ({"batch_size": 100, "drop_remainder": True}, DataError, "one batch"),
        ({"image_size": 8}, DataError, "No image_size was expected with sound"),
        ({"binarize": "static"}, DataError, "No binarize was expected with sound"),
    ],
)
def test_bad_arguments_are_refused(options, error, words):
    with pytest.raises(error, match=words):
        load(tones(), **options)


def test_sounds_of_many_lengths_need_one(folder):
    with pytest.raises(DataError, match=r"from 800 to 2320 samples.*num_samples=2320"):
        load(folder)


def test_arguments_of_sound_are_refused_with_other_data():
    with pytest.raises(DataError, match="No num_samples was expected with text"):
        load("pydoc_topics", num_samples=3)
    with pytest.raises(DataError, match="sound"):
        load("digits", sample_rate=8000)
    with pytest.raises(DataError, match="set of text"):
        load("plucked_strings", sequence_length=8)
