"""Rules of the level of sound: silent ends, and loudness."""

import math
import warnings

import numpy as np

from tfgenai.data.clean.rule import RULES, Action
from tfgenai.data.clean.sound_rule import SoundRule, decibels, require, sound_of
from tfgenai.data.raw.example import Example, Sound

_FRAME_SECONDS = 0.01  # in which the loudness of the ends is measured
_SILENCE = 1e-10  # power, -100 dB
_LOUDNESS_SECONDS = 0.4  # one gating block of BS.1770
_LOUDNESS_RATE = 8000  # Hz; below, its filter has no room
_LOUDNESS_CHANNELS = 5


@RULES.register("trim")
class Trim(SoundRule):
    """Silence before and behind the sound; mended by cutting it off.

    Silent is a hundredth of a second whose root mean square lies below the loudest
    one's by more than `threshold_db`. Sound that is silent throughout is left to the
    rule `silent`.

    Args:
        action: see `Rule`.
        threshold_db: distance from the loudest hundredth of a second, dB.
        keep_seconds: silence that may stay at either end, seconds.
    """

    name = "trim"
    default_action = "repair"
    can_repair = True

    def __init__(
        self,
        *,
        action: Action | None = None,
        threshold_db: float = 40.0,
        keep_seconds: float = 0.05,
    ) -> None:
        super().__init__(action=action)
        require(threshold_db > 0, "a positive number of dB", threshold_db=threshold_db)
        require(keep_seconds >= 0, "seconds from 0 on", keep_seconds=keep_seconds)
        self.threshold_db = threshold_db
        self.keep_seconds = keep_seconds

    def check_sound(self, sound: Sound) -> str | None:
        """See `SoundRule.check_sound`."""
        start, stop = self._ends(sound)
        before = start / sound.sample_rate
        behind = (len(sound.samples) - stop) / sound.sample_rate
        if not start and not behind:
            return None
        return (
            f"{before:.2f} s of silence too much at the beginning and {behind:.2f} s "
            "at the end"
        )

    def repair(self, example: Example) -> Example:
        """The sound without its ends."""
        sound = sound_of(example)
        start, stop = self._ends(sound)
        return example.with_content(
            Sound(sound.samples[start:stop].copy(), sound.sample_rate)
        )

    def _ends(self, sound: Sound) -> tuple[int, int]:
        """Samples to begin with and to end before."""
        size = max(1, round(_FRAME_SECONDS * sound.sample_rate))
        squares = np.square(sound.samples).mean(axis=1)
        starts = np.arange(0, len(squares), size)
        power = np.add.reduceat(squares, starts, dtype=np.float64) / size
        if power.max() < _SILENCE:
            return 0, len(sound.samples)
        loud = np.flatnonzero(power >= power.max() * 10 ** (-self.threshold_db / 10))
        # Whole frames, so that the cut sound falls into the same ones.
        keep = math.ceil(self.keep_seconds * sound.sample_rate / size)
        start = max(0, int(loud[0]) - keep) * size
        return start, min(len(sound.samples), (int(loud[-1]) + 1 + keep) * size)


@RULES.register("loudness")
class Loudness(SoundRule):
    """Sound that is louder or softer than wanted; mended by a gain that never clips.

    Measured as ITU-R BS.1770-4 says, in LUFS; sounds that it is not made for (shorter
    than 0.4 seconds, below 8 kHz, of more than five channels) by the root mean square
    in dBFS, which for a tone of 1 kHz in one channel is the same number. Silence is
    left to the rule `silent`. Mended sound whose peak reached `max_peak` before the
    target is as loud as it can be, and passes.

    Args:
        action: see `Rule`.
        target: wanted loudness, LUFS.
        tolerance: largest distance from it, dB.
        max_peak: largest absolute sample that a gain may lead to, in (0, 1].
    """

    name = "loudness"
    default_action = "repair"
    can_repair = True

    def __init__(
        self,
        *,
        action: Action | None = None,
        target: float = -23.0,
        tolerance: float = 1.0,
        max_peak: float = 0.99,
    ) -> None:
        super().__init__(action=action)
        require(-70 < target < 0, "LUFS in (-70, 0)", target=target)
        require(tolerance > 0, "a positive number of dB", tolerance=tolerance)
        require(0 < max_peak <= 1, "a level in (0, 1]", max_peak=max_peak)
        self.target = target
        self.tolerance = tolerance
        self.max_peak = max_peak

    def check_sound(self, sound: Sound) -> str | None:
        """See `SoundRule.check_sound`."""
        loudness, unit = loudness_of(sound)
        if abs(loudness - self.target) <= self.tolerance or math.isinf(loudness):
            return None
        at_peak = np.abs(sound.samples).max() >= self.max_peak * (1 - 1e-4)
        if loudness < self.target and at_peak:
            return None
        return f"{loudness:.1f} {unit}, not {self.target:g}"

    def repair(self, example: Example) -> Example:
        """The sound at the wanted loudness, or as near as its peak allows."""
        sound = sound_of(example)
        gain = 10 ** ((self.target - loudness_of(sound)[0]) / 20)
        peak = float(np.abs(sound.samples).max())
        gain = min(gain, self.max_peak / peak)
        samples = (sound.samples * np.float32(gain)).clip(-1.0, 1.0)
        return example.with_content(Sound(samples, sound.sample_rate))


def loudness_of(sound: Sound) -> tuple[float, str]:
    """How loud a sound is, and in which unit.

    Args:
        sound: any; see `Loudness` for the ones that BS.1770 does not cover.

    Returns:
        The number, minus infinity for silence; and "LUFS" or "dBFS".

    Example:
        >>> tone = np.sin(2 * np.pi * 997 * np.arange(48000) / 48000)[:, np.newaxis]
        >>> loudness, unit = loudness_of(Sound(tone.astype(np.float32), 48000))
        >>> abs(loudness + 3.01) < 0.1, unit  # what the standard says, in its bounds
        (True, 'LUFS')
    """
    samples, rate = sound.samples, sound.sample_rate
    if (
        len(samples) < math.ceil(_LOUDNESS_SECONDS * rate)
        or rate < _LOUDNESS_RATE
        or samples.shape[1] > _LOUDNESS_CHANNELS
    ):
        return decibels(float(np.square(samples, dtype=np.float64).mean())), "dBFS"
    import pyloudnorm

    with warnings.catch_warnings(), np.errstate(divide="ignore", invalid="ignore"):
        warnings.simplefilter("ignore")  # of silence it says so
        loudness = float(pyloudnorm.Meter(rate).integrated_loudness(samples))
    return (loudness if math.isfinite(loudness) else -math.inf), "LUFS"
