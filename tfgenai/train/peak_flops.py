"""The floating-point operations a second that a device reaches on a large product."""

import time

import tensorflow as tf

_SIZE = 1024
_ROUNDS = 5


def peak_flops(dtype: str = "float32", *, size: int = _SIZE) -> float:
    """Measures the best of a few products of two square matrices.

    What a model does is compared with this and not with a data sheet: it is what the
    same library reaches on the same device, with the threads that it was given.

    Args:
        dtype: what the products are computed in.
        size: rows of the matrices.

    Returns:
        Operations a second; a product has `2 * size**3`.

    Example:
        >>> peak_flops(size=64) > 1e6
        True
    """
    values = tf.fill((size, size), tf.constant(1.0 / size, dtype))
    product = tf.function(lambda x: tf.reduce_sum(tf.matmul(x, x)), autograph=False)
    product(values).numpy()  # traced, and the threads are awake
    seconds = []
    for _ in range(_ROUNDS):
        began = time.perf_counter()
        product(values).numpy()
        seconds.append(time.perf_counter() - began)
    return 2.0 * size**3 / max(min(seconds), 1e-9)
