"""Sounds of plucked strings of known pitch, made on the fly from noise."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.signal import lfilter

from tfgenai.core.errors import ConfigError
from tfgenai.core.numpy_random import numpy_generator

_STREAM = 0x737472
_PEAK = 0.9


def plucked_strings(
    num_examples: int,
    *,
    pitches: Sequence[int] = tuple(range(48, 72)),
    num_samples: int = 8000,
    sample_rate: int = 8000,
    decay: float = 0.996,
    seed: int = 0,
    first: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """Tones of plucked strings, and which pitch each one is.

    Karplus & Strong 1983, "Digital Synthesis of Plucked-String and Drum Timbres",
    Computer Music Journal 7(2): a burst of noise runs round a loop that averages
    neighbours. An all-pass filter tunes the loop to the frequency itself instead of the
    nearest whole number of samples (Jaffe & Smith 1983, "Extensions of the
    Karplus-Strong Plucked-String Algorithm", same issue). The burst is drawn for each
    example, so that no two tones of a pitch are equal.

    Args:
        num_examples: number of tones; pitches take turns.
        pitches: MIDI notes; 69 is 440 Hz, 12 an octave.
        num_samples: samples of each tone.
        sample_rate: samples a second, Hz.
        decay: what is left of the loudness after one turn of the loop, in (0, 1].
        seed: example i depends on `seed` and i alone.
        first: number of the first example, from 0.

    Returns:
        float32 `(num_examples, num_samples)` in [-1, 1] with its peak at 0.9, and int32
        `(num_examples,)`, the place of each one's pitch in `pitches`.

    Raises:
        ConfigError: if a number is out of range, or a pitch too high for the rate.

    Example:
        >>> samples, labels = plucked_strings(3, pitches=[57, 69], num_samples=100)
        >>> samples.shape, labels.tolist()
        ((3, 100), [0, 1, 0])
    """
    for name, value in {
        "num_examples": num_examples,
        "num_samples": num_samples,
        "sample_rate": sample_rate,
    }.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ConfigError(
                f"A positive whole number was expected. Received: {name}={value!r}."
            )
    if isinstance(first, bool) or not isinstance(first, int) or first < 0:
        raise ConfigError(
            f"A whole number from 0 on was expected. Received: first={first!r}."
        )
    if not 0 < decay <= 1:
        raise ConfigError(f"A decay in (0, 1] was expected. Received: decay={decay}.")
    if not pitches:
        raise ConfigError("At least one pitch was expected. Received: pitches=().")
    numbers = np.arange(first, first + num_examples)
    labels = (numbers % len(pitches)).astype(np.int32)
    samples = np.empty((num_examples, num_samples), np.float32)
    for i, label in enumerate(labels):
        noise = numpy_generator(seed, _STREAM, first + i)
        samples[i] = _pluck(pitches[int(label)], num_samples, sample_rate, decay, noise)
    return samples, labels


def frequency_of(pitch: float) -> float:
    """Frequency of a MIDI note, Hz.

    Example:
        >>> frequency_of(69), frequency_of(57)
        (440.0, 220.0)
    """
    return 440.0 * 2.0 ** ((pitch - 69) / 12)


def _pluck(
    pitch: int,
    num_samples: int,
    sample_rate: int,
    decay: float,
    generator: Any,
) -> np.ndarray:
    angle = 2 * math.pi * frequency_of(pitch) / sample_rate
    # One turn takes a period: whole samples, half a one in the average, and the rest,
    # between 0.5 and 1.5, in the all-pass filter.
    rest = 2 * math.pi / angle - 0.5
    whole = math.floor(rest - 0.5)
    if whole < 2:
        raise ConfigError(
            "Pitches of at least three samples a period were expected. Received: "
            f"{pitch}, {frequency_of(pitch):.0f} Hz at sample_rate={sample_rate}. "
            "Leave it out, or take a higher rate."
        )
    late = rest - whole
    # Jaffe & Smith 1983, equation 16: exact at the frequency itself
    coefficient = math.sin(angle * (1 - late) / 2) / math.sin(angle * (1 + late) / 2)
    turn = decay * np.convolve([0.5, 0.5], [coefficient, 1.0])
    loop = np.zeros(whole + len(turn))
    loop[:2] = 1.0, coefficient
    loop[whole:] -= turn
    burst = np.zeros(num_samples)
    length = min(whole + 1, num_samples)
    burst[:length] = generator.uniform(-1.0, 1.0, length)
    tone = lfilter([1.0, coefficient], loop, burst)
    return _PEAK * tone / np.abs(tone).max()
