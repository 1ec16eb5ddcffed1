"""Resampling against sines, whose values between samples are known in closed form."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfgenai.core.errors import ConfigError
from tfgenai.data.audio.resampling import resample


def sine(frequency, rate, seconds=1.0):
    return np.sin(2 * np.pi * frequency * np.arange(int(rate * seconds)) / rate)


@pytest.mark.parametrize(
    ("from_rate", "to_rate"),
    [(8000, 16000), (16000, 8000), (44100, 8000), (8000, 11025)],
)
@pytest.mark.parametrize("frequency", [220.0, 1000.0, 3600.0])
def test_a_sine_stays_that_sine(from_rate, to_rate, frequency):
    """Closed form; the ends, where the sine begins out of nothing, are left out."""
    found = resample(sine(frequency, from_rate), from_rate, to_rate)
    expected = sine(frequency, to_rate)
    assert found.shape == expected.shape
    assert found.dtype == np.float32
    edge = to_rate // 50
    np.testing.assert_allclose(found[edge:-edge], expected[edge:-edge], atol=1e-3)


def test_what_the_new_rate_cannot_hold_is_gone():
    """5 kHz would come back as 3 kHz at 8 kHz."""
    found = resample(sine(5000.0, 16000), 16000, 8000)
    assert np.abs(found[200:-200]).max() < 1e-4


def test_an_equal_rate_changes_nothing():
    samples = sine(440.0, 8000).astype(np.float32)
    np.testing.assert_array_equal(resample(samples, 8000, 8000), samples)


def test_channels_are_apart():
    left, right = sine(440.0, 8000), sine(1000.0, 8000)
    both = resample(np.stack([left, right], axis=1), 8000, 11025)
    assert both.shape == (11025, 2)
    np.testing.assert_allclose(both[:, 0], resample(left, 8000, 11025), atol=1e-6)
    np.testing.assert_allclose(both[:, 1], resample(right, 8000, 11025), atol=1e-6)


@given(
    length=st.integers(1, 400),
    from_rate=st.sampled_from([4000, 8000, 11025, 48000]),
    to_rate=st.sampled_from([4000, 8000, 22050, 48000]),
)
def test_lengths_follow_the_rates(length, from_rate, to_rate):
    found = resample(np.zeros(length), from_rate, to_rate)
    assert len(found) == max(1, round(length * to_rate / from_rate))


@pytest.mark.parametrize("rate", [0, -8000, 8000.0, True, 2**30])
def test_rates_are_checked(rate):
    with pytest.raises(ConfigError, match="to_rate"):
        resample(np.zeros(10), 8000, rate)
    with pytest.raises(ConfigError, match="from_rate"):
        resample(np.zeros(10), rate, 8000)


@pytest.mark.parametrize("shape", [(0,), (2, 3, 4), ()])
def test_shapes_are_checked(shape):
    with pytest.raises(ValueError, match="shape"):
        resample(np.zeros(shape), 8000, 16000)
