"""Any set of sound that TensorFlow Datasets (TFDS) knows, by its name."""

import os
import tempfile
from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np
import soundfile

from tfgenai.core.errors import DataError, DataNotFoundError
from tfgenai.data.raw.example import Sound
from tfgenai.data.sources.sound_records import SoundRecords, converted
from tfgenai.data.sources.sound_source import SOUND_SOURCES, SoundSource
from tfgenai.data.tfds_builders import get_builder, is_known, prepare, quiet

_FULL_SCALE = 2**15  # TFDS keeps samples of 16 bits as whole numbers
# TFDS records no licence for these; their authors state it on the homepage.
_LICENCES = {"spoken_digit": "CC BY-SA 4.0"}


@SOUND_SOURCES.register("tfds")
class TFDSSound(SoundSource):
    """A TFDS set with one sound in each record, and a class if it has one.

    Args:
        name: TFDS name, for example "spoken_digit".
        data_dir: folder of prepared sets; None for TFDS's own.

    Raises:
        DataNotFoundError: if TFDS has no such set.
        DataError: if it has not one sound of known rate in each record.
    """

    def __init__(self, name: str, *, data_dir: Any = None) -> None:
        import tensorflow_datasets as tfds

        from tfgenai.data.spoken_digit import origin_of

        self.name = name
        self._builder = get_builder(name, data_dir)
        info = self._builder.info
        self._audio_key, self._label_key = _keys(info, name)
        self._rate = info.features[self._audio_key].sample_rate
        if self._label_key is not None:
            self.class_names = list(info.features[self._label_key].names)
        self.origin = (
            f"TensorFlow Datasets {tfds.__version__}, builder {info.full_name}"
            f"{origin_of(self._builder)}"
        )
        self.homepage = info.homepage or ""
        self.licence = (
            getattr(info.redistribution_info, "license", "")
            or _LICENCES.get(self._builder.name)
            or f"not recorded by TFDS; see {self.homepage or 'the authors'}"
        )

    def split_names(self) -> list[str]:
        """See `SoundSource.split_names`; prepares the set."""
        use_soundfile(self._builder)
        prepare(self._builder)
        return list(self._builder.info.splits)

    def read(
        self,
        split: str,
        *,
        sample_rate: int | None = None,
        channels: int | None = None,
        memory_limit: int | None = None,
    ) -> SoundRecords:
        """See `SoundSource.read`.

        What exceeds the limit is written to a temporary file without a name, decoded,
        for TFDS gives its records in order only.
        """
        self.require_split(split)
        count = self._builder.info.splits[split].num_examples
        if not count:
            raise DataError(
                f"Sounds were expected. Received: split={split!r} of {self.name!r}, "
                "which is empty. Use another split."
            )
        labels = None if self._label_key is None else np.full(count, -1, np.int32)
        spool = _Spool(memory_limit)
        records = SoundRecords.of(
            (
                spool.keep(converted(sound, sample_rate, channels))
                for sound in self._sounds(split, labels)
            ),
            labels,
            [f"{self.name}/{split}/{i}" for i in range(count)],
            total=0,
            fetch=spool.fetch,
        )
        spool.finish(records)
        return records

    def _sounds(self, split: str, labels: np.ndarray | None) -> Iterator[Sound]:
        """The sounds in the order in which they are stored; `labels` are filled in."""
        import tensorflow_datasets as tfds

        keys = {key for key in (self._audio_key, self._label_key) if key is not None}
        with quiet():
            dataset = self._builder.as_dataset(
                split=split,
                shuffle_files=False,
                decoders=tfds.decode.PartialDecoding(keys),
                read_config=tfds.ReadConfig(
                    try_autocache=False, interleave_cycle_length=1
                ),
            )
        shape = None
        for number, record in enumerate(dataset.as_numpy_iterator()):
            values = record[self._audio_key]
            samples = values.reshape(len(values), -1).astype(np.float32) / _FULL_SCALE
            where = f"record {number} of {split!r} of {self.name!r}"
            if not len(samples) or np.abs(samples).max() > 1:
                raise DataError(
                    "Samples of 16 bits were expected. Received: "
                    f"{len(samples)} samples in {where}, some beyond 16 bits or none. "
                    "Choose another set."
                )
            shape = shape or samples.shape[1]
            if samples.shape[1] != shape:
                raise DataError(
                    f"{shape} channels were expected. Received: {samples.shape[1]} in "
                    f"{where}. Choose another set."
                )
            if labels is not None:
                labels[number] = record[self._label_key]
            yield Sound(samples, self._rate)


def is_set_of_sound(name: str, data_dir: Any = None) -> bool:
    """Whether TFDS has a set of that name with one sound in each record."""
    if not is_known(name):
        return False
    try:
        _keys(get_builder(name, data_dir).info, name)
    except (DataError, DataNotFoundError):
        return False
    return True


def use_soundfile(builder: Any) -> None:
    """Lets a builder decode files of sound by `soundfile`.

    TFDS would do it by pydub, which does not come with it and which new versions of
    Python cannot import. The samples are the same.
    """
    features = builder.info.features
    for feature in dict(features.items()).values() if features else ():
        decoder = getattr(feature, "_audio_decoder", None)
        if decoder is not None and not getattr(feature, "_lazy_decode", True):
            decoder.encode_audio = _decode_as_16_bits


def _decode_as_16_bits(file: BinaryIO, file_format: str | None) -> np.ndarray:
    samples, _ = soundfile.read(file, dtype="int16")
    return samples.astype(np.int64)


class _Spool:
    """Keeps decoded sounds: in memory, or in a file as soon as a limit is passed."""

    def __init__(self, memory_limit: int | None) -> None:
        self._limit = memory_limit
        self._parts: list[np.ndarray] = []
        self._size = 0
        self._file: Any = None
        self._starts = [0]
        self._channels = 1

    def keep(self, sound: Sound) -> Sound:
        samples = np.ascontiguousarray(sound.samples, "<f4")
        self._channels = samples.shape[1]
        self._size += samples.nbytes
        self._starts.append(self._size)
        if self._file is None:
            self._parts.append(samples)
            if self._limit is not None and self._size > self._limit:
                self._file = tempfile.TemporaryFile()  # noqa: SIM115 - as long as self
                for part in self._parts:
                    self._file.write(part.data)
                self._parts = []
        else:
            self._file.write(samples.data)
        return sound

    def finish(self, records: SoundRecords) -> None:
        """Gives records whose sounds are all kept what they are read from."""
        if self._file is None:
            records.samples, records.fetch = np.concatenate(self._parts), None
            self._parts = []
        else:
            self._file.flush()

    def fetch(self, number: int) -> np.ndarray:
        start, stop = self._starts[number], self._starts[number + 1]
        data = os.pread(self._file.fileno(), stop - start, start)
        return np.frombuffer(data, "<f4").reshape(-1, self._channels)


def _keys(info: Any, name: str) -> tuple[str, str | None]:
    """Names of the sound and of the class in a record."""
    import tensorflow_datasets as tfds

    features = dict(info.features.items()) if hasattr(info.features, "items") else {}
    sounds = [key for key, f in features.items() if isinstance(f, tfds.features.Audio)]
    classes = [
        key for key, f in features.items() if isinstance(f, tfds.features.ClassLabel)
    ]
    supervised = info.supervised_keys
    if supervised and len(supervised) == 2:
        sound, label = supervised
        sounds = [sound] if sound in sounds else sounds
        if isinstance(label, str):
            classes = [label] if label in classes else []
    has_images = any(isinstance(f, tfds.features.Image) for f in features.values())
    if len(sounds) != 1 or has_images or not features[sounds[0]].sample_rate:
        raise DataError(
            "A set with one sound of known sample rate in each record was expected. "
            f"Received: name={name!r} with the features {sorted(features)}, of which "
            f"{sounds} are sound. Choose another set."
        )
    return sounds[0], classes[0] if len(classes) == 1 else None
