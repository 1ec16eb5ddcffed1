"""Mel spectrograms of known sounds, and sounds of mel spectrograms."""

import numpy as np
import pytest
import tensorflow as tf

from tfgenai.core.errors import ConfigError
from tfgenai.core.random import numpy_generator
from tfgenai.data.audio import MelSpectrogram, griffin_lim

RATE = 8000


def chord(num_samples=RATE, frequencies=(220.0, 554.4, 1318.5)):
    time = np.arange(num_samples) / RATE
    tones = [np.sin(2 * np.pi * f * time) * np.exp(-2 * time) for f in frequencies]
    return (0.3 * sum(tones)).astype(np.float32)


def distance(a, b):
    """How far magnitudes are apart: spectral convergence, 0 for equal ones."""
    return float(tf.norm(a - b) / tf.norm(b))


def test_a_tone_stands_at_its_pitch():
    spectrogram = MelSpectrogram(RATE, num_mel_bins=40)
    edges = np.linspace(
        *(2595 * np.log10(1 + np.array([20.0, RATE / 2]) / 700)), 42
    )  # of the triangles, in mel
    centres = 700 * (10 ** (edges[1:-1] / 2595) - 1)
    for frequency in (440.0, 1000.0, 3000.0):
        time = np.arange(RATE) / RATE
        tone = np.sin(2 * np.pi * frequency * time).astype(np.float32)
        loudest = spectrogram(tone).numpy()[20:40].mean(0).argmax()
        assert loudest == np.abs(np.log(centres / frequency)).argmin()


def test_magnitudes_are_those_of_numpy():
    spectrogram = MelSpectrogram(RATE, 256, 64)
    x = numpy_generator(1).normal(size=1000).astype(np.float32)
    padded = np.pad(x, 128, mode="reflect").astype(np.float64)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(256) / 256)
    expected = [
        np.abs(np.fft.rfft(padded[i : i + 256] * window))
        for i in range(0, len(padded) - 255, 64)
    ]
    found = spectrogram.magnitudes(tf.constant(x)).numpy()
    assert found.shape == (1000 // 64 + 1, 129)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)


def test_silence_is_the_floor_and_batches_are_rows():
    spectrogram = MelSpectrogram(RATE)
    both = spectrogram(tf.stack([tf.zeros(2000), chord(2000)]))
    np.testing.assert_allclose(both[0], np.log(1e-5), rtol=1e-6)
    np.testing.assert_allclose(both[1], spectrogram(chord(2000)), rtol=1e-4, atol=1e-4)


def test_sound_is_found_again_from_magnitudes():
    spectrogram = MelSpectrogram(RATE)
    x = chord()
    magnitudes = spectrogram.magnitudes(x)

    def away(**options):
        found = griffin_lim(magnitudes, 512, 128, len(x), **options)
        assert found.shape == (len(x),)
        return distance(spectrogram.magnitudes(found), magnitudes)

    start, plain, fast = away(num_iterations=0), away(momentum=0.0), away()
    assert fast < 0.12
    assert fast < 0.75 * plain < 0.4 * start


def test_sound_of_a_mel_spectrogram_has_that_spectrogram():
    spectrogram = MelSpectrogram(RATE)
    x = np.stack([chord(), chord(frequencies=(330.0, 2000.0))])
    log_mel = spectrogram(x)
    again = spectrogram.invert(log_mel, x.shape[1])
    assert again.shape == x.shape
    found = spectrogram(again)
    assert distance(tf.exp(found), tf.exp(log_mel)) < 0.12
    gap = tf.abs(found - log_mel)[log_mel > 0.0]
    assert float(tf.reduce_mean(gap)) < 0.2  # 1.7 dB


def test_the_seed_and_nothing_else_makes_the_phases():
    spectrogram = MelSpectrogram(RATE)
    log_mel = spectrogram(chord(2000))
    invert = tf.function(
        lambda mel, seed: spectrogram.invert(mel, 2000, num_iterations=3, seed=seed),
    )
    one = spectrogram.invert(log_mel, 2000, num_iterations=3, seed=1)
    np.testing.assert_allclose(invert(log_mel, 1), one, atol=1e-4)
    other = spectrogram.invert(log_mel, 2000, num_iterations=3, seed=2)
    assert np.abs(one - other).max() > 1e-3


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"frame_length": 511}, "frame_length=511"),
        ({"frame_step": 300}, "frame_step=300"),
        ({"num_mel_bins": 0}, "num_mel_bins=0"),
        ({"max_frequency": 4001.0}, "max_frequency=4001.0"),
        ({"min_frequency": -1.0}, "min_frequency=-1.0"),
        ({"min_frequency": 5000.0}, "min_frequency=5000.0"),
    ],
)
def test_bad_numbers_are_refused(arguments, words):
    with pytest.raises(ConfigError, match=words):
        MelSpectrogram(RATE, **arguments)
