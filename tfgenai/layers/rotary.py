"""Rotary positions: queries and keys turned by angles that grow with the position."""

import tensorflow as tf


def rotary_angles(
    positions: tf.Tensor, head_dim: int, base: float = 10_000.0
) -> tuple[tf.Tensor, tf.Tensor]:
    """Cosines and sines of the angles of each position.

    Su et al. 2021, "RoFormer: Enhanced Transformer with Rotary Position Embedding",
    arXiv:2104.09864, section 3.2.2: component pair i of position m turns by
    m · base^(-2i / head_dim).

    Args:
        positions: int32 `(batch or 1, tokens)`.
        head_dim: length of a query of one head; even.
        base: what the wavelengths are powers of.

    Returns:
        Two float32 `(batch or 1, 1, tokens, head_dim / 2)`, to broadcast over heads.
    """
    exponent = tf.range(0, head_dim, 2, tf.float32) / head_dim
    rates = tf.pow(tf.constant(base, tf.float32), -exponent)
    angles = tf.cast(positions, tf.float32)[:, tf.newaxis, :, tf.newaxis] * rates
    return tf.cos(angles), tf.sin(angles)


def rotate(x: tf.Tensor, angles: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
    """Turns each component pair (i, i + head_dim / 2) by its angle.

    Pairs stand half a head apart, as in GPT-NeoX and Llama, so that the turn is two
    products of whole halves; the paper's neighbours are the same up to the order of
    components. It is computed in float32.

    Args:
        x: float `(batch, heads, tokens, head_dim)`.
        angles: what `rotary_angles` returned.

    Returns:
        Tensor like `x`.

    Example:
        >>> x = tf.constant([[[[1.0, 0.0]]]])
        >>> rotate(x, rotary_angles(tf.constant([[0]]), 2)).numpy().ravel().tolist()
        [1.0, 0.0]
    """
    cosine, sine = angles
    first, second = tf.split(tf.cast(x, tf.float32), 2, axis=-1)
    turned = tf.concat(
        [first * cosine - second * sine, second * cosine + first * sine], axis=-1
    )
    return tf.cast(turned, x.dtype)
