"""Means over a batch whose examples have weights."""

import tensorflow as tf


def weighted_mean(values: tf.Tensor, sample_weight: tf.Tensor | None) -> tf.Tensor:
    """Mean over the batch; weights multiply each example's value, as in Keras.

    Args:
        values: float32 `(batch, ...)`.
        sample_weight: `(batch,)`, or None for equal weights.

    Returns:
        float32 `(...)`, the sum of the weighted values over the number of examples.

    Example:
        >>> float(weighted_mean(tf.constant([1.0, 3.0]), tf.constant([2.0, 0.0])))
        1.0
    """
    if sample_weight is not None:
        weight = tf.cast(sample_weight, tf.float32)
        shape = (-1,) + (1,) * (values.shape.rank - 1)
        values = values * tf.reshape(weight, shape)
    return tf.reduce_mean(values, axis=0)
