"""The floating-point operations a second that a device reaches on a large product."""

import time
from collections.abc import Callable

import tensorflow as tf

_FIRST_SIZE = 512
# A product must take so long that what is around it does not count.
_LEAST_SECONDS = 0.02
_ROUNDS = 5


def peak_flops(dtype: str = "float32") -> float:
    """Measures the best of a few products of two large square matrices.

    What a model does is compared with this and not with a data sheet: it is what the
    same library reaches on the same device, with the threads that it was given.

    Args:
        dtype: what the products are computed in.

    Returns:
        Operations a second; a product of matrices of n rows has `2 * n**3`.

    Example:
        >>> peak_flops() > 1e8
        True
    """
    size = _FIRST_SIZE
    seconds = _best_time(_product(size, dtype))
    while seconds < _LEAST_SECONDS:
        size *= 2
        seconds = _best_time(_product(size, dtype))
    return 2.0 * size**3 / seconds


def _product(size: int, dtype: str) -> Callable[[], tf.Tensor]:
    values = tf.fill((size, size), tf.constant(1.0 / size, dtype))
    product = tf.function(lambda x: tf.reduce_sum(tf.matmul(x, x)), autograph=False)
    return lambda: product(values)


def _best_time(product: Callable[[], tf.Tensor]) -> float:
    product().numpy()  # traced, and the threads are awake
    seconds = []
    for _ in range(_ROUNDS):
        began = time.perf_counter()
        product().numpy()
        seconds.append(time.perf_counter() - began)
    return min(seconds)
