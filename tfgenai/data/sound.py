"""`load_sound`: from sound to datasets of batches; `describe_sound`: its card."""

import dataclasses
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from tfgenai.core.errors import DataError
from tfgenai.core.random import check_seed
from tfgenai.data.augment import SOUND_AUGMENTATIONS, SoundAugmentation, SpecAugment
from tfgenai.data.card import DatasetCard, SplitCard
from tfgenai.data.sound_dataset import SoundDataset, SoundPlan
from tfgenai.data.sources.sound_records import SoundRecords
from tfgenai.data.sources.sound_source import SoundSource, open_sound_source
from tfgenai.data.split import Slice

TRAINING = ("train", "all")


def load_sound(
    name_or_path: Any,
    *,
    split: str | Sequence[str],
    batch_size: int,
    sample_rate: int | None,
    num_samples: int | None,
    channels: int | None,
    shuffle: bool | None,
    augment: Any,
    drop_remainder: bool | None,
    seed: int,
    data_dir: "str | os.PathLike[str] | None",
    memory_limit: int | None,
) -> Any:
    """Makes datasets of sound; `tfgenai.data.load` describes the arguments."""
    _require_counts(
        batch_size=batch_size,
        sample_rate=sample_rate,
        num_samples=num_samples,
        channels=channels,
    )
    check_seed(seed)
    changes = _augmentations(augment)
    names = _names(split)
    source = open_sound_source(name_or_path, data_dir=data_dir)
    parts = _read_parts(source, names, seed, sample_rate, channels, memory_limit)
    length = num_samples or _common_length(source, parts)
    card = _card(source, parts, names, seed, sample_rate, channels)
    if changes and parts[names[0]].records.channels > 1:
        raise DataError(
            "Sound of one channel was expected where augment is given. Received: "
            f"name_or_path={source.name!r} with {parts[names[0]].records.channels}. "
            "Give channels=1, or leave augment out."
        )
    datasets = []
    for place, name in enumerate(names):
        part = parts[name]
        trains = place == 0 and part.slice.base in TRAINING
        if changes and place == 0 and not trains:
            raise DataError(
                "Training data were expected where augment is given. Received: "
                f"split={name!r}, augment={augment!r}. Leave augment out."
            )
        drop = drop_remainder
        if drop is None:
            drop = trains and len(part.rows) >= batch_size
        if drop and len(part.rows) < batch_size:
            raise DataError(
                f"At least {batch_size} examples were expected, one batch. Received: "
                f"split={name!r} with {len(part.rows)} and drop_remainder=True. Choose "
                "a smaller batch_size."
            )
        plan = SoundPlan(
            records=part.records,
            rows=part.rows,
            num_samples=int(length),
            batch_size=int(batch_size),
            shuffle=trains if shuffle is None else bool(shuffle),
            moves=trains and shuffle is not False,
            drop_remainder=bool(drop),
            augment=changes if trains else (),
            seed=seed,
        )
        datasets.append(SoundDataset(plan, card))
    return datasets[0] if isinstance(split, str) else tuple(datasets)


def describe_sound(
    name_or_path: Any,
    *,
    sample_rate: int | None = None,
    channels: int | None = None,
    data_dir: Any = None,
    memory_limit: int | None = None,
) -> DatasetCard:
    """Reads all splits of a set of sound and returns their card.

    Args:
        name_or_path: see `tfgenai.data.load`, as the others.
        sample_rate: rate to bring the sounds to, if they differ.
        channels: channels to bring them to, if they differ.
        data_dir: folder of prepared TFDS sets.
        memory_limit: bytes of samples that are kept in memory.

    Raises:
        DataNotFoundError: if there is no such set or folder.
        DataError: if it is not usable.
    """
    _require_counts(sample_rate=sample_rate, channels=channels)
    source = open_sound_source(name_or_path, data_dir=data_dir)
    names = [name for name in source.split_names() if name != "all"]
    parts = _read_parts(source, names, 0, sample_rate, channels, memory_limit)
    return _card(source, parts, names, 0, sample_rate, channels)


@dataclasses.dataclass(frozen=True)
class _Part:
    """What was chosen of one split."""

    records: SoundRecords
    rows: np.ndarray
    slice: Slice

    def card(self, source: SoundSource) -> SplitCard:
        return self.records.card(self.rows, len(source.class_names or []))


def _require_counts(**values: Any) -> None:
    for name, value in values.items():
        if value is None and name != "batch_size":
            continue
        if isinstance(value, bool) or not isinstance(value, int | np.integer):
            raise TypeError(f"An integer was expected. Received: {name}={value!r}.")
        if value < 1:
            raise ValueError(f"{name} >= 1 was expected. Received: {name}={value}.")


def _augmentations(augment: Any) -> tuple[SoundAugmentation, ...]:
    is_one = isinstance(augment, (str, SoundAugmentation))
    changes = tuple(
        SOUND_AUGMENTATIONS.create(each) for each in ([augment] if is_one else augment)
    )
    for change in changes:
        if not isinstance(change, SoundAugmentation):
            raise TypeError(
                f"Names of {SOUND_AUGMENTATIONS.names()} or SoundAugmentation objects "
                f"were expected. Received: augment={augment!r}."
            )
        if isinstance(change, SpecAugment):
            raise DataError(
                "Augmentations of samples were expected. Received: augment="
                f"{augment!r}, of which SpecAugment changes spectrograms. Apply it to "
                "what tfgenai.data.audio.MelSpectrogram makes of a batch."
            )
    return changes


def _names(split: Any) -> list[str]:
    if not isinstance(split, Sequence):
        raise TypeError(
            "A split such as 'train', or a tuple of them, was expected. Received: "
            f"{split=}."
        )
    names = [split] if isinstance(split, str) else list(split)
    if not names:
        raise DataError(
            f"One split or more was expected. Received: {split=}. Give 'train'."
        )
    return names


def _read_parts(
    source: SoundSource,
    names: list[str],
    seed: int,
    sample_rate: int | None,
    channels: int | None,
    memory_limit: int | None,
) -> dict[str, _Part]:
    """Reads splits, each once, and chooses what was asked for."""
    slices = {name: Slice.parse(name) for name in names}
    for part in slices.values():
        source.require_split(part.base)
    whole = {
        base: source.read(
            base, sample_rate=sample_rate, channels=channels, memory_limit=memory_limit
        )
        for base in dict.fromkeys(part.base for part in slices.values())
    }
    for field in ("sample_rate", "channels"):
        values = {base: getattr(records, field) for base, records in whole.items()}
        if len(set(values.values())) > 1:
            raise DataError(
                f"Splits of one {field} were expected. Received: split={names} of "
                f"{source.name!r} with {values}. Give {field}."
            )
    return {
        name: _Part(
            whole[part.base],
            part.rows(whole[part.base].labels, whole[part.base].groups(), seed=seed),
            part,
        )
        for name, part in slices.items()
    }


def _common_length(source: SoundSource, parts: dict[str, _Part]) -> int:
    lengths = np.concatenate([p.records.lengths[p.rows] for p in parts.values()])
    shortest, longest = int(lengths.min()), int(lengths.max())
    if shortest != longest:
        raise DataError(
            "Sounds of one length were expected, or num_samples. Received: "
            f"name_or_path={source.name!r} with lengths from {shortest} to {longest} "
            f"samples, half of them up to {int(np.median(lengths))}. Give "
            f"num_samples={longest} to keep all of each, or less to cut them."
        )
    return longest


def _card(
    source: SoundSource,
    parts: dict[str, _Part],
    names: list[str],
    seed: int,
    sample_rate: int | None,
    channels: int | None,
) -> DatasetCard:
    records = parts[names[0]].records
    which = names[0] if len(names) == 1 else tuple(names)
    return DatasetCard(
        name=source.name,
        source=source.origin,
        licence=source.licence,
        homepage=source.homepage,
        reproduce=f"tfgenai.data.load({source.name!r}, split={which!r}, "
        f"sample_rate={sample_rate}, channels={channels}, seed={seed})",
        image_shape=None,
        splits={name: part.card(source) for name, part in parts.items()},
        class_names=source.class_names,
        dtype="float32",
        value_range=(-1, 1),
        sample_rate=records.sample_rate,
        channels=records.channels,
    )
