"""CharTokenizer: one token for each character of a fixed set."""

import functools
from collections.abc import Iterable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfgenai.data.tokenizers.tokenizer import (
    TOKENIZERS,
    Tokenizer,
    check_texts,
    rows_of_flat,
)


@TOKENIZERS.register("char")
@keras.saving.register_keras_serializable("tfgenai")
class CharTokenizer(Tokenizer):
    """Tokens are characters in the order of their code points, then the end token.

    Other characters have no token: `encode` raises, a row of a graph gets an error.

    Args:
        characters: the characters, in any order.

    Example:
        >>> tokenizer = CharTokenizer.train("to be or not to be")
        >>> tokenizer.get_config()
        {'characters': ' benort'}
        >>> tokenizer.encode("robe").tolist()
        [5, 4, 1, 2]
    """

    def __init__(self, characters: str) -> None:
        self.characters = "".join(sorted(set(characters)))
        self._code_points = _code_points(self.characters)
        if not self.characters:
            raise ValueError(
                "One character or more was expected. Received: characters=''. Train "
                "on the text with CharTokenizer.train."
            )
        self.end_token = len(self.characters)
        self.vocabulary_size = self.end_token + 1

    @classmethod
    def train(cls, texts: str | Iterable[str]) -> "CharTokenizer":
        """Makes a tokenizer of every character that occurs in the texts.

        Raises:
            TypeError: if one of them is no `str`.
            ValueError: if they are empty, or hold a lone surrogate.
        """
        found: set[str] = set()
        for text in check_texts(texts):
            found.update(text)
        return cls("".join(found))

    def token_bytes(self) -> list[bytes]:
        """See `Tokenizer.token_bytes`."""
        return list(self._token_bytes)

    @functools.cached_property
    def _token_bytes(self) -> list[bytes]:
        return [character.encode("utf-8") for character in self.characters] + [b""]

    def get_config(self) -> dict[str, Any]:
        """See `Tokenizer.get_config`."""
        return {"characters": self.characters}

    def _encode(self, text: str) -> np.ndarray:
        code_points = _code_points(text)
        tokens = np.searchsorted(self._code_points, code_points)
        tokens = np.minimum(tokens, len(self._code_points) - 1)
        unknown = self._code_points[tokens] != code_points
        if unknown.any():
            kinds = "".join(map(chr, np.unique(code_points[unknown])[:10]))
            raise ValueError(
                f"Characters of the tokenizer's {len(self.characters)} were expected. "
                f"Received: text with others such as {kinds!r}, the first at character "
                f"{np.argmax(unknown)}. Remove them, train the tokenizer on text that "
                "has them, or use tokenizer='byte'."
            )
        return tokens.astype(np.int32)

    def _encode_valid_rows(
        self, texts: tf.Tensor, max_tokens: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        rows = tf.strings.unicode_decode(texts, "UTF-8")
        known = tf.constant(self._code_points, tf.int32)
        tokens = tf.searchsorted(known, rows.values)
        tokens = tf.minimum(tokens, len(self._code_points) - 1)
        unknown = tf.gather(known, tokens) != rows.values

        counts = tf.cast(rows.row_lengths(), tf.int32)
        row = tf.repeat(tf.range(tf.size(counts)), counts)
        nowhere = tf.int32.max
        first = tf.math.unsorted_segment_min(
            tf.where(unknown, tf.range(tf.size(row)), nowhere), row, tf.size(counts)
        )
        bad = first < nowhere
        column = first - tf.cumsum(counts, exclusive=True)
        code_point = tf.fill(tf.shape(bad), ord("?"))
        code_point = tf.tensor_scatter_nd_update(
            code_point, tf.where(bad), tf.gather(rows.values, first[bad])
        )
        error = tf.strings.join(
            [
                f": characters of the model's {len(self.characters)} were expected. "
                "Received: '",
                tf.strings.unicode_encode(code_point[:, tf.newaxis], "UTF-8"),
                "' at character ",
                tf.strings.as_string(column),
                ".",
            ]
        )
        counts = tf.where(bad, 0, counts)
        tokens = tf.boolean_mask(tokens, ~tf.gather(bad, row))
        return (
            rows_of_flat(tokens, counts, max_tokens),
            counts,
            tf.where(bad, error, ""),
        )


def _code_points(text: str) -> np.ndarray:
    return np.frombuffer(text.encode("utf-32-le"), np.uint32).astype(np.int32)
