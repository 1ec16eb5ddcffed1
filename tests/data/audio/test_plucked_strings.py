"""Plucked strings have the pitch that they are labelled with."""

import numpy as np
import pytest

from tfgenai.core.errors import ConfigError
from tfgenai.data.audio import plucked_strings
from tfgenai.data.audio.plucked_strings import frequency_of


def fundamental(tone, sample_rate, near):
    """The strongest frequency within a third of `near`, to a fraction of a cent."""
    padded = np.abs(np.fft.rfft(tone * np.hanning(len(tone)), 2**20))
    frequencies = np.fft.rfftfreq(2**20, 1 / sample_rate)
    window = (frequencies > near / 1.3) & (frequencies < near * 1.3)
    return frequencies[window][padded[window].argmax()]


@pytest.mark.parametrize("sample_rate", [8000, 22050])
def test_every_tone_has_its_pitch(sample_rate):
    pitches = [45, 52, 60, 69, 76]
    samples, labels = plucked_strings(
        10, pitches=pitches, num_samples=2 * sample_rate, sample_rate=sample_rate
    )
    assert labels.tolist() == [0, 1, 2, 3, 4] * 2
    for tone, label in zip(samples, labels, strict=True):
        expected = frequency_of(pitches[label])
        cents = 1200 * np.log2(fundamental(tone, sample_rate, expected) / expected)
        assert abs(cents) < 3


def test_tones_die_away_and_do_not_clip():
    samples, _ = plucked_strings(24)
    assert samples.dtype == np.float32
    np.testing.assert_allclose(np.abs(samples).max(1), 0.9, rtol=1e-6)
    loudness = np.sqrt(np.square(samples.reshape(24, 4, -1)).mean(-1))
    assert (np.diff(loudness, axis=1) < 0).all()


def test_an_example_depends_on_the_seed_and_its_place():
    few, many, other = (
        plucked_strings(n, num_samples=50, seed=seed)[0]
        for n, seed in ((2, 1), (30, 1), (30, 2))
    )
    np.testing.assert_array_equal(few, many[:2])
    assert np.abs(many - other).max(1).min() > 0.1
    assert np.abs(many[0] - many[24]).max() > 0.1  # the same pitch


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"num_samples": 0}, "num_samples=0"),
        ({"sample_rate": 8000.0}, "sample_rate=8000.0"),
        ({"decay": 1.1}, "decay=1.1"),
        ({"pitches": ()}, r"pitches=\(\)"),
        ({"pitches": [120]}, "120, 8372 Hz at sample_rate=8000"),
    ],
)
def test_bad_numbers_are_refused(options, words):
    with pytest.raises(ConfigError, match=words):
        plucked_strings(1, **options)
