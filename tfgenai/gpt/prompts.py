"""Prompts: what a caller begins texts with, as checked rows of tokens."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from tfgenai.core.generation import require_positive

_LEAST_SLOTS = 16


@dataclasses.dataclass(frozen=True)
class Prompts:
    """Rows of tokens of different lengths.

    Args:
        tokens: one int32 `(tokens,)` a row, none of them empty.
    """

    tokens: tuple[np.ndarray, ...]

    def __len__(self) -> int:
        return len(self.tokens)

    def rows(self) -> tuple[np.ndarray, ...]:
        """The tokens of each row."""
        return self.tokens

    @property
    def width(self) -> int:
        """Tokens in the longest row."""
        return max(len(row) for row in self.tokens)

    def padded(self, slots: int) -> tuple[np.ndarray, np.ndarray]:
        """The rows as one array, int32 `(n, slots)`, and their lengths, int32 `(n,)`.

        Args:
            slots: columns, at least `width`; 0 stands behind the last token.
        """
        array = np.zeros((len(self.tokens), slots), np.int32)
        for row, tokens in zip(array, self.tokens, strict=True):
            row[: len(tokens)] = tokens
        return array, np.array([len(row) for row in self.tokens], np.int32)


def to_prompts(
    model: Any, prompts: Any, *, name: str = "prompts", what: str = "generate"
) -> Prompts:
    """Checks what a caller gave as prompts.

    Args:
        model: what they are for: `tokenizer`, `end_token`, `vocabulary_size` and
            `max_sequence_length` are looked at.
        prompts: a text or several, sequences of tokens, or a number of rows that begin
            with the token that begins documents.
        name: what the caller calls them.
        what: the method that the caller called.

    Raises:
        ValueError: if a prompt is empty, too long, or holds what is no token; it is
            named.
        TypeError: if it is none of these.
    """
    if isinstance(prompts, Prompts):
        return prompts
    if isinstance(prompts, (int, np.integer)) and not isinstance(prompts, bool):
        require_positive(name, prompts)
        if model.end_token is None:
            raise ValueError(
                "Prompts were expected, because the model has no token that begins "
                f"documents. Received: {name}={prompts}. Give one text a row."
            )
        start = np.array([model.end_token], np.int32)
        return Prompts((start,) * int(prompts))
    if isinstance(prompts, str):
        prompts = [prompts]
    if not isinstance(prompts, (Sequence, np.ndarray)) or not len(prompts):
        raise TypeError(
            "A text, a list of texts or of token ids, or a number was expected. "
            f"Received: {name}={prompts!r}. Give for example ['Once']."
        )
    return Prompts(
        tuple(
            _row(model, f"{name}[{i}]", prompt, what)
            for i, prompt in enumerate(prompts)
        )
    )


def _row(model: Any, place: str, prompt: Any, what: str) -> np.ndarray:
    if isinstance(prompt, str):
        tokens = model.require_tokenizer(what).encode(prompt)
    else:
        tokens = np.asarray(prompt)
        if tokens.ndim != 1 or (tokens.size and tokens.dtype.kind not in "iu"):
            raise TypeError(
                "A text or a row of integer tokens was expected. Received: "
                f"{place}={prompt!r}."
            )
    if not len(tokens):
        raise ValueError(
            f"One token or more was expected. Received: {place}, which is empty. To "
            "begin with nothing, generate takes a number of rows."
        )
    if len(tokens) > model.max_sequence_length:
        raise ValueError(
            f"At most {model.max_sequence_length} tokens were expected. Received: "
            f"{place} of {len(tokens)}. Keep its last ones."
        )
    bad = (tokens < 0) | (tokens >= model.vocabulary_size)
    if bad.any():
        raise ValueError(
            f"Tokens in [0, {model.vocabulary_size}) were expected. Received: "
            f"{place} with {tokens[bad][0]}. Encode it with the model's own "
            "tokenizer."
        )
    return tokens.astype(np.int32)


def next_size(count: int) -> int:
    """A power of two that holds `count`, so that one graph serves many lengths."""
    size = _LEAST_SLOTS
    while size < count:
        size *= 2
    return size
