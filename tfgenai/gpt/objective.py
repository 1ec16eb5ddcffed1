"""What a language model minimises: the cross-entropy of the next token."""

import tensorflow as tf

from tfgenai.core.likelihoods.categorical import cross_entropy


def next_token_losses(logits: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
    """-log p(target) of each token, in nats.

    Args:
        logits: float32 `(batch, tokens, vocabulary_size)`.
        targets: int32 `(batch, tokens)`; negative ones are padding, whose value here
            means nothing.

    Returns:
        float32 `(batch, tokens)`.
    """
    return cross_entropy(tf.maximum(targets, 0), logits)


def target_weights(
    targets: tf.Tensor, mask: tf.Tensor | None, sample_weight: tf.Tensor | None
) -> tf.Tensor:
    """How much each target counts; 0 for padding and for what is masked.

    Args:
        targets: int32 `(batch, tokens)`; negative ones are padding.
        mask: `(batch, tokens)`, what is a target, or None for all.
        sample_weight: `(batch,)` or `(batch, tokens)`, or None.

    Returns:
        float32 `(batch, tokens)`.
    """
    weights = tf.cast(targets >= 0, tf.float32)
    if mask is not None:
        weights *= tf.cast(mask, tf.float32)
    if sample_weight is not None:
        given = tf.cast(sample_weight, tf.float32)
        weights *= given[:, tf.newaxis] if given.shape.rank == 1 else given
    return weights


def mean_per_token(values: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
    """Weighted mean over the tokens of a batch; 0 of none.

    Args:
        values: float32 `(batch, tokens)`.
        weights: float32 `(batch, tokens)`.

    Returns:
        float32 scalar.

    Example:
        >>> values, weights = tf.constant([[1.0, 5.0]]), tf.constant([[3.0, 1.0]])
        >>> float(mean_per_token(values, weights))
        2.0
    """
    total = tf.reduce_sum(weights)
    return tf.math.divide_no_nan(tf.reduce_sum(values * weights), total)
