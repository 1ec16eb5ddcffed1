"""Sharpness and variety of generated images as a classifier sees them."""

import numpy as np

from tfgenai.evaluate.features.image_set import ImageSet
from tfgenai.evaluate.metrics.metric import METRICS, Metric, MetricValue, RealImages
from tfgenai.evaluate.statistics import LEVEL, Random, generator


@METRICS.register("inception_score")
class InceptionScore(Metric):
    """Exponential of the mean KL divergence from p(class | image) to p(class).

    Salimans et al. 2016, "Improved Techniques for Training GANs", arXiv:1606.03498,
    section 4, with the extractor in place of Inception. It lies in [1, num_classes]:
    1 if all images look alike or undecided, num_classes if each is clearly of one
    class and all classes are equally frequent. It never looks at a real image; the
    floor is the score of the test images.

    Args:
        num_splits: parts, of a seeded shuffle, whose scores are averaged. The paper
            took 10 of 50,000 images; each part is biased downwards by its size, so
            the default is all in one (Barratt & Sharma 2018, arXiv:1801.01973).
        num_bootstrap: replicates of the interval; 0 for no interval.
    """

    name = "inception_score"
    title = "Classifier score (Inception style)"
    unit = "effective classes"
    better = "higher"
    needs = frozenset({"features", "probabilities"})

    def __init__(self, *, num_splits: int = 1, num_bootstrap: int = 200) -> None:
        if num_splits < 1:
            raise ValueError(
                f"num_splits >= 1 was expected. Received: num_splits={num_splits}."
            )
        self.num_splits = num_splits
        self.num_bootstrap = num_bootstrap

    def require(self, *, num_samples: int, num_test: int, num_features: int) -> None:
        """Refuses fewer images than splits."""
        if num_samples < self.num_splits:
            raise ValueError(
                f"At least num_splits={self.num_splits} images were expected. "
                f"Received: num_samples={num_samples}. Take more images."
            )

    def __call__(
        self, samples: ImageSet, real: RealImages, *, seed: int = 0
    ) -> MetricValue:
        """Scores the generated images; see the class."""
        random = generator(seed, "inception_score")
        probabilities = samples.probabilities()
        self.require(
            num_samples=len(probabilities),
            num_test=len(real.test),
            num_features=0,
        )
        value = self._score(probabilities[random.permutation(len(probabilities))])
        floor = self._score(real.test.probabilities())
        interval = None
        if self.num_bootstrap:
            replicates = _bootstrap_scores(probabilities, self.num_bootstrap, random)
            replicates += value - replicates.mean()
            low, high = np.quantile(replicates, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
            num_classes = probabilities.shape[1]
            interval = (float(max(1.0, low)), float(min(num_classes, high)))
        return self.result(
            value,
            n=len(probabilities),
            seed=seed,
            interval=interval,
            floor=floor,
            extractor_hash=samples.extractor_hash,
            method=(
                f"{len(probabilities)} generated images in {self.num_splits} "
                f"split(s); bootstrap with {self.num_bootstrap} replicates, centred "
                "on the value. The floor is the score of the test images."
            ),
            details={
                "num_splits": self.num_splits,
                "num_classes": probabilities.shape[1],
                "num_test": len(real.test),
            },
        )

    def _score(self, probabilities: np.ndarray) -> float:
        parts = np.array_split(probabilities, self.num_splits)
        return float(np.mean([inception_score(part) for part in parts]))


def inception_score(probabilities: np.ndarray) -> float:
    """Exponential of the mean over images of KL(p(class | image) || p(class)).

    Args:
        probabilities: float `(n, num_classes)`, rows that sum to 1.

    Returns:
        A number in [1, num_classes].

    Example:
        >>> inception_score(np.eye(4)), inception_score(np.full((4, 4), 0.25))
        (4.0, 1.0)
    """
    probabilities = np.asarray(probabilities, np.float64)
    marginal = probabilities.mean(axis=0)
    # The mean KL divergence is the entropy of the mean less the mean entropy.
    divergence = _x_log_x(probabilities).sum(axis=1).mean() - _x_log_x(marginal).sum()
    return float(np.clip(np.exp(divergence), 1.0, probabilities.shape[1]))


def _bootstrap_scores(
    probabilities: np.ndarray, num_bootstrap: int, random: Random
) -> np.ndarray:
    """`inception_score` of resampled rows, through how often each row was drawn."""
    n = len(probabilities)
    negative_entropy = _x_log_x(probabilities).sum(axis=1)
    scores = np.empty(num_bootstrap)
    for index in range(num_bootstrap):
        weights = np.bincount(random.integers(0, n, n), minlength=n) / n
        marginal = weights @ probabilities
        scores[index] = np.exp(weights @ negative_entropy - _x_log_x(marginal).sum())
    return scores


def _x_log_x(values: np.ndarray) -> np.ndarray:
    return values * np.log(np.where(values > 0, values, 1.0))
