"""The only place that draws: stateless noise, one seed a step or one seed a row.

Training draws from one seed a step, `step_seed(seed, step, replica)`, so that a resumed
run sees the noise of the unbroken one. Generation draws from one seed a row, so that a
sample does not depend on what else is in its batch. Everything is Philox 4x32-10
(Salmon et al. 2011, "Parallel Random Numbers: As Easy as 1, 2, 3"), with or without
XLA.
"""

import contextlib
import math
import threading
from collections.abc import Iterator, Sequence

import numpy as np
import tensorflow as tf

from tfgenai.core.numpy_random import SEED_LIMIT as SEED_LIMIT
from tfgenai.core.numpy_random import check_seed as check_seed
from tfgenai.core.numpy_random import numpy_generator as numpy_generator

WIRE_SEED_BITS = 53  # the integers that JSON clients carry exactly

_ALGORITHM = "philox"
_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
_WEYL = (0x9E3779B9, 0xBB67AE85)
_ROUNDS = 10
_ROW_DOMAIN = 0x746667  # keeps row noise apart from other users of the same key
# Whole SIMD packets: a remainder would be computed by scalar code, which rounds
# differently, and then a row's noise would depend on its place in the batch.
_BLOCKS_MULTIPLE = 16

_scopes = threading.local()


# ---- seeds -------------------------------------------------------------------


def step_seed(
    seed: int, step: int | tf.Tensor, replica: int | tf.Tensor = 0
) -> tf.Tensor:
    """The seed of one training step on one replica.

    Args:
        seed: the model's seed, an int in [0, 2**63).
        step: number of the step, from 0; int or integer scalar tensor.
        replica: number of the replica, from 0; int or integer scalar tensor.

    Returns:
        int32 `(2,)`.
    """
    seed = check_seed(seed)
    words = np.array([seed & 0xFFFFFFFF, seed >> 32], np.uint32).view(np.int32)
    return fold(fold(tf.constant(words), step), replica)


def fold(seed: tf.Tensor, data: int | tf.Tensor) -> tf.Tensor:
    """Derives a new seed from `seed` and an integer.

    Args:
        seed: int32 `(2,)`.
        data: int or integer scalar tensor.

    Returns:
        int32 `(2,)`.
    """
    return tf.random.experimental.stateless_fold_in(
        seed, tf.cast(data, tf.int32), alg=_ALGORITHM
    )


def row_seeds(seed: int, n: int) -> np.ndarray:
    """The wire seeds of `n` rows: what `generate(n, seed=seed)` uses.

    They fit in 53 bits, so that every JSON client carries them exactly. The first
    `k` of `n` seeds are the seeds of `k` rows.

    Args:
        seed: int in [0, 2**63).
        n: number of rows.

    Returns:
        int64 `(n,)`.

    Example:
        >>> bool((row_seeds(7, 2) == row_seeds(7, 5)[:2]).all())
        True
    """
    bits = np.random.Philox(key=[check_seed(seed), _ROW_DOMAIN]).random_raw(n)
    return (np.asarray(bits, np.uint64) >> np.uint64(64 - WIRE_SEED_BITS)).astype(
        np.int64
    )


@contextlib.contextmanager
def seed_scope(seed: tf.Tensor) -> Iterator[None]:
    """Lets layers inside the block draw from `seed` without passing it along.

    The k-th layer that asks (`next_scoped_seed`) gets `fold(seed, k)`. The base model
    opens a scope around each step, so that dropout deep inside a network is a
    function of the model's seed and its step.

    Args:
        seed: int32 `(2,)`.
    """
    outer = getattr(_scopes, "current", None)
    _scopes.current = [seed, 0]
    try:
        yield
    finally:
        _scopes.current = outer


def next_scoped_seed() -> tf.Tensor | None:
    """The next seed of the innermost `seed_scope`, int32 `(2,)`; None outside."""
    current = getattr(_scopes, "current", None)
    if current is None:
        return None
    current[1] += 1
    return fold(current[0], current[1])


# ---- draws from one seed -----------------------------------------------------
#
# TensorFlow's own floats from one Philox seed differ under XLA (it converts bits
# otherwise, and takes normals from the inverse error function); only the integers
# are the same. So integers are drawn and converted here.


def normal(
    seed: tf.Tensor, shape: Sequence[int] | tf.Tensor, dtype: str = "float32"
) -> tf.Tensor:
    """Standard normal noise of `shape` from an int32 `(2,)` seed, as `row_normal`."""
    shape = tf.convert_to_tensor(shape, tf.int32)
    size = tf.reduce_prod(shape)
    half = (size + 1) // 2
    words = tf.cast(_words(seed, tf.stack([2, half])), tf.float32)
    noise = tf.concat(_box_muller(words[0], words[1]), axis=0)[:size]
    return tf.cast(tf.reshape(noise, shape), dtype)


def uniform(
    seed: tf.Tensor,
    shape: Sequence[int] | tf.Tensor,
    minval: float = 0.0,
    maxval: float = 1.0,
) -> tf.Tensor:
    """Uniform float32 noise in [minval, maxval) from an int32 `(2,)` seed."""
    return minval + (maxval - minval) * _unit_interval(_words(seed, shape))


def integers(
    seed: tf.Tensor, shape: Sequence[int] | tf.Tensor, maxval: int | tf.Tensor
) -> tf.Tensor:
    """Uniform int32 numbers in [0, maxval) from an int32 `(2,)` seed."""
    return tf.random.stateless_uniform(
        shape, seed, minval=0, maxval=maxval, dtype=tf.int32, alg=_ALGORITHM
    )


def bernoulli(seed: tf.Tensor, probs: tf.Tensor) -> tf.Tensor:
    """Independent draws that are 1.0 with probability `probs`, else 0.0.

    Args:
        seed: int32 `(2,)`.
        probs: float tensor of any shape, in [0, 1].

    Returns:
        float32 tensor of the same shape.
    """
    return tf.cast(uniform(seed, tf.shape(probs)) < probs, tf.float32)


def permutation(seed: tf.Tensor, n: int | tf.Tensor) -> tf.Tensor:
    """A random order of 0 … n-1 from an int32 `(2,)` seed; int64 `(n,)`; not XLA."""
    return tf.random.experimental.stateless_shuffle(
        tf.range(tf.cast(n, tf.int64)), seed, alg=_ALGORITHM
    )


# ---- draws from one seed a row -----------------------------------------------


def row_bits(
    seeds: tf.Tensor, num_values: int, stream: int | tf.Tensor = 0
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
    """Random 32-bit words; row `i` is a function of `seeds[i]` and `stream` alone.

    Philox 4x32-10 with the row's seed as key and (position, 0, stream, domain) as
    counter, written in integer operations, so all rows are drawn at once.

    Args:
        seeds: int64 `(batch,)`.
        num_values: words per row.
        stream: integer below 2**32 that sets apart the draws of one row, for
            example the number of a sampling step; int or integer scalar tensor.

    Returns:
        Four uint32 tensors `(batch, blocks)`, `4 * blocks >= num_values`.
    """
    blocks = -(-num_values // 4)
    blocks = -(-blocks // _BLOCKS_MULTIPLE) * _BLOCKS_MULTIPLE
    seeds = tf.bitcast(tf.cast(seeds, tf.int64), tf.uint64)[:, tf.newaxis]
    batch_of_zeros = tf.zeros_like(seeds, tf.uint32) + tf.zeros((1, blocks), tf.uint32)
    counter = (
        batch_of_zeros + tf.cast(tf.range(blocks), tf.uint32),
        batch_of_zeros,
        batch_of_zeros + tf.cast(stream, tf.uint32),
        batch_of_zeros + tf.constant(_ROW_DOMAIN, tf.uint32),
    )
    key = (_low(seeds), _high(seeds))
    return philox(counter, key)


def row_uniform(
    seeds: tf.Tensor, shape: Sequence[int], stream: int | tf.Tensor = 0
) -> tf.Tensor:
    """Uniform noise in [0, 1), one seed a row; see `row_bits`.

    Args:
        seeds: int64 `(batch,)`.
        shape: static shape of one row.
        stream: sets apart the draws of one row.

    Returns:
        float32 `(batch, *shape)`.
    """
    words = row_bits(seeds, math.prod(shape), stream)
    return _to_rows([_unit_interval(w) for w in words], shape)


def row_normal(
    seeds: tf.Tensor, shape: Sequence[int], stream: int | tf.Tensor = 0
) -> tf.Tensor:
    """Standard normal noise, one seed a row; see `row_bits`.

    Box & Muller 1958, "A Note on the Generation of Random Normal Deviates".

    Args:
        seeds: int64 `(batch,)`.
        shape: static shape of one row.
        stream: sets apart the draws of one row.

    Returns:
        float32 `(batch, *shape)`, |values| < 6.8.

    Example:
        >>> alone = row_normal(tf.constant([5], tf.int64), (3,))
        >>> both = row_normal(tf.constant([9, 5], tf.int64), (3,))
        >>> bool(tf.reduce_all(alone[0] == both[1]))
        True
    """
    w0, w1, w2, w3 = (
        tf.cast(w, tf.float32) for w in row_bits(seeds, math.prod(shape), stream)
    )
    floats = [*_box_muller(w0, w1), *_box_muller(w2, w3)]
    return _to_rows(floats, shape)


def philox(
    counter: Sequence[tf.Tensor], key: Sequence[tf.Tensor]
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
    """Philox 4x32 with 10 rounds, Salmon et al. 2011, section 3.3.

    Args:
        counter: four uint32 tensors of shapes that broadcast.
        key: two uint32 tensors of shapes that broadcast.

    Returns:
        Four uint32 tensors.
    """
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(_ROUNDS):
        product0 = tf.cast(c0, tf.uint64) * tf.constant(_MULTIPLIERS[0], tf.uint64)
        product1 = tf.cast(c2, tf.uint64) * tf.constant(_MULTIPLIERS[1], tf.uint64)
        c0 = tf.bitwise.bitwise_xor(tf.bitwise.bitwise_xor(_high(product1), c1), k0)
        c2 = tf.bitwise.bitwise_xor(tf.bitwise.bitwise_xor(_high(product0), c3), k1)
        c1, c3 = _low(product1), _low(product0)
        k0 = k0 + tf.constant(_WEYL[0], tf.uint32)
        k1 = k1 + tf.constant(_WEYL[1], tf.uint32)
    return c0, c1, c2, c3


def _words(seed: tf.Tensor, shape: Sequence[int] | tf.Tensor) -> tf.Tensor:
    return tf.random.stateless_uniform(
        shape, seed, minval=None, maxval=None, dtype=tf.uint32, alg=_ALGORITHM
    )


def _unit_interval(words: tf.Tensor) -> tf.Tensor:
    # 24 bits are what float32 holds exactly; rounding 32 could give 1.0.
    high = tf.bitwise.right_shift(words, tf.constant(8, tf.uint32))
    return tf.cast(high, tf.float32) * 2.0**-24


def _box_muller(radius: tf.Tensor, angle: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    # Both arguments are words cast to float32; + 0.5 keeps the logarithm finite.
    radius = tf.sqrt(-2.0 * tf.math.log((radius + 0.5) * 2.0**-32))
    angle = angle * (2.0 * math.pi * 2.0**-32)
    return radius * tf.cos(angle), radius * tf.sin(angle)


def _low(words: tf.Tensor) -> tf.Tensor:
    return tf.cast(
        tf.bitwise.bitwise_and(words, tf.constant(0xFFFFFFFF, tf.uint64)), tf.uint32
    )


def _high(words: tf.Tensor) -> tf.Tensor:
    return tf.cast(tf.bitwise.right_shift(words, tf.constant(32, tf.uint64)), tf.uint32)


def _to_rows(floats: Sequence[tf.Tensor], shape: Sequence[int]) -> tf.Tensor:
    flat = tf.concat(floats, axis=1)[:, : math.prod(shape)]
    return tf.reshape(flat, (-1, *shape))
