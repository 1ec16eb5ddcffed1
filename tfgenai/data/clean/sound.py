"""Rules of sound: clipping, silence, rate, channels and length."""

import math

import numpy as np

from tfgenai.data.audio.resampling import resample
from tfgenai.data.clean.rule import RULES, Action
from tfgenai.data.clean.sound_rule import (
    SoundRule,
    decibels,
    is_count,
    require,
    sound_of,
)
from tfgenai.data.raw.example import Example, Sound

_STEP = 2.0**-15  # one step of 16 bits
_SHORT_PEAKS = 16_000  # Hz


@RULES.register("clipped")
class Clipped(SoundRule):
    """Sound that was too loud for its recorder: its peaks are cut off flat.

    A peak counts as cut off if samples in a row, of one sign, are at full scale and
    equal to a step of 16 bits; the round peak of a loud sound is not.

    Args:
        action: see `Rule`.
        max_share: share of the samples that may lie in such rows, in [0, 1).
        min_run: samples in a row, at least 2; None for 3, or 2 below 16 kHz, where
            peaks are short.
        full_scale: level from which on a sample can be cut off, in (0, 1].
    """

    name = "clipped"

    def __init__(
        self,
        *,
        action: Action | None = None,
        max_share: float = 0.0005,
        min_run: int | None = None,
        full_scale: float = 0.99,
    ) -> None:
        super().__init__(action=action)
        require(0 <= max_share < 1, "a share in [0, 1)", max_share=max_share)
        is_right = min_run is None or is_count(min_run, 2)
        require(is_right, "a whole number from 2 on", min_run=min_run)
        require(0 < full_scale <= 1, "a level in (0, 1]", full_scale=full_scale)
        self.max_share = max_share
        self.min_run = min_run
        self.full_scale = full_scale

    def check_sound(self, sound: Sound) -> str | None:
        """See `SoundRule.check_sound`."""
        samples = sound.samples
        least = self.min_run or (2 if sound.sample_rate < _SHORT_PEAKS else 3)
        count = sum(
            int(lengths[lengths >= least].sum())
            for lengths in map(self._rows, samples.T)
        )
        share = count / samples.size
        if share <= self.max_share:
            return None
        return f"{share:.2%} of the samples are cut off at full scale"

    def _rows(self, channel: np.ndarray) -> np.ndarray:
        """Lengths of the rows of two and more equal samples at full scale."""
        loud = np.flatnonzero(np.abs(channel) >= self.full_scale)
        is_next = np.zeros(len(loud) + 1, np.int8)
        is_next[1:-1] = (np.diff(loud) == 1) & (np.abs(np.diff(channel[loud])) <= _STEP)
        edges = np.flatnonzero(np.diff(is_next))
        return edges[1::2] - edges[::2] + 1


@RULES.register("silent")
class Silent(SoundRule):
    """Sound without sound: its loudness is below a limit.

    Args:
        action: see `Rule`.
        min_dbfs: least root mean square of all samples about their mean, in dB below
            full scale (a square wave between -1 and 1 has 0).
    """

    name = "silent"

    def __init__(
        self, *, action: Action | None = None, min_dbfs: float = -60.0
    ) -> None:
        super().__init__(action=action)
        require(min_dbfs < 0, "a negative number of dB", min_dbfs=min_dbfs)
        self.min_dbfs = min_dbfs

    def check_sound(self, sound: Sound) -> str | None:
        """See `SoundRule.check_sound`."""
        level = decibels(float(sound.samples.var(axis=0, dtype=np.float64).mean()))
        if level >= self.min_dbfs:
            return None
        return f"{level:.1f} dBFS, below {self.min_dbfs:g}"


@RULES.register("sample_rate")
class SampleRate(SoundRule):
    """Sound at another rate than wanted; mended by resampling.

    Args:
        sample_rate: the wanted one, Hz.
        action: see `Rule`.
    """

    name = "sample_rate"
    default_action = "repair"
    can_repair = True

    def __init__(self, sample_rate: int, *, action: Action | None = None) -> None:
        super().__init__(action=action)
        require(is_count(sample_rate), "a rate in Hz", sample_rate=sample_rate)
        self.sample_rate = sample_rate

    def check_sound(self, sound: Sound) -> str | None:
        """See `SoundRule.check_sound`."""
        if sound.sample_rate == self.sample_rate:
            return None
        return f"{sound.sample_rate} Hz, not {self.sample_rate}"

    def repair(self, example: Example) -> Example:
        """The sound at the wanted rate; what comes to lie beyond [-1, 1] is cut off."""
        sound = sound_of(example)
        samples = resample(sound.samples, sound.sample_rate, self.sample_rate)
        samples = np.clip(samples, -1.0, 1.0)
        return example.with_content(Sound(samples, self.sample_rate))


@RULES.register("channels")
class Channels(SoundRule):
    """Sound with another number of channels than wanted.

    Mended by the mean of all channels, for each channel that is wanted.

    Args:
        action: see `Rule`.
        channels: how many are wanted: 1 for mono, 2 for stereo.
    """

    name = "channels"
    default_action = "repair"
    can_repair = True

    def __init__(self, *, action: Action | None = None, channels: int = 1) -> None:
        super().__init__(action=action)
        require(is_count(channels), "a positive whole number", channels=channels)
        self.channels = channels

    def check_sound(self, sound: Sound) -> str | None:
        """See `SoundRule.check_sound`."""
        found = sound.samples.shape[1]
        if found == self.channels:
            return None
        return f"{found} channels, not {self.channels}"

    def repair(self, example: Example) -> Example:
        """The mean of the channels."""
        sound = sound_of(example)
        mean = sound.samples.mean(axis=1, keepdims=True)
        samples = np.repeat(mean, self.channels, axis=1)
        return example.with_content(Sound(samples, sound.sample_rate))


@RULES.register("duration")
class Duration(SoundRule):
    """Sound that is too short or too long.

    Mended by silence at its end, or by cutting its end off.

    Args:
        action: see `Rule`.
        min_seconds: shortest length.
        max_seconds: longest length.
    """

    name = "duration"
    can_repair = True

    def __init__(
        self,
        *,
        action: Action | None = None,
        min_seconds: float = 0.1,
        max_seconds: float = 30.0,
    ) -> None:
        super().__init__(action=action)
        require(
            0 <= min_seconds <= max_seconds and max_seconds > 0,
            "0 <= min_seconds <= max_seconds",
            min_seconds=min_seconds,
            max_seconds=max_seconds,
        )
        self.min_seconds = min_seconds
        self.max_seconds = max_seconds

    def check_sound(self, sound: Sound) -> str | None:
        """See `SoundRule.check_sound`."""
        shortest, longest = self._limits(sound)
        if len(sound.samples) < shortest:
            return f"{sound.seconds:.3f} s, less than {self.min_seconds:g}"
        if len(sound.samples) > longest:
            return f"{sound.seconds:.3f} s, more than {self.max_seconds:g}"
        return None

    def repair(self, example: Example) -> Example:
        """The sound filled up, or cut."""
        sound = sound_of(example)
        shortest, longest = self._limits(sound)
        samples = sound.samples[:longest]
        missing = max(0, shortest - len(samples))
        samples = np.pad(samples, [(0, missing), (0, 0)])
        return example.with_content(Sound(samples, sound.sample_rate))

    def _limits(self, sound: Sound) -> tuple[int, int]:
        shortest = math.ceil(self.min_seconds * sound.sample_rate - 1e-6)
        return shortest, max(
            shortest, 1, int(self.max_seconds * sound.sample_rate + 1e-6)
        )
