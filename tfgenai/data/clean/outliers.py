"""Outliers: examples whose numbers are far from those of all others."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tfgenai.core.numpy_random import check_seed
from tfgenai.data.clean.facts import Fact, Facts
from tfgenai.data.clean.features import NAMES, describe, features
from tfgenai.data.clean.rule import RULES, Action, SetRule
from tfgenai.data.raw.example import Example

_SCALE = 0.6745  # third quartile of the normal distribution: makes the MAD a deviation
_MEAN_SCALE = 0.7979  # sqrt(2 / pi), the same of the mean absolute deviation


@RULES.register("outlier")
class Outlier(SetRule):
    """Examples with a number far from the median of all.

    The modified z-score of Iglewicz & Hoaglin 1993, "How to Detect and Handle
    Outliers": 0.6745 (x - median) / MAD, which outliers themselves do not move. Where
    more than half of all have one value, the mean absolute deviation takes the MAD's
    place.

    The numbers are, of images, height, width, brightness, contrast and roughness (the
    steps between neighbours by the deviation, large for noise); of text, characters,
    words, and the share of letters; of sound, seconds and loudness.
    Sizes count by their logarithm.

    Args:
        max_score: 3.5 in the book, on numbers that are about normal; the default is
            wider, because brightness and length are not.
        numbers: names of those that count; None for all.
        action: see `Rule`.
    """

    name = "outlier"
    default_action = "keep"

    def __init__(
        self,
        max_score: float = 6.0,
        numbers: Sequence[str] | None = None,
        *,
        action: Action | None = None,
    ) -> None:
        super().__init__(action=action)
        known = {name for names in NAMES.values() for name in names}
        unknown = sorted(set(numbers or ()) - known)
        if max_score <= 0 or unknown:
            raise ValueError(
                f"A positive score and numbers among {sorted(known)} were expected. "
                f"Received: {max_score=}, numbers={unknown or numbers}."
            )
        self.max_score = max_score
        self.numbers = None if numbers is None else tuple(numbers)

    def measure(self, example: Example) -> dict[str, Fact]:
        """The numbers, by their names."""
        found = describe(example)
        return {
            name: value
            for name, value in found.items()
            if self.numbers is None or name in self.numbers
        }

    def judge(self, facts: Facts) -> dict[int, str]:
        """Every example with a score beyond the largest, and the number it is of."""
        found: dict[int, str] = {}
        for name, column in facts.columns.items():
            values = np.asarray(column, np.float64)
            scores = modified_z_scores(values)
            # What is no number is as far away as can be.
            far = ~(np.abs(scores) <= self.max_score)
            for row in np.flatnonzero(far).tolist():
                words = f"{name} {values[row]:.4g}, score {scores[row]:+.1f}"
                found[row] = f"{found[row]}; {words}" if row in found else words
        return found


def modified_z_scores(values: np.ndarray) -> np.ndarray:
    """Distances from the median in robust standard deviations.

    Args:
        values: float64 `(n,)`.

    Returns:
        float64 `(n,)`; 0 for all if all are equal. What is NaN or infinite has no say
        in the others' scores, and none that is finite.

    Example:
        >>> modified_z_scores(np.array([1.0, 2.0, 3.0, 4.0, 100.0])).round(2).tolist()
        [-1.35, -0.67, 0.0, 0.67, 65.43]
    """
    known = values[np.isfinite(values)]
    away = values - (np.median(known) if len(known) else 0.0)
    distances = np.abs(away[np.isfinite(values)])
    spread = np.median(distances) if len(known) else 0.0
    if spread > 0:
        return _SCALE * away / spread
    spread = np.mean(distances) if len(known) else 0.0
    if spread > 0:
        return _MEAN_SCALE * away / spread
    return np.where(np.isfinite(values), 0.0, np.nan)


@RULES.register("isolation_forest")
class IsolationForest(SetRule):
    """Examples that random cuts of their features set apart quickly.

    Liu, Ting & Zhou 2008, "Isolation Forest", ICDM, on the features of `mislabel`.

    Args:
        share: of all examples that are flagged at most.
        min_score: least anomaly score that is flagged, from 0.5 (like the others) to 1.
        seed: of the forest.
        action: see `Rule`.
    """

    name = "isolation_forest"
    default_action = "keep"

    def __init__(
        self,
        share: float = 0.05,
        min_score: float = 0.54,
        seed: int = 0,
        *,
        action: Action | None = None,
    ) -> None:
        super().__init__(action=action)
        if not 0 < share <= 0.5 or not 0 <= min_score <= 1:
            raise ValueError(
                "A share up to 0.5 and a score from 0 to 1 were expected. Received: "
                f"{share=}, {min_score=}."
            )
        self.share, self.min_score, self.seed = share, min_score, check_seed(seed)

    def measure(self, example: Example) -> dict[str, Fact]:
        """Features of the content, float16."""
        return {"features": features(example)}

    def judge(self, facts: Facts) -> dict[int, str]:
        """The examples with the highest scores."""
        from sklearn.decomposition import PCA
        from sklearn.ensemble import IsolationForest as Forest

        if len(facts) < 20:
            return {}
        values: Any = np.asarray(facts["features"], np.float32)
        size = min(16, values.shape[1], len(values))
        seed = self.seed % 2**32  # scikit-learn takes no more
        values = PCA(size, random_state=seed).fit_transform(values)
        # Whole numbers of what is left of rounding: the same on other processors.
        values = np.round(values.astype(np.float64), 6)
        forest = Forest(n_estimators=200, random_state=seed).fit(values)
        scores = -forest.score_samples(values)
        count = max(1, int(self.share * len(values)))
        rows = np.argsort(-scores, kind="stable")[:count]
        return {
            int(row): f"anomaly score {scores[row]:.3f}"
            for row in rows
            if scores[row] >= self.min_score
        }
