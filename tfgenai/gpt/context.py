"""Where a row's context begins: what of a text the model still looks back on."""

import tensorflow as tf


def context_start(num_tokens: tf.Tensor, max_sequence_length: int) -> tf.Tensor:
    """The first token that is seen of a text that may be longer than the model sees.

    Texts that fit begin at 0. Of longer ones the oldest half of a context is dropped
    each time it overflows: the start is a multiple of half of `max_sequence_length`. It
    depends on the length of the text alone, so that a text that is written in chunks,
    by different servers, goes on as one that is written at once; and a cache is made
    anew once in half a context instead of with every token.

    Args:
        num_tokens: int32 `(batch,)`, tokens in the text.
        max_sequence_length: the most that the model sees.

    Returns:
        int32 `(batch,)`; what remains is at most `max_sequence_length`.

    Example:
        >>> context_start(tf.constant([3, 8, 9, 12, 13]), 8).numpy().tolist()
        [0, 0, 4, 4, 8]
    """
    half = max(max_sequence_length // 2, 1)
    over = num_tokens - max_sequence_length
    return tf.maximum((over + half - 1) // half, 0) * half


def last_document(
    tokens: tf.Tensor, num_tokens: tf.Tensor, end_token: int | None
) -> tuple[tf.Tensor, tf.Tensor]:
    """What is left of prompts when the documents before their last one are cut off.

    Whole sequences are seen document by document, and so must be what is in a cache.

    Args:
        tokens: int32 `(batch, slots)`, prompts from slot 0 on.
        num_tokens: int32 `(batch,)`, tokens in each.
        end_token: the token that begins each document, or None.

    Returns:
        int32 `(batch, slots)`, what is behind the text means nothing; int32 `(batch,)`.
    """
    if end_token is None:
        return tokens, num_tokens
    slots = tf.shape(tokens)[1]
    begins = (tokens == end_token) & tf.sequence_mask(num_tokens, slots)
    places = tf.where(begins, tf.range(slots), 0)
    return read_context(
        tokens, num_tokens, tf.reduce_max(places, axis=1), tokens.shape[1]
    )


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
