"""Where a row's context begins: what of a text the model still looks back on."""

import tensorflow as tf


def context_start(num_tokens: tf.Tensor, max_sequence_length: int) -> tf.Tensor:
    """The first token that is seen of a text that may be longer than the model sees.

    Texts that fit begin at 0. Of longer ones the oldest half of a context is dropped
    each time it is full: the start is a multiple of half of `max_sequence_length`. It
    depends on the length of the text alone, so that a text that is written in chunks,
    by different servers, goes on as one that is written at once; and a cache is made
    anew once in half a context instead of with every token.

    Args:
        num_tokens: int32 `(batch,)`, tokens in the text.
        max_sequence_length: the most that the model sees.

    Returns:
        int32 `(batch,)`; what remains is shorter than `max_sequence_length`, so that
        one token more fits.

    Example:
        >>> context_start(tf.constant([3, 7, 8, 11, 12]), 8).numpy().tolist()
        [0, 0, 4, 4, 8]
    """
    half = max(max_sequence_length // 2, 1)
    over = num_tokens - max_sequence_length + 1
    return tf.maximum((over + half - 1) // half, 0) * half


def read_context(
    history: tf.Tensor, num_tokens: tf.Tensor, start: tf.Tensor, width: int
) -> tuple[tf.Tensor, tf.Tensor]:
    """The tokens from `start` on, and how many they are.

    Args:
        history: int32 `(batch, slots)`, texts from slot 0 on.
        num_tokens: int32 `(batch,)`, tokens in each.
        start: int32 `(batch,)`.
        width: the most that are read.

    Returns:
        int32 `(batch, width)`, what is behind the text means nothing; int32 `(batch,)`.
    """
    places = start[:, tf.newaxis] + tf.range(width)
    places = tf.minimum(places, tf.shape(history)[1] - 1)
    return tf.gather(history, places, batch_dims=1), num_tokens - start
