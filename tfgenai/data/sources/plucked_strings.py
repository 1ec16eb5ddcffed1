"""Tones of plucked strings, made on the fly, labelled by their pitch."""

import numpy as np

from tfgenai.core.errors import ConfigError
from tfgenai.data.audio.plucked_strings import plucked_strings
from tfgenai.data.raw.example import Sound
from tfgenai.data.raw.plucked_strings import (
    LICENCE,
    NAME,
    NUM_TEST,
    NUM_TRAIN,
    PITCHES,
    SAMPLE_RATE,
    note_name,
    origin_of_tones,
)
from tfgenai.data.sources.sound_records import SoundRecords, converted
from tfgenai.data.sources.sound_source import SOUND_SOURCES, SoundSource


@SOUND_SOURCES.register("plucked_strings")
class PluckedStrings(SoundSource):
    """Tones of 24 pitches, C3 to B4, of one second at 8 kHz each; nothing is read.

    "train" has 40 tones of each pitch and "test" 10 others, unless told otherwise.

    Args:
        num_train: tones for training; pitches take turns.
        num_test: tones for testing.
        num_samples: samples of each tone.
        seed: seed of all tones.

    Example:
        >>> PluckedStrings(num_train=48, num_test=24).read("test").lengths[:2].tolist()
        [8000, 8000]
    """

    name = NAME
    licence = LICENCE
    class_names = [note_name(pitch) for pitch in PITCHES]  # noqa: RUF012 - never changed

    def __init__(
        self,
        *,
        num_train: int = NUM_TRAIN,
        num_test: int = NUM_TEST,
        num_samples: int = SAMPLE_RATE,
        seed: int = 0,
    ) -> None:
        for name, value in (("num_train", num_train), ("num_test", num_test)):
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ConfigError(
                    f"A positive whole number was expected. Received: {name}={value!r}."
                )
        self._counts = {"train": num_train, "test": num_test}
        self._num_samples = num_samples
        self._seed = seed
        self.origin = origin_of_tones(num_train + num_test, seed)

    def split_names(self) -> list[str]:
        """See `SoundSource.split_names`."""
        return list(self._counts)

    def read(
        self,
        split: str,
        *,
        sample_rate: int | None = None,
        channels: int | None = None,
        memory_limit: int | None = None,
    ) -> SoundRecords:
        """See `SoundSource.read`; tones are always kept in memory.

        They are made at 8 kHz and then brought to another rate.
        """
        self.require_split(split)
        # Tone i depends on the seed and on i alone: the last ones are for testing.
        first = 0 if split == "train" else self._counts["train"]
        samples, labels = plucked_strings(
            self._counts[split],
            first=first,
            pitches=PITCHES,
            num_samples=self._num_samples,
            sample_rate=SAMPLE_RATE,
            seed=self._seed,
        )
        sounds = [
            converted(Sound(tone[:, np.newaxis], SAMPLE_RATE), sample_rate, channels)
            for tone in samples
        ]
        return SoundRecords.of(
            sounds,
            labels,
            [f"{self.name}/{first + i:06}" for i in range(len(sounds))],
            total=sum(len(sound.samples) for sound in sounds),
        )
