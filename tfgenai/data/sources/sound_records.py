"""SoundRecords: the sounds of one split, in memory or fetched while training."""

import dataclasses
import hashlib
from collections.abc import Callable, Iterable

import numpy as np
import tensorflow as tf

from tfgenai.data.audio.resampling import resample
from tfgenai.data.card import SplitCard
from tfgenai.data.raw.example import Example, Sound


@dataclasses.dataclass
class SoundRecords:
    """The sounds of one split: in memory, or fetched while training.

    Exactly one of `samples` and `fetch` is set.

    Args:
        sample_rate: samples a second of all sounds, Hz.
        channels: channels of all sounds.
        lengths: int64 `(n,)`, samples of each.
        labels: int32 `(n,)`, or None.
        ids: a name for each.
        digests: uint8 `(n, 32)`, `Example.sha256` of each.
        samples: float32 `(time, channels)` in [-1, 1], all sounds one after another.
        fetch: takes the number of a sound and returns float32 `(length, channels)`.
    """

    sample_rate: int
    channels: int
    lengths: np.ndarray
    labels: np.ndarray | None
    ids: list[str]
    digests: np.ndarray
    samples: np.ndarray | None = None
    fetch: Callable[[int], np.ndarray] | None = None
    _tensor: tf.Tensor | None = None

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def offsets(self) -> np.ndarray:
        """Where each sound begins in `samples`, int64 `(n,)`."""
        return np.cumsum(self.lengths) - self.lengths

    @classmethod
    def of(
        cls,
        sounds: Iterable[Sound],
        labels: np.ndarray | None,
        ids: list[str],
        *,
        total: int,
        fetch: Callable[[int], np.ndarray] | None = None,
    ) -> "SoundRecords":
        """Makes records of sounds of one rate and number of channels.

        Args:
            sounds: as many as there are `ids`; each is looked at once.
            labels: int32 `(n,)`, or None.
            ids: a name for each.
            total: samples of all sounds together.
            fetch: what gives a sound later; None keeps all in memory.
        """
        samples, lengths, digests, done = None, [], [], 0
        rate = channels = 0
        for name, sound in zip(ids, sounds, strict=True):
            rate, channels = sound.sample_rate, sound.samples.shape[1]
            if fetch is None:
                if samples is None:
                    samples = np.empty((total, channels), np.float32)
                samples[done : done + len(sound.samples)] = sound.samples
            done += len(sound.samples)
            lengths.append(len(sound.samples))
            digests.append(np.frombuffer(Example(name, sound).sha256(), np.uint8))
        return cls(
            rate,
            channels,
            np.array(lengths, np.int64),
            labels,
            ids,
            np.stack(digests),
            samples=samples,
            fetch=fetch,
        )

    def tensor(self) -> tf.Tensor:
        """The samples as one tensor, which then is the only copy in memory."""
        if self._tensor is None:
            with tf.device("CPU:0"):
                self._tensor = tf.constant(self.samples)
            self.samples = np.asarray(memoryview(self._tensor))
        return self._tensor

    def take(self, rows: np.ndarray) -> "SoundRecords":
        """Some of the records."""
        samples, fetch = self.samples, self.fetch
        if samples is not None:
            starts = self.offsets
            samples = np.concatenate(
                [samples[starts[i] : starts[i] + self.lengths[i]] for i in rows]
            )
        return dataclasses.replace(
            self,
            lengths=self.lengths[rows],
            labels=None if self.labels is None else self.labels[rows],
            ids=[self.ids[i] for i in rows],
            digests=self.digests[rows],
            samples=samples,
            fetch=None if fetch is None else lambda i: fetch(int(rows[i])),
            _tensor=None,
        )

    def groups(self) -> np.ndarray:
        """Numbers that are equal for equal sounds, int64 `(n,)`."""
        keys = np.ascontiguousarray(self.digests[:, :8]).view(np.uint64)[:, 0]
        return np.unique(keys, return_inverse=True)[1].astype(np.int64)

    def card(self, rows: np.ndarray, num_classes: int) -> SplitCard:
        """Describes some of the records.

        Args:
            rows: int64 `(k,)`.
            num_classes: number of classes, if there are labels.
        """
        digests = np.ascontiguousarray(self.digests[rows])
        content = hashlib.sha256(digests.data)
        histogram = None
        if self.labels is not None:
            labels = self.labels[rows]
            content.update(np.ascontiguousarray(labels, "<i4").data)
            histogram = np.bincount(labels, minlength=num_classes).tolist()
        return SplitCard(
            num_examples=len(rows),
            sha256=content.hexdigest(),
            num_duplicates=len(rows) - len(np.unique(digests, axis=0)),
            label_histogram=histogram,
            num_seconds=round(int(self.lengths[rows].sum()) / self.sample_rate, 3),
        )


def converted(
    sound: Sound, sample_rate: int | None = None, channels: int | None = None
) -> Sound:
    """A sound at another rate, with another number of channels.

    Args:
        sound: any.
        sample_rate: the wanted rate, Hz; None for its own. What comes to lie beyond
            [-1, 1] is cut off.
        channels: the wanted number, each of which is the mean of its channels; None,
            or its own number, leaves them as they are.
    """
    samples, rate = sound.samples, sound.sample_rate
    if channels is not None and channels != samples.shape[1]:
        samples = samples.mean(axis=1, keepdims=True).repeat(channels, axis=1)
    if sample_rate is not None and sample_rate != rate:
        samples = resample(samples, rate, sample_rate).clip(-1.0, 1.0)
        rate = sample_rate
    return Sound(samples, rate)
