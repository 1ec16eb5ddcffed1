"""Tokenizer: what every tokenizer can do, in Python and inside a graph."""

import abc
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfgenai.core import storage
from tfgenai.core.errors import DataError
from tfgenai.core.registry import Registry

END_TEXT = "<|endoftext|>"
TOKENIZERS: Registry[type["Tokenizer"]] = Registry("tokenizer")

_FILE = "tokenizer.json"


class Tokenizer(abc.ABC):
    """Turns text into token ids and back.

    `encode_rows` and `decode_rows` are made of TensorFlow's core ops and of constants,
    without lookup tables, so that a graph which holds them runs in a process that knows
    nothing but TensorFlow. They agree with `encode` and `decode` to the last token.

    Attributes:
        vocabulary_size: ids are 0 … `vocabulary_size` - 1.
        end_token: id that stands before, between and after documents. Text never gives
            it, not even text that spells it, and it decodes to nothing.
    """

    vocabulary_size: int
    end_token: int

    # ---- in Python -----------------------------------------------------------

    def encode(self, text: str) -> np.ndarray:
        """Tokens of a text.

        Args:
            text: any text without lone surrogates.

        Returns:
            int32 `(tokens,)`, never with `end_token`.

        Raises:
            TypeError: if it is no `str`.
            ValueError: if it is not Unicode, or holds what has no token.
        """
        if not isinstance(text, str):
            raise TypeError(
                f"A str was expected. Received: text of {type(text).__name__}. Decode "
                "bytes with .decode('utf-8') first."
            )
        try:
            return self._encode(text)
        except UnicodeEncodeError as error:
            raise ValueError(
                "Text that UTF-8 can write was expected. Received: a lone surrogate "
                f"{text[error.start]!r} at character {error.start}. Remove it, or read "
                "the file with errors='replace'."
            ) from error

    def decode(self, tokens: Any) -> str:
        """Text of tokens.

        Args:
            tokens: integers `(tokens,)`.

        Returns:
            The text; bytes that are no UTF-8 become U+FFFD, as in
            `bytes.decode("utf-8", errors="replace")`.

        Raises:
            ValueError: if a token is none of the vocabulary.
        """
        tokens = np.asarray(tokens)
        if tokens.ndim != 1 or (tokens.size and tokens.dtype.kind not in "iu"):
            raise ValueError(
                "Integers of shape (tokens,) were expected. Received: tokens of shape "
                f"{tokens.shape}, {tokens.dtype}. Decode one row at a time."
            )
        bad = (tokens < 0) | (tokens >= self.vocabulary_size)
        if bad.any():
            raise ValueError(
                f"Tokens in [0, {self.vocabulary_size}) were expected. Received: "
                f"tokens[{np.argmax(bad)}]={tokens[np.argmax(bad)]}. Cut padding off."
            )
        pieces = self.token_bytes()
        return b"".join([pieces[token] for token in tokens.tolist()]).decode(
            "utf-8", errors="replace"
        )

    @abc.abstractmethod
    def token_bytes(self) -> list[bytes]:
        """The bytes of each token; `b""` of `end_token`."""

    @abc.abstractmethod
    def _encode(self, text: str) -> np.ndarray: ...

    # ---- in a graph ----------------------------------------------------------

    def encode_rows(
        self, texts: tf.Tensor, max_tokens: int | tf.Tensor, *, name: str = "prompts"
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Tokens of each text, inside a graph.

        Args:
            texts: string `(batch,)`.
            max_tokens: columns of the result; further tokens are cut off.
            name: what the caller calls the texts, for the errors.

        Returns:
            Tokens, int32 `(batch, max_tokens)` with 0 behind the last; how many tokens
            the text has, int32 `(batch,)`, more than `max_tokens` where some were cut
            off; and string `(batch,)`, empty where the row is fine. A row with an error
            has no tokens.
        """
        valid = texts == tf.strings.unicode_transcode(
            texts, "UTF-8", "UTF-8", errors="replace"
        )
        invalid = f"{name}: UTF-8 text was expected. Received: bytes that are not."
        tokens, num_tokens, unknown = self._encode_valid_rows(
            tf.where(valid, texts, ""), tf.convert_to_tensor(max_tokens, tf.int32)
        )
        unknown = tf.where(unknown == "", unknown, tf.strings.join([name, unknown]))
        return tokens, num_tokens, tf.where(valid, unknown, invalid)

    def decode_rows(self, tokens: tf.Tensor, num_tokens: tf.Tensor) -> tf.Tensor:
        """Text of each row, inside a graph.

        Args:
            tokens: int32 `(batch, tokens)`; numbers outside of the vocabulary stand for
                nothing.
            num_tokens: int32 `(batch,)`, how many of them count.

        Returns:
            string `(batch,)`, UTF-8, equal to `decode` of the tokens that count.
        """
        inside = (tokens >= 0) & (tokens < self.vocabulary_size)
        inside &= tf.range(tf.shape(tokens)[1]) < num_tokens[:, tf.newaxis]
        # An array of objects: NumPy's own byte strings lose zeros at their end.
        pieces = tf.constant(np.array(self.token_bytes(), object))
        joined = tf.strings.reduce_join(
            tf.gather(pieces, tf.where(inside, tokens, self.end_token)), axis=1
        )
        return tf.strings.unicode_transcode(joined, "UTF-8", "UTF-8", errors="replace")

    @abc.abstractmethod
    def _encode_valid_rows(
        self, texts: tf.Tensor, max_tokens: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """`encode_rows` of valid UTF-8; errors lack the name they begin with."""

    # ---- files ---------------------------------------------------------------

    @abc.abstractmethod
    def get_config(self) -> dict[str, Any]:
        """Everything that makes this tokenizer again."""

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Tokenizer":
        """Makes a tokenizer of what `get_config` returned."""
        return cls(**config)

    def save_assets(self, folder: storage.PathLike) -> None:
        """Writes `tokenizer.json` into a folder.

        Raises:
            StorageError: if the folder cannot be written to.
        """
        storage.write_text(Path(folder) / _FILE, self._asset_text())

    @classmethod
    def from_assets(cls, folder: storage.PathLike) -> "Tokenizer":
        """Reads what `save_assets` wrote, or a `tokenizer.json` of byte-level BPE.

        Raises:
            StorageError: if the file cannot be read.
            DataError: if it is no tokenizer that this package knows.
        """
        path = Path(folder) / _FILE
        values = storage.read_json(path)
        if isinstance(values, dict) and "model" in values:
            return TOKENIZERS.get("bpe").from_file(path)  # type: ignore[attr-defined]
        try:
            return TOKENIZERS.get(values["name"]).from_config(values["config"])
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(
                "The file of a tokenizer was expected. Received: "
                f"path={os.fspath(path)!r} ({error!r}). Save it again with "
                "Tokenizer.save_assets."
            ) from error

    def _asset_text(self) -> str:
        from json import dumps

        name = next(n for n in TOKENIZERS if TOKENIZERS.get(n) is type(self))
        return dumps({"name": name, "config": self.get_config()}, ensure_ascii=False)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Tokenizer):
            return NotImplemented
        return type(self) is type(other) and self.get_config() == other.get_config()

    def __hash__(self) -> int:
        return hash((type(self), self.vocabulary_size))


def get(value: Any) -> Tokenizer:
    """Returns a tokenizer that an object, a name or a saved config stands for.

    Args:
        value: a `Tokenizer`, "byte", or what `keras.saving.serialize_keras_object`
            made of a tokenizer.

    Raises:
        TypeError: if it is none of them.
        ValueError: if there is no tokenizer of that name, or if it must be trained.
    """
    if isinstance(value, dict) and "class_name" in value:
        value = keras.saving.deserialize_keras_object(value)
    if isinstance(value, str):
        if value in TOKENIZERS and value != "byte":
            raise ValueError(
                "A tokenizer that needs no training was expected. Received: "
                f"tokenizer={value!r}. Give tokenizer={value!r} to tfgenai.data.load "
                "and pass on dataset.tokenizer."
            )
        value = TOKENIZERS.create(value)
    if not isinstance(value, Tokenizer):
        raise TypeError(
            f"A Tokenizer or 'byte' was expected. Received: tokenizer={value!r}. See "
            "tfgenai.data.tokenizers."
        )
    return value


def rows_of_flat(
    tokens: tf.Tensor, counts: tf.Tensor, max_tokens: tf.Tensor
) -> tf.Tensor:
    """Rows of tokens that stand one after another.

    Args:
        tokens: int32 `(n,)`.
        counts: int32 `(batch,)`, tokens of each row; sums to n.
        max_tokens: int32 `()`, columns; further tokens are cut off.

    Returns:
        int32 `(batch, max_tokens)` with 0 behind the last.
    """
    row = tf.repeat(tf.range(tf.size(counts)), counts)
    column = tf.range(tf.size(tokens)) - tf.gather(
        tf.cumsum(counts, exclusive=True), row
    )
    inside = column < max_tokens
    return tf.scatter_nd(
        tf.boolean_mask(tf.stack([row, column], axis=1), inside),
        tf.boolean_mask(tokens, inside),
        tf.stack([tf.size(counts), max_tokens]),
    )


def no_errors(texts: tf.Tensor) -> tf.Tensor:
    """Empty strings, one a row."""
    return tf.fill(tf.shape(texts), "")


def check_texts(texts: Any) -> Sequence[str]:
    """Returns the texts a tokenizer is to be trained on; one `str` stands for itself.

    Raises:
        TypeError: if one is no `str`.
        ValueError: if there is nothing to learn from.
    """
    texts = [texts] if isinstance(texts, str) else list(texts)
    for text in texts:
        if not isinstance(text, str):
            raise TypeError(
                "A str or a list of them was expected. Received: texts with "
                f"{type(text).__name__}."
            )
    if not any(texts):
        raise ValueError(
            "Text to train a tokenizer on was expected. Received: texts without any "
            "characters."
        )
    return texts
