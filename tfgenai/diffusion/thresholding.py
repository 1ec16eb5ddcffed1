"""Thresholding: keeps estimates of the data in the range that data have."""

import tensorflow as tf

THRESHOLDINGS = ("static", "dynamic", "none")
_QUANTILE = 0.995


def threshold(x0: tf.Tensor, how: str) -> tf.Tensor:
    """Keeps data estimates in [-1, 1].

    Args:
        x0: float32 `(batch, ...)`.
        how: `"static"` clips; `"dynamic"` divides each row by the 99.5 % quantile of
            its magnitudes where that is above 1, then clips, which keeps strong
            guidance from saturating: Saharia et al. 2022, "Photorealistic Text-to-Image
            Diffusion Models with Deep Language Understanding", arXiv:2205.11487,
            section 2.3; `"none"` leaves them.

    Returns:
        Tensor like `x0`.
    """
    if how == "none":
        return x0
    if how == "static":
        return tf.clip_by_value(x0, -1.0, 1.0)
    flat = tf.reshape(tf.abs(x0), (tf.shape(x0)[0], -1))
    size = 1
    for side in x0.shape[1:]:
        size *= side
    largest = max(1, round(size * (1.0 - _QUANTILE)))
    limit = tf.maximum(tf.math.top_k(flat, largest).values[:, -1], 1.0)
    limit = tf.reshape(limit, (-1,) + (1,) * (x0.shape.rank - 1))
    return tf.clip_by_value(x0, -limit, limit) / limit
