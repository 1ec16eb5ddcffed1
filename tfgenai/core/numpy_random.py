"""Seeds, and NumPy's generator for data preparation: what needs no TensorFlow."""

from typing import Any

import numpy as np

SEED_LIMIT = 2**63


def check_seed(seed: Any) -> int:
    """Returns `seed` as an int.

    Raises:
        ValueError: if it is not an integer in [0, 2**63).
    """
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)):
        raise ValueError(
            f"An integer seed was expected. Received: seed={seed!r}. "
            "Give a whole number such as seed=0."
        )
    if not 0 <= int(seed) < SEED_LIMIT:
        raise ValueError(
            f"A seed in [0, 2**63) was expected. Received: seed={seed}. "
            "Choose a smaller, non-negative number."
        )
    return int(seed)


def numpy_generator(seed: int, *streams: int) -> np.random.Generator:
    """A NumPy generator for data preparation, a function of its arguments alone.

    Args:
        seed: int in [0, 2**63).
        *streams: non-negative integers that set independent uses apart.

    Returns:
        `np.random.Generator` on Philox.
    """
    sequence = np.random.SeedSequence([check_seed(seed), *streams])
    return np.random.Generator(np.random.Philox(sequence))
