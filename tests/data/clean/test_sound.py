"""Rules of sound against sounds that break them by a known amount."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfgenai.core.errors import ConfigError
from tfgenai.data.clean.all_rules import rule_class
from tfgenai.data.clean.sound import Channels, Clipped, Duration, SampleRate, Silent
from tfgenai.data.raw.example import Example, Sound

_RATE = 8000


def example(samples, rate=_RATE):
    samples = np.asarray(samples, np.float32)
    return Example("a", Sound(samples.reshape(len(samples), -1), rate), data=b"file")


def sine(amplitude, frequency=200.0, rate=_RATE, seconds=1.0):
    return amplitude * np.sin(
        2 * np.pi * frequency * np.arange(int(rate * seconds)) / rate
    )


@pytest.mark.parametrize("amplitude", [1.2, 1.5, 4.0])
def test_a_clipped_sine_is_found_with_its_share(amplitude):
    """A sine of amplitude a is beyond 1 for 2 / pi * acos(1 / a) of the time."""
    found = Clipped().check(example(sine(amplitude, 50.0).clip(-1, 1)))
    share = 2 / np.pi * np.arccos(1 / amplitude)
    assert found.endswith("of the samples are cut off at full scale")
    assert abs(float(found.split("%")[0]) / 100 - share) < 0.02


@pytest.mark.parametrize("frequency", [50.0, 200.0, 1000.0])
def test_a_sine_up_to_full_scale_is_not_clipped(frequency):
    samples = np.rint(sine(1.0, frequency, 44100) * 32767) / 32768
    assert Clipped().check(example(samples, 44100)) is None


def test_clipping_is_looked_for_in_each_channel_alone():
    """Full scale on the left and then on the right is no row of three."""
    samples = np.zeros((100, 2))
    samples[50:52, 0] = samples[52:54, 1] = 1.0
    assert Clipped(min_run=3).check(example(samples)) is None
    assert "2.00%" in Clipped().check(example(samples))
    assert Clipped().check(example(samples, 16000)) is None
    samples[52, 0] = 1.0
    assert "1.50%" in Clipped(min_run=3).check(example(samples))
    assert Clipped(max_share=0.015, min_run=3).check(example(samples)) is None
    assert Clipped(min_run=4).check(example(samples)) is None


def test_rows_at_the_ends_and_of_other_signs_count():
    samples = np.zeros(100)
    samples[:4], samples[-4:] = -1.0, 1.0
    assert "8.00%" in Clipped().check(example(samples))
    samples[:] = 1.0
    assert "100.00%" in Clipped().check(example(samples))
    samples[::2] = -1.0
    assert Clipped().check(example(samples)) is None


def test_silence_is_measured_about_the_mean():
    """A sine of amplitude a has 20 log10(a) - 3.01 dB; a constant says nothing."""
    assert "-63.0 dBFS" in Silent().check(example(sine(0.001)))
    assert Silent(min_dbfs=-64).check(example(sine(0.001))) is None
    assert "-inf" in Silent().check(example(np.zeros(100)))
    assert Silent().check(example(np.full(100, 0.5))) is not None
    assert Silent().check(example(0.5 + sine(0.01))) is None


def test_sample_rate_is_mended_by_resampling():
    rule = SampleRate(_RATE)
    assert rule.check(example(sine(0.5))) is None
    wrong = example(sine(0.5, rate=16000), 16000)
    assert rule.check(wrong) == "16000 Hz, not 8000"
    mended = rule.repair(wrong)
    assert rule.check(mended) is None
    assert mended.data is None
    np.testing.assert_allclose(
        mended.content.samples[200:-200, 0], sine(0.5)[200:-200], atol=1e-4
    )


def test_resampling_leaves_nothing_beyond_full_scale():
    square = np.sign(sine(1.0, 210.0, 16000))
    mended = SampleRate(_RATE).repair(example(square, 16000))
    assert np.abs(mended.content.samples).max() == 1.0


def test_channels_are_mixed_to_their_mean():
    left, right = sine(0.5), sine(0.25, 330.0)
    stereo = example(np.stack([left, right], axis=1))
    assert Channels().check(stereo) == "2 channels, not 1"
    mono = Channels().repair(stereo)
    np.testing.assert_allclose(
        mono.content.samples[:, 0], (left + right) / 2, atol=1e-6
    )
    assert Channels().check(mono) is None
    doubled = Channels(channels=2).repair(mono)
    assert doubled.content.samples.shape == (_RATE, 2)
    assert Channels(channels=2).check(doubled) is None


@given(
    length=st.integers(1, 3000),
    shortest=st.floats(0, 0.2),
    extra=st.floats(0, 0.2),
    rate=st.sampled_from([8000, 11025]),
)
def test_a_mended_duration_is_right_and_keeps_its_beginning(
    length, shortest, extra, rate
):
    rule = Duration(min_seconds=shortest, max_seconds=shortest + extra + 1e-3)
    before = example(np.linspace(0.1, 0.9, length), rate)
    after = rule.repair(before) if rule.check(before) else before
    assert rule.check(after) is None
    common = min(length, len(after.content.samples))
    np.testing.assert_array_equal(
        after.content.samples[:common], before.content.samples[:common]
    )
    assert not after.content.samples[common:].any()


def test_duration_says_what_is_wrong():
    rule = Duration(min_seconds=0.5, max_seconds=2.0)
    assert rule.check(example(np.zeros(2000))) == "0.250 s, less than 0.5"
    assert rule.check(example(np.zeros(16001))) == "2.000 s, more than 2"
    assert rule.check(example(np.zeros(16000))) is None
    assert rule.check(example(np.zeros(4000))) is None


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("clipped", {"max_share": 1.0}),
        ("clipped", {"min_run": 1}),
        ("clipped", {"full_scale": 0.0}),
        ("silent", {"min_dbfs": 0.0}),
        ("sample_rate", {"sample_rate": 0}),
        ("channels", {"channels": 1.5}),
        ("duration", {"min_seconds": 2.0, "max_seconds": 1.0}),
        ("trim", {"threshold_db": -1.0}),
        ("trim", {"keep_seconds": -1.0}),
        ("loudness", {"target": 3.0}),
        ("loudness", {"tolerance": 0.0}),
        ("loudness", {"max_peak": 1.1}),
        ("near_duplicate_sound", {"min_similarity": 1.0}),
        ("clipped", {"action": "repair"}),
    ],
)
def test_arguments_are_checked(name, options):
    with pytest.raises(ConfigError, match=f"{list(options)[-1]}="):
        rule_class(name)(**options)


@pytest.mark.parametrize(
    ("name", "action"),
    [
        ("clipped", "drop"),
        ("silent", "drop"),
        ("channels", "repair"),
        ("trim", "repair"),
        ("loudness", "repair"),
        ("duration", "drop"),
        ("near_duplicate_sound", "drop"),
    ],
)
def test_rules_are_found_by_name_and_describe_themselves(name, action):
    rule = rule_class(name)()
    described = rule.describe()
    assert described.pop("rule") == name
    assert described["action"] == action
    assert rule_class(name)(**described).describe() == rule.describe()
    assert rule.kinds == ("sound",)


def test_what_is_no_sound_is_a_mistake_of_the_caller():
    with pytest.raises(TypeError, match="Sound was expected"):
        Silent().check(Example("a", "text"))
