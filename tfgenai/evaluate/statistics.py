"""Resampling: seeded generators and the intervals made with them."""

import zlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tfgenai.core.random import numpy_generator

LEVEL = 0.95

Random = np.random.Generator  # noqa: TID251 - the type alone; nothing is drawn


def generator(seed: int, purpose: str) -> Random:
    """A NumPy generator of its own for each purpose, for example `"fid"`.

    Args:
        seed: the evaluation's seed.
        purpose: words that tell one use from another, so that no two share noise.
    """
    return numpy_generator(seed, zlib.crc32(purpose.encode()))


def bootstrap(
    statistic: Callable[..., float],
    groups: Sequence[np.ndarray],
    *,
    num_bootstrap: int,
    random: Random,
) -> np.ndarray:
    """Recomputes a statistic on rows drawn again, with replacement, from each group.

    Args:
        statistic: takes as many arrays as there are groups, returns a number.
        groups: arrays `(n_i, ...)`; each is resampled on its own, to its own size.
        num_bootstrap: number of replicates.
        random: where the rows are drawn from.

    Returns:
        float64 `(num_bootstrap,)`.
    """
    replicates = np.empty(num_bootstrap)
    for index in range(num_bootstrap):
        drawn = (group[random.integers(0, len(group), len(group))] for group in groups)
        replicates[index] = statistic(*drawn)
    return replicates


def centred_interval(
    value: float,
    replicates: np.ndarray,
    *,
    lowest: float = -np.inf,
    highest: float = np.inf,
) -> tuple[float, float] | None:
    """The replicates' spread, moved so that its mean lies on `value`.

    A plug-in statistic such as FID is biased by its sample's size, and resampling
    adds the same bias once more: a plain percentile interval would lie beside the
    value. Moving it back leaves the spread, which is what is wanted of it.

    Args:
        value: the statistic on the data itself.
        replicates: `(num_bootstrap,)` from `bootstrap`; None is returned for none.
        lowest: smallest value the statistic can take.
        highest: largest value it can take.
    """
    if not len(replicates):
        return None
    low, high = np.quantile(replicates, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    shift = value - replicates.mean()
    return (
        float(np.clip(low + shift, lowest, highest)),
        float(np.clip(high + shift, lowest, highest)),
    )


def wilson_interval(successes: int, n: int) -> tuple[float, float]:
    """Wilson's 95 % interval for a proportion.

    Wilson 1927, "Probable Inference, the Law of Succession, and Statistical
    Inference". Unlike a bootstrap it does not collapse when all of n succeed.

    Args:
        successes: how many did.
        n: out of how many, at least 1.

    Example:
        >>> low, high = wilson_interval(10, 10)
        >>> round(low, 3), round(high, 3)
        (0.722, 1.0)
    """
    z = 1.959963984540054  # the 97.5 % quantile of the normal distribution
    share = successes / n
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return float(max(0.0, centre - half)), float(min(1.0, centre + half))


def check_features(features: Any, name: str) -> np.ndarray:
    """Returns features as finite float64 `(n, num_features)`, or raises."""
    features = np.asarray(features, np.float64)
    if features.ndim != 2 or 0 in features.shape:
        raise ValueError(
            "Features of shape (n, num_features) were expected. Received: "
            f"{name}.shape={features.shape}. Flatten each row to a vector."
        )
    if not np.isfinite(features).all():
        raise ValueError(
            f"Finite features were expected. Received: {name} with NaN or infinity. "
            "Check the images and the extractor."
        )
    return features
