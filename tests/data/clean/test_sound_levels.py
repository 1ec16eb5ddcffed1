"""Trimming and loudness against closed forms of sines."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfgenai.core.numpy_random import numpy_generator
from tfgenai.data.clean.sound_levels import Loudness, Trim, loudness_of
from tfgenai.data.raw.example import Example, Sound

_RATE = 8000


def example(samples, rate=_RATE):
    samples = np.asarray(samples, np.float32)
    return Example("a", Sound(samples.reshape(len(samples), -1), rate))


def sine(amplitude, frequency=997.0, rate=_RATE, seconds=1.0):
    return amplitude * np.sin(
        2 * np.pi * frequency * np.arange(int(rate * seconds)) / rate
    )


def test_silent_ends_are_cut_off():
    before, behind = np.zeros(2000), np.zeros(1200)
    found = example(np.concatenate([before, sine(0.5), behind]))
    rule = Trim(keep_seconds=0.05)
    assert rule.check(found) == (
        "0.20 s of silence too much at the beginning and 0.10 s at the end"
    )
    mended = rule.repair(found)
    assert rule.check(mended) is None
    assert len(mended.content.samples) == 8000 + 2 * 400
    np.testing.assert_array_equal(
        mended.content.samples[:, 0], found.content.samples[1600:-800, 0]
    )


def test_noise_below_the_threshold_is_silence_and_above_it_is_not():
    noise = numpy_generator(0).standard_normal(4000)
    for level, is_silent in ((1e-4, True), (0.05, False)):
        found = example(np.concatenate([level * noise, sine(0.5)]))
        assert (Trim().check(found) is not None) == is_silent


def test_silence_throughout_is_left_alone():
    assert Trim().check(example(np.zeros(8000))) is None


@given(
    before=st.integers(0, 4000),
    length=st.integers(1, 3000),
    behind=st.integers(0, 4000),
    keep=st.sampled_from([0.0, 0.015, 0.05]),
    rate=st.sampled_from([8000, 11025]),
)
def test_trimmed_sound_needs_no_trimming_and_has_lost_no_sound(
    before, length, behind, keep, rate
):
    samples = np.concatenate([np.zeros(before), np.full(length, 0.5), np.zeros(behind)])
    rule = Trim(keep_seconds=keep)
    found = example(samples, rate)
    mended = rule.repair(found) if rule.check(found) else found
    assert rule.check(mended) is None
    assert np.count_nonzero(mended.content.samples) == length
    most = 2 * (keep + 0.02) * rate + length + 2
    assert len(mended.content.samples) <= max(most, length)


@pytest.mark.parametrize("rate", [8000, 16000, 48000])
@pytest.mark.parametrize("amplitude", [1.0, 0.1])
def test_a_tone_of_997_hz_has_the_loudness_of_the_standard(rate, amplitude):
    """BS.1770-4, annex 1: 0 dBFS in one channel gives -3.01 LUFS."""
    loudness, unit = loudness_of(example(sine(amplitude, rate=rate), rate).content)
    assert unit == "LUFS"
    # The filter is designed at 48 kHz; lower rates bend it a little.
    tolerance = 0.05 if rate == 48000 else 0.5
    assert abs(loudness - (20 * np.log10(amplitude) - 3.01)) < tolerance


@pytest.mark.parametrize(("seconds", "rate"), [(0.39, 8000), (1.0, 4000)])
def test_short_or_slow_sound_is_measured_by_its_mean_square(seconds, rate):
    samples = sine(0.5, 500.0, rate, seconds)
    loudness, unit = loudness_of(example(samples, rate).content)
    assert unit == "dBFS"
    assert abs(loudness - 10 * np.log10(np.mean(samples**2))) < 1e-4


@given(
    amplitude=st.floats(0.002, 1.0),
    seconds=st.sampled_from([0.2, 0.5, 1.0]),
    target=st.floats(-40.0, -6.0),
)
def test_mended_loudness_passes_and_never_clips(amplitude, seconds, target):
    rule = Loudness(target=target, tolerance=0.5)
    found = example(sine(amplitude, 440.0, seconds=seconds))
    mended = rule.repair(found) if rule.check(found) else found
    assert rule.check(mended) is None
    peak = np.abs(mended.content.samples).max()
    assert peak <= max(0.9901, amplitude + 1e-6)
    loudness, _ = loudness_of(mended.content)
    assert abs(loudness - target) <= 0.51 or peak > 0.98


def test_sound_with_a_peak_gets_no_louder_than_the_peak_allows():
    samples = sine(0.001)
    samples[4000] = 0.9
    rule = Loudness(target=-10.0)
    mended = rule.repair(example(samples))
    assert rule.check(mended) is None
    assert abs(np.abs(mended.content.samples).max() - 0.99) < 1e-5
    np.testing.assert_allclose(
        mended.content.samples[:, 0], samples * (0.99 / 0.9), atol=1e-6
    )


def test_silence_has_no_loudness_to_mend():
    assert Loudness().check(example(np.zeros(8000))) is None
    assert Loudness().check(example(np.zeros(100))) is None


def test_what_is_wrong_is_said_with_its_unit():
    assert Loudness().check(example(sine(0.9))).endswith("LUFS, not -23")
    assert Loudness().check(example(sine(0.9, seconds=0.1))) == "-3.9 dBFS, not -23"
