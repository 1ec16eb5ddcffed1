"""`load_text`: from text to datasets of tokens; `describe_text`: the card of a set."""

import dataclasses
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tfgenai.core.errors import DataError
from tfgenai.core.random import check_seed
from tfgenai.core.registry import unknown_name
from tfgenai.data.card import DatasetCard, SplitCard
from tfgenai.data.sources import TextSource, open_text_source
from tfgenai.data.text_dataset import TextDataset, TextPlan, stream_of
from tfgenai.data.text_parts import TextPart, read_parts
from tfgenai.data.tokenizers import TOKENIZERS, Tokenizer
from tfgenai.data.tokenizers.tokenizer import get as get_tokenizer

TRAINING = ("train", "all")


def load_text(
    name_or_path: Any,
    *,
    split: str | Sequence[str],
    batch_size: int,
    tokenizer: "Tokenizer | str | Mapping[str, Any] | None",
    sequence_length: int | None,
    steps_per_epoch: int | None,
    shuffle: bool | None,
    drop_remainder: bool | None,
    encoding_errors: str,
    seed: int,
    data_dir: "str | os.PathLike[str] | None",
) -> Any:
    """Makes datasets of tokens; `tfgenai.data.load` describes the arguments."""
    length = 256 if sequence_length is None else sequence_length
    for name, value in (
        ("batch_size", batch_size),
        ("sequence_length", length),
        ("steps_per_epoch", 1 if steps_per_epoch is None else steps_per_epoch),
    ):
        _require_count(name, value)
    check_seed(seed)
    if steps_per_epoch is not None and shuffle is False:
        raise ValueError(
            "Text in order or a number of random windows was expected. Received: "
            f"shuffle=False, steps_per_epoch={steps_per_epoch}. Leave one of them out."
        )
    names = _names(split)
    source = open_text_source(
        name_or_path, data_dir=data_dir, encoding_errors=encoding_errors
    )
    parts = read_parts(source, names, seed)
    first = parts[names[0]]
    made = _tokenizer(tokenizer, first, source)
    tokens = {name: _encode(part, made, source) for name, part in parts.items()}
    splits = {
        name: part.card(sum(map(len, tokens[name]))) for name, part in parts.items()
    }
    card = _card(source, splits, names, seed, made, tokenizer, length)
    datasets = []
    for place, name in enumerate(names):
        trains = place == 0 and parts[name].slice.base in TRAINING
        stream = stream_of(
            tokens[name], made.end_token, ends=not parts[name].is_one_text
        )
        plan = TextPlan(
            stream=stream,
            sequence_length=int(length),
            batch_size=int(batch_size),
            shuffle=trains if shuffle is None else bool(shuffle),
            drop_remainder=bool(drop_remainder),
            random_steps=steps_per_epoch if trains else None,
            seed=seed,
        )
        _require_windows(plan, name, source)
        datasets.append(
            TextDataset(
                _with_remainder(plan, drop_remainder, name),
                card,
                made,
                parts[name],
            )
        )
    return datasets[0] if isinstance(split, str) else tuple(datasets)


def describe_text(name_or_path: Any, *, data_dir: Any = None) -> DatasetCard:
    """Reads all splits of a set of text and returns their card.

    Args:
        name_or_path: see `tfgenai.data.load`.
        data_dir: see `tfgenai.data.load`.

    Raises:
        DataNotFoundError: if there is no such set, file or folder.
        DataError: if it is not usable.
    """
    source = open_text_source(name_or_path, data_dir=data_dir)
    names = [name for name in source.split_names() if name != "all"]
    parts = read_parts(source, names, 0)
    splits = {name: part.card() for name, part in parts.items()}
    return _card(source, splits, names, 0, None, None, None)


def _require_count(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(f"An integer was expected. Received: {name}={value!r}.")
    if value < 1:
        raise ValueError(f"{name} >= 1 was expected. Received: {name}={value}.")


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


def _tokenizer(value: Any, first: TextPart, source: TextSource) -> Tokenizer:
    """The tokenizer, trained on the first part if it needs training."""
    options = dict(value) if isinstance(value, Mapping) else {"name": value}
    if isinstance(value, Tokenizer) or "class_name" in options:
        return get_tokenizer(value)
    name = options.pop("name", None)
    if name is None and not options:
        name = "byte"
    if name not in TOKENIZERS:
        if isinstance(name, str):
            raise ValueError(unknown_name("tokenizer", name, TOKENIZERS.names()))
        raise TypeError(
            "A Tokenizer, a name or a section such as {'name': 'bpe', "
            f"'vocabulary_size': 2048}} was expected. Received: tokenizer={value!r}."
        )
    kind = TOKENIZERS.get(name)
    train = getattr(kind, "train", None)
    if train is not None and first.slice.base not in TRAINING:
        raise DataError(
            "A part of the training split was expected first: tokenizers are trained "
            f"on nothing else. Received: split={first.name!r} of {source.name!r}, "
            f"tokenizer={value!r}. Give the `tokenizer` of the training dataset."
        )
    try:
        return kind(**options) if train is None else train(first.documents, **options)
    except TypeError as error:
        raise ValueError(
            f"Arguments that the tokenizer {name!r} has were expected. Received: "
            f"tokenizer={value!r} ({error}). See tfgenai.data.tokenizers."
        ) from error


def _encode(
    part: TextPart, tokenizer: Tokenizer, source: TextSource
) -> list[np.ndarray]:
    try:
        return [tokenizer.encode(document) for document in part.documents]
    except ValueError as error:
        raise DataError(f"split={part.name!r} of {source.name!r}: {error}") from error


def _require_windows(plan: TextPlan, name: str, source: TextSource) -> None:
    if not plan.is_constant and plan.num_targets < plan.sequence_length:
        raise DataError(
            f"Text of {plan.sequence_length} tokens or more was expected, one "
            f"sequence. Received: split={name!r} of {source.name!r} with "
            f"{plan.num_targets} tokens. Choose a smaller sequence_length."
        )


def _with_remainder(plan: TextPlan, drop_remainder: bool | None, name: str) -> TextPlan:
    drop = drop_remainder
    if drop is None:
        drop = not plan.is_constant and plan.num_rows >= plan.batch_size
    if drop and plan.num_rows < plan.batch_size:
        raise DataError(
            f"At least {plan.batch_size} sequences were expected, one batch. Received: "
            f"split={name!r} with {plan.num_rows} and drop_remainder=True. Choose a "
            "smaller batch_size or sequence_length."
        )
    return dataclasses.replace(plan, drop_remainder=drop)


def _card(
    source: TextSource,
    splits: dict[str, SplitCard],
    names: list[str],
    seed: int,
    tokenizer: Tokenizer | None,
    asked: Any,
    sequence_length: int | None,
) -> DatasetCard:
    which = names[0] if len(names) == 1 else tuple(names)
    how = f"tfgenai.data.load({source.name!r}, split={which!r}, "
    words, high = None, 255.0
    if tokenizer is not None:
        kind = next(n for n in TOKENIZERS if TOKENIZERS.get(n) is type(tokenizer))
        words = f"{kind}, {tokenizer.vocabulary_size:,} tokens"
        how += f"tokenizer={_as_code(asked, kind, tokenizer)}, "
        how += f"sequence_length={sequence_length}, "
        high = float(tokenizer.vocabulary_size - 1)
    if source.encoding_errors != "strict":
        how += f"encoding_errors={source.encoding_errors!r}, "
    return DatasetCard(
        name=source.name,
        source=source.origin,
        licence=source.licence,
        homepage=source.homepage,
        reproduce=f"{how}seed={seed})",
        image_shape=None,
        splits=splits,
        dtype="utf-8",
        value_range=(0, 255),
        scaled_range=(0.0, high),
        tokenizer=words,
    )


def _as_code(asked: Any, kind: str, tokenizer: Tokenizer) -> str:
    """What `load` was asked for as tokenizer, in a line of code.

    No name stands for a tokenizer that was trained before: whoever repeats the call
    must have it, as `tokenizer`.
    """
    options = dict(asked) if isinstance(asked, Mapping) else {}
    if isinstance(asked, Tokenizer) or "class_name" in options:
        return "tokenizer" if tokenizer.get_config() else repr(kind)
    options.pop("name", None)
    return repr({"name": kind, **options} if options else kind)
