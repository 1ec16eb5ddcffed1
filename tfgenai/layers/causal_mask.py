"""Which tokens may look at which: the past, of the same document, within a window."""

from typing import NamedTuple

import tensorflow as tf


class Visibility(NamedTuple):
    """Who sees whom, and where everyone stands.

    Args:
        mask: bool `(batch or 1, 1, tokens, keys)`, True where a token sees a key.
        positions: int32 `(batch or 1, tokens)`, from 0 in each document.
    """

    mask: tf.Tensor
    positions: tf.Tensor


def causal_visibility(
    tokens: tf.Tensor,
    *,
    end_token: int | None = None,
    sliding_window: int | None = None,
) -> Visibility:
    """Visibility among the tokens of whole sequences.

    A token sees itself and what came before it in its document. Padding is seen by
    nobody and has no place in the count, wherever it stands: a sequence padded on the
    left has the positions that it has without.

    Args:
        tokens: int32 `(batch, tokens)`; negative ones are padding.
        end_token: the token that begins each document, or None: a sequence is one
            document.
        sliding_window: number of tokens that are seen, the newest ones; None for all.

    Returns:
        A `Visibility` with as many keys as tokens.

    Example:
        >>> seen = causal_visibility(tf.constant([[-1, 9, 5, 9, 7]]), end_token=9)
        >>> seen.positions.numpy().tolist()
        [[0, 0, 1, 0, 1]]
    """
    length = tf.shape(tokens)[1]
    index = tf.range(length)
    seen = index[:, tf.newaxis] >= index
    is_token = tokens >= 0
    seen = seen & is_token[:, tf.newaxis, :]
    if end_token is not None:
        document = tf.cumsum(tf.cast(tokens == end_token, tf.int32), axis=1)
        seen &= document[:, :, tf.newaxis] == document[:, tf.newaxis, :]
    # What a token sees, less itself, is what came before it.
    count = tf.reduce_sum(tf.cast(seen, tf.int32), axis=-1)
    positions = tf.maximum(count - 1, 0)
    if sliding_window is not None:
        place = tf.cumsum(tf.cast(is_token, tf.int32), axis=1)
        distance = place[:, :, tf.newaxis] - place[:, tf.newaxis, :]
        seen &= distance < sliding_window
    return Visibility(seen[:, tf.newaxis], positions)


def cached_visibility(
    positions: tf.Tensor, cache_length: int, *, sliding_window: int | None = None
) -> Visibility:
    """Visibility of new tokens among the keys of a cache, one slot a position.

    Args:
        positions: int32 `(batch, tokens)`, of the new tokens.
        cache_length: slots in the cache.
        sliding_window: number of tokens that are seen; None for all.

    Returns:
        A `Visibility` with as many keys as slots.
    """
    slots = tf.range(cache_length)
    seen = slots <= positions[:, :, tf.newaxis]
    if sliding_window is not None:
        seen &= slots > positions[:, :, tf.newaxis] - sliding_window
    return Visibility(seen[:, tf.newaxis], positions)
