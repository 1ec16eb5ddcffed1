"""Plucked strings for training: pitches in equal parts, splits apart."""

import numpy as np
import pytest

from tfgenai.core.errors import ConfigError, DataError
from tfgenai.data.raw.plucked_strings import RawPluckedStrings
from tfgenai.data.sources.plucked_strings import PluckedStrings


def test_splits_are_stretches_of_the_raw_tones():
    source = PluckedStrings(num_train=48, num_test=24, num_samples=300)
    raw = RawPluckedStrings(num_examples=72, num_samples=300)
    tones = [e for chunk in raw.chunks() for e in raw.read(chunk)]
    expected = np.concatenate([tone.content.samples for tone in tones])
    train, test = source.read("train"), source.read("test")
    np.testing.assert_array_equal(
        np.concatenate([train.samples, test.samples]), expected
    )
    assert train.ids + test.ids == [tone.id for tone in tones]
    names = [source.class_names[i] for i in [*train.labels, *test.labels]]
    assert names == [tone.label for tone in tones]
    assert np.bincount(train.labels).tolist() == [2] * 24


def test_another_rate_and_two_channels():
    records = PluckedStrings(num_train=2, num_samples=800).read(
        "train", sample_rate=16000, channels=2
    )
    assert (records.sample_rate, records.channels) == (16000, 2)
    assert records.lengths.tolist() == [1600, 1600]


def test_arguments_are_checked():
    with pytest.raises(ConfigError, match="num_test=0"):
        PluckedStrings(num_test=0)
    with pytest.raises(DataError, match="split='all'"):
        PluckedStrings().read("all")
