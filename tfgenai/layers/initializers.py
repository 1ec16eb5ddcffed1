"""Initial weights that are a function of one seed and the order of the weights."""

import tfgenai.core.backend  # noqa: F401  # isort: skip

import keras

from tfgenai.core import random


class Initializers:
    """Hands out initializers; each has the next seed of the stream.

    Args:
        seed: int in [0, 2**63).
        *streams: non-negative integers that set independent uses of `seed` apart.

    Example:
        >>> first, second = Initializers(0).lecun(), Initializers(0).lecun()
        >>> bool((first((2, 3)) == second((2, 3))).numpy().all())
        True
    """

    def __init__(self, seed: int, *streams: int) -> None:
        self._generator = random.numpy_generator(seed, *streams)

    def lecun(self) -> keras.initializers.Initializer:
        """Normal, variance 1 / fan-in: keeps signals through a linear layer."""
        return keras.initializers.LecunNormal(seed=self.next_seed())

    def normal(self, stddev: float) -> keras.initializers.Initializer:
        """Normal of a given standard deviation."""
        return keras.initializers.RandomNormal(stddev=stddev, seed=self.next_seed())

    def next_seed(self) -> int:
        """The next seed of the stream, for a layer that makes its own weights."""
        return int(self._generator.integers(2**31 - 1))
