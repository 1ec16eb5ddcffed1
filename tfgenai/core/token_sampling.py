"""From logits to the next token: temperature, truncation and penalties, row by row.

Each row has its own settings and its own uniform number, and is drawn by inverting the
cumulative distribution in the order of the vocabulary. So what a row draws depends on
nothing but its logits, its settings and its number.
"""

import tensorflow as tf

from tfgenai.core import random

REMOVED = -1e9  # a logit of what is left out: its probability is 0, and nothing is NaN
_WORDS, _BLOCK = 4, 64  # words of a call of Philox; numbers that are drawn together


def token_uniforms(seeds: tf.Tensor, num_tokens: int) -> tf.Tensor:
    """The numbers that tokens are drawn with; number i depends on seed and i alone.

    Args:
        seeds: int64 `(batch,)`.
        num_tokens: how many.

    Returns:
        float32 `(batch, num_tokens)` in [0, 1); the first k of n are those of k.
    """
    size = -(-num_tokens // _BLOCK) * _BLOCK
    # One column a word, one row a call: read by rows, numbers keep their places
    # however many there are.
    columns = random.row_uniform(seeds, (_WORDS, size // _WORDS))
    rows = tf.transpose(columns, (0, 2, 1))
    return tf.reshape(rows, (-1, size))[:, :num_tokens]


def draw_tokens(
    logits: tf.Tensor,
    uniforms: tf.Tensor,
    *,
    temperature: tf.Tensor,
    top_k: tf.Tensor,
    top_p: tf.Tensor,
    min_p: tf.Tensor,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Draws one token a row.

    The logits are divided by the temperature; then tokens are left out by top-k (Fan et
    al. 2018, arXiv:1805.04833), of the rest by top-p (Holtzman et al. 2020, "The
    Curious Case of Neural Text Degeneration", arXiv:1904.09751, section 3.1), and of
    the rest by min-p (Nguyen et al. 2024, arXiv:2407.01082, section 3). Tokens that are
    equally likely are kept or left out together.

    Args:
        logits: float32 `(batch, vocabulary_size)`.
        uniforms: float32 `(batch,)` in [0, 1).
        temperature: float32 `(batch,)`; 0 takes the likeliest token.
        top_k: int32 `(batch,)`, number of tokens kept; 0 for all.
        top_p: float32 `(batch,)` in (0, 1], probability that the kept ones reach.
        min_p: float32 `(batch,)` in [0, 1], least probability over the largest.

    Returns:
        int32 `(batch,)`, and float32 `(batch,)`: the log-probability of each in nats
        under the distribution that it was drawn from; 0 where it was the likeliest
        token at temperature 0.

    Example:
        >>> tokens, _ = draw_tokens(
        ...     tf.constant([[0.0, 2.0, 1.0]]),
        ...     tf.constant([0.9]),
        ...     temperature=tf.constant([0.0]),
        ...     top_k=tf.constant([0]),
        ...     top_p=tf.constant([1.0]),
        ...     min_p=tf.constant([0.0]),
        ... )
        >>> tokens.numpy().tolist()
        [1]
    """
    log_probs = token_log_probs(
        logits, temperature=temperature, top_k=top_k, top_p=top_p, min_p=min_p
    )
    tokens = invert_cdf(tf.exp(log_probs), uniforms)
    return tokens, tf.gather(log_probs, tokens, batch_dims=1)


def token_log_probs(
    logits: tf.Tensor,
    *,
    temperature: tf.Tensor,
    top_k: tf.Tensor,
    top_p: tf.Tensor,
    min_p: tf.Tensor,
) -> tf.Tensor:
    """Log-probabilities of the distribution that `draw_tokens` draws from.

    Args:
        logits: float32 `(batch, vocabulary_size)`.
        temperature: see `draw_tokens`.
        top_k: see `draw_tokens`.
        top_p: see `draw_tokens`.
        min_p: see `draw_tokens`.

    Returns:
        float32 `(batch, vocabulary_size)`, nats; about -1e9 of what is left out.
    """
    is_greedy = (temperature <= 0.0)[:, tf.newaxis]
    # Below the largest, so that a temperature near 0 overflows to what is left out.
    scaled = logits - tf.reduce_max(logits, axis=-1, keepdims=True)
    scaled /= tf.where(is_greedy, 1.0, temperature[:, tf.newaxis])
    scaled = tf.maximum(scaled, REMOVED)
    # One sort costs more than the rest of a step; most requests need none.
    truncates = tf.reduce_any((top_k > 0) | (top_p < 1.0) | (min_p > 0.0))
    kept = tf.cond(
        truncates,
        lambda: truncated(scaled, top_k=top_k, top_p=top_p, min_p=min_p),
        lambda: scaled,
    )
    likeliest = tf.argmax(logits, -1, tf.int32)
    only = tf.range(logits.shape[-1]) == likeliest[:, tf.newaxis]
    certain = tf.where(only, 0.0, REMOVED)
    return tf.where(is_greedy, certain, tf.nn.log_softmax(kept))


def truncated(
    logits: tf.Tensor, *, top_k: tf.Tensor, top_p: tf.Tensor, min_p: tf.Tensor
) -> tf.Tensor:
    """Logits with those of the tokens that are left out far below all others.

    Args:
        logits: float32 `(batch, vocabulary_size)`, already divided by the temperature.
        top_k: see `draw_tokens`.
        top_p: see `draw_tokens`.
        min_p: see `draw_tokens`.

    Returns:
        float32 `(batch, vocabulary_size)`; the likeliest token always stays.
    """
    size = logits.shape[-1]
    ordered = tf.math.top_k(logits, k=size).values
    limit = tf.where(top_k > 0, tf.minimum(top_k, size), size)
    least = tf.gather(ordered, limit - 1, batch_dims=1)
    # Ties with the last one that is kept stay in, as they do below.
    ordered = tf.where(ordered >= least[:, tf.newaxis], ordered, REMOVED)
    probs = tf.nn.softmax(ordered)
    before = tf.cumsum(probs, axis=-1, exclusive=True)
    # Sums are rounded: without the second half a row that keeps all would lose its
    # tail to a neighbour that asks for less.
    wanted = (before < top_p[:, tf.newaxis]) | (top_p >= 1.0)[:, tf.newaxis]
    wanted &= probs >= min_p[:, tf.newaxis] * probs[:, :1]
    wanted &= ordered > REMOVED
    count = tf.maximum(tf.reduce_sum(tf.cast(wanted, tf.int32), axis=-1), 1)
    least = tf.gather(ordered, count - 1, batch_dims=1)
    return tf.where(logits >= least[:, tf.newaxis], logits, REMOVED)


def invert_cdf(probs: tf.Tensor, uniforms: tf.Tensor) -> tf.Tensor:
    """The first category at which the cumulative probability passes a number.

    Args:
        probs: float32 `(..., categories)`.
        uniforms: float32 `(...)` in [0, 1).

    Returns:
        int32 `(...)`; never a category of probability 0.
    """
    cumulative = tf.cumsum(probs, axis=-1)
    # Relative to the sum as it was computed, and below it by a rounding at least, so
    # that nothing falls off the end.
    shares = tf.minimum(uniforms, 1.0 - 2.0**-23)
    threshold = shares[..., tf.newaxis] * cumulative[..., -1:]
    return tf.reduce_sum(tf.cast(cumulative <= threshold, tf.int32), axis=-1)


def penalize_repetition(
    logits: tf.Tensor, seen: tf.Tensor, penalty: tf.Tensor
) -> tf.Tensor:
    """Makes tokens less likely that were there before.

    Keskar et al. 2019, "CTRL", arXiv:1909.05858, section 4.1: positive logits are
    divided by the penalty. Negative ones are multiplied by it, as is usual since, so
    that they do not become likelier.

    Args:
        logits: float32 `(batch, vocabulary_size)`.
        seen: bool `(batch, vocabulary_size)`.
        penalty: float32 `(batch,)`; 1 for none.

    Returns:
        float32 `(batch, vocabulary_size)`.
    """
    penalty = penalty[:, tf.newaxis]
    penalized = tf.where(logits > 0, logits / penalty, logits * penalty)
    return tf.where(seen, penalized, logits)
