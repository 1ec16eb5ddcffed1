"""ByteTokenizer: one token for each byte of UTF-8."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfgenai.data.tokenizers.tokenizer import (
    TOKENIZERS,
    Tokenizer,
    no_errors,
    rows_of_flat,
)


@TOKENIZERS.register("byte")
@keras.saving.register_keras_serializable("tfgenai")
class ByteTokenizer(Tokenizer):
    """Tokens 0 … 255 are bytes of UTF-8, 256 is the end of a document.

    It needs no training and no text is unknown to it.

    Example:
        >>> tokenizer = ByteTokenizer()
        >>> tokenizer.encode("né").tolist()
        [110, 195, 169]
        >>> tokenizer.decode([110, 195])
        'n�'
    """

    vocabulary_size = 257
    end_token = 256

    def token_bytes(self) -> list[bytes]:
        """See `Tokenizer.token_bytes`."""
        return [bytes([value]) for value in range(256)] + [b""]

    def get_config(self) -> dict[str, Any]:
        """See `Tokenizer.get_config`."""
        return {}

    def _encode(self, text: str) -> np.ndarray:
        return np.frombuffer(text.encode("utf-8"), np.uint8).astype(np.int32)

    def _encode_valid_rows(
        self, texts: tf.Tensor, max_tokens: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        counts = tf.strings.length(texts)
        return (
            rows_of_flat(bytes_of(texts), counts, max_tokens),
            counts,
            no_errors(texts),
        )


def bytes_of(texts: tf.Tensor) -> tf.Tensor:
    """The bytes of all rows of string `(batch,)`, one after another; int32 `(n,)`."""
    flat = tf.io.decode_raw(tf.strings.reduce_join(texts), tf.uint8)
    return tf.cast(flat, tf.int32)
