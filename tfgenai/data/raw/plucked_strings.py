"""Tones of plucked strings as raw examples, labelled by their pitch."""

from collections.abc import Iterator, Sequence

import numpy as np

from tfgenai.core.errors import ConfigError
from tfgenai.core.numpy_random import check_seed
from tfgenai.data.audio.plucked_strings import plucked_strings
from tfgenai.data.raw.example import Example, Sound
from tfgenai.data.raw.source import RAW_SOURCES, Chunk, RawSource

NAME = "plucked_strings"
SAMPLE_RATE = 8000  # Hz
PITCHES = tuple(range(48, 72))  # MIDI notes: two octaves from C3 on
NUM_TRAIN, NUM_TEST = 960, 240
LICENCE = "CC0 1.0; made by a formula"

_IN_CHUNK = 240
_NOTES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")


def note_name(pitch: int) -> str:
    """Name of a MIDI note.

    Example:
        >>> note_name(69), note_name(48)
        ('A4', 'C3')
    """
    return f"{_NOTES[pitch % 12]}{pitch // 12 - 1}"


def origin_of_tones(num_examples: int, seed: int) -> str:
    """Where tones come from, for the card."""
    return (
        "made by tfgenai.data.audio.plucked_strings (Karplus & Strong 1983), "
        f"{num_examples} tones with seed {seed}"
    )


@RAW_SOURCES.register("plucked_strings")
class RawPluckedStrings(RawSource):
    """Tones of 24 pitches, C3 to B4, which take turns; nothing is read.

    The same tones as those of `tfgenai.data.load("plucked_strings")`, train before
    test, without its splits.

    Args:
        num_examples: number of tones.
        num_samples: samples of each, at 8 kHz.
        seed: seed of all tones.

    Example:
        >>> source = RawPluckedStrings(num_examples=2)
        >>> [(tone.id, tone.label) for tone in source.read(source.chunks()[0])]
        [('plucked_strings/000000', 'C3'), ('plucked_strings/000001', 'C#3')]
    """

    kind = "sound"
    name = NAME
    licence = LICENCE

    def __init__(
        self,
        *,
        num_examples: int = NUM_TRAIN + NUM_TEST,
        num_samples: int = SAMPLE_RATE,
        seed: int = 0,
    ) -> None:
        for name, value in (
            ("num_examples", num_examples),
            ("num_samples", num_samples),
        ):
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ConfigError(
                    f"A positive whole number was expected. Received: {name}={value!r}."
                )
        self._num_examples = num_examples
        self._num_samples = num_samples
        self._seed = check_seed(seed)
        self.origin = origin_of_tones(num_examples, seed)

    def chunks(self) -> Sequence[Chunk]:
        """See `RawSource.chunks`."""
        starts = range(0, self._num_examples, _IN_CHUNK)
        return [
            Chunk(number, start=start, stop=min(start + _IN_CHUNK, self._num_examples))
            for number, start in enumerate(starts)
        ]

    def read(self, chunk: Chunk) -> Iterator[Example]:
        """See `RawSource.read`."""
        samples, labels = plucked_strings(
            chunk.stop - chunk.start,
            first=chunk.start,
            pitches=PITCHES,
            num_samples=self._num_samples,
            sample_rate=SAMPLE_RATE,
            seed=self._seed,
        )
        for row, label in enumerate(labels):
            yield Example(
                f"{NAME}/{chunk.start + row:06}",
                Sound(samples[row][:, np.newaxis], SAMPLE_RATE),
                label=note_name(PITCHES[label]),
            )

    def fingerprint(self) -> str:
        """See `RawSource.fingerprint`."""
        return f"{self.origin}, {self._num_samples} samples each"
