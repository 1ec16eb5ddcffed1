"""Draws sequences of levels from a transformer, one cached pass for each value."""

import tensorflow as tf

from tfgenai.core.token_sampling import draw_tokens, token_uniforms
from tfgenai.layers import TransformerDecoder


def draw_sequences(
    decoder: TransformerDecoder,
    seeds: tf.Tensor,
    temperature: tf.Tensor,
    start: tf.Tensor,
    *,
    num_levels: int,
    known: tf.Tensor | None = None,
    is_known: tf.Tensor | None = None,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Draws sequences as long as the decoder sees, or their unknown values.

    Keys and values of what was drawn are kept, so that a value costs one pass of one
    token.

    Args:
        decoder: gives the logits of the next value, and of start tokens, which are not
            drawn.
        seeds: int64 `(batch,)`; row i depends on seeds[i] alone.
        temperature: float32 `(batch,)`; 0 takes the likeliest values.
        start: int32 `(batch,)`, the token that stands before the first value.
        num_levels: tokens 0 … `num_levels` - 1 are values.
        known: int32 `(batch, values)` where some values are known.
        is_known: bool `(batch, values)`, with `known`: which ones are kept.

    Returns:
        int32 `(batch, values)`, and their log-likelihood at temperature 1, nats
        `(batch,)`, known values included.
    """
    num_values = decoder.max_sequence_length
    batch = tf.shape(seeds)[0]
    uniforms = tf.transpose(token_uniforms(seeds, num_values))
    fused = decoder.fused()
    options = {
        "temperature": temperature,
        "top_k": tf.zeros_like(start),
        "top_p": tf.ones_like(temperature),
        "min_p": tf.zeros_like(temperature),
    }
    if known is not None and is_known is not None:
        known, is_known = tf.transpose(known), tf.transpose(is_known)

    def step(
        i: tf.Tensor,
        newest: tf.Tensor,
        drawn: tf.TensorArray,
        log_prob: tf.Tensor,
        cache: list,
    ) -> tuple:
        position = tf.fill(tf.stack([batch, 1]), i)
        hidden, cache = decoder.extend(newest[:, tf.newaxis], position, cache, fused)
        logits = decoder.logits(hidden[:, 0])[:, :num_levels]
        values, _ = draw_tokens(logits, uniforms[i], **options)
        if known is not None and is_known is not None:
            values = tf.where(is_known[i], known[i], values)
        log_prob += tf.gather(tf.nn.log_softmax(logits), values, batch_dims=1)
        return i + 1, values, drawn.write(i, values), log_prob, cache

    drawn = tf.TensorArray(tf.int32, num_values, element_shape=tf.TensorShape((None,)))
    first = (
        tf.constant(0),
        start,
        drawn,
        tf.zeros_like(temperature),
        decoder.empty_cache(batch, num_values),
    )
    _, _, drawn, log_prob, _ = tf.while_loop(
        lambda i, *_: i < num_values, step, first, parallel_iterations=1
    )
    return tf.transpose(drawn.stack()), log_prob
