"""Requests and answers as tokens, and how likely a model finds the answers."""

import contextlib
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from tfgenai.core.errors import DataError, StorageError
from tfgenai.core.storage import PathLike, atomic_file
from tfgenai.finetune.adapter_files import base_hash
from tfgenai.finetune.lora import adapted_layers
from tfgenai.gpt import GPT
from tfgenai.gpt.objective import next_token_losses

PADDING = -1


class Answers(NamedTuple):
    """Texts of a request and an answer each.

    Args:
        tokens: int32 `(rows, length)`, padded with -1.
        is_answer: bool `(rows, length)`, which tokens are the answer's.
    """

    tokens: np.ndarray
    is_answer: np.ndarray


def to_answers(
    model: GPT,
    pairs: Sequence[tuple[str, str]],
    places: Sequence[str],
    *,
    truncate: bool | Sequence[bool] = False,
) -> Answers:
    """Tokens of requests with their answers behind them.

    Both are turned into tokens by themselves, as they are when an answer is written.

    Args:
        model: a language model with a tokenizer.
        pairs: request and answer of each row.
        places: where each came from, for messages.
        truncate: whether a request loses its beginning where both are too long; for
            all, or for each.

    Raises:
        DataError: if a text is empty, has a character that the tokenizer has not, or
            both are longer than the model can see; the row is named.
    """
    tokenizer = model.require_tokenizer("Preference tuning")
    rows = []
    limit = model.max_sequence_length + 1
    cuts = np.broadcast_to(truncate, len(pairs))
    for (request, answer), place, cut in zip(pairs, places, cuts, strict=True):
        try:
            before, behind = tokenizer.encode(request), tokenizer.encode(answer)
        except ValueError as error:
            raise DataError(f"{error} This is {place}.") from error
        room = limit - len(behind)
        if cut and room > 0:
            before = before[-room:]
        if not len(before) or not len(behind) or len(before) > room:
            raise DataError(
                "A request and an answer of at least a token each, and of at most "
                f"{limit} together, were expected. Received: {len(before)} and "
                f"{len(behind)} in {place}. Leave it out"
                + (
                    ", or give truncate=True to cut requests on the left."
                    if len(before) and len(behind) and not cut
                    else "."
                )
            )
        rows.append((before, behind))
    return padded_answers(rows)


def padded_answers(rows: Sequence[tuple[np.ndarray, np.ndarray]]) -> Answers:
    """Rows of tokens of a request and of its answer, side by side as one array."""
    width = max(len(before) + len(behind) for before, behind in rows)
    tokens = np.full((len(rows), width), PADDING, np.int32)
    is_answer = np.zeros((len(rows), width), bool)
    for row, (before, behind) in enumerate(rows):
        end = len(before) + len(behind)
        tokens[row, :end] = np.concatenate([before, behind])
        is_answer[row, len(before) : end] = True
    return Answers(tokens, is_answer)


def answer_log_probs(
    model: Any, tokens: tf.Tensor, is_answer: tf.Tensor, *, training: bool = False
) -> tf.Tensor:
    """Log p(answer | request), the sum over the answer's tokens in nats.

    Args:
        model: a language model.
        tokens: int32 `(batch, length)`, padded with negative ones.
        is_answer: bool `(batch, length)`.
        training: whether dropout is on.

    Returns:
        float32 `(batch,)`.
    """
    losses = next_token_losses(model(tokens[:, :-1], training=training), tokens[:, 1:])
    return -tf.reduce_sum(tf.where(is_answer[:, 1:], losses, 0.0), axis=1)


def reference_log_probs(
    model: GPT, answers: Answers, *, batch_size: int = 64, cache: PathLike | None = None
) -> np.ndarray:
    """`answer_log_probs` of a model as it is now, for many rows.

    Args:
        model: the reference.
        answers: the rows.
        batch_size: rows at a time.
        cache: a folder in which they are kept for the next time, under a hash of the
            weights and the rows; where it cannot be written, nothing is kept. None for
            none.

    Returns:
        float32 `(rows,)`.
    """
    path = None
    if cache is not None:
        path = Path(cache) / f"{_key(model, answers)}.npy"
        if path.is_file():
            try:
                found = np.load(path, allow_pickle=False)
            except (OSError, ValueError):
                found = np.zeros(0)
            if found.shape == (len(answers.tokens),):
                return found

    @tf.function(autograph=False)
    def measure(tokens: tf.Tensor, is_answer: tf.Tensor) -> tf.Tensor:
        return answer_log_probs(model, tokens, is_answer)

    rows = range(0, len(answers.tokens), batch_size)
    parts = [
        measure(*(tf.constant(each[i : i + batch_size]) for each in answers)).numpy()
        for i in rows
    ]
    values = np.concatenate(parts)
    if path is not None:
        with contextlib.suppress(OSError, StorageError):
            os.makedirs(path.parent, exist_ok=True)
            with atomic_file(path) as beside, open(beside, "wb") as file:
                np.save(file, values, allow_pickle=False)
    return values


def _key(model: GPT, answers: Answers) -> str:
    digest = hashlib.sha256(base_hash(model).encode())
    for _, found in adapted_layers(model):
        for name, weight in found.active.items():
            digest.update(f"{name}|{weight}|{found.options[name]}".encode())
            for variable in found.parts(name).values():
                digest.update(variable.numpy().tobytes())
    for array in answers:
        digest.update(f"{array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()[:32]
