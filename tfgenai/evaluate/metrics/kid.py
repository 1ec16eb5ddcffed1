"""Kernel distance between the features of generated and of real images (KID)."""

import numpy as np

from tfgenai.evaluate.features.image_set import ImageSet
from tfgenai.evaluate.metrics.metric import METRICS, Metric, MetricValue, RealImages
from tfgenai.evaluate.statistics import check_features, generator

_FEWEST = 20


@METRICS.register("kid")
class KID(Metric):
    """Squared maximum mean discrepancy with a cubic kernel, unbiased at every n.

    Bińkowski et al. 2018, "Demystifying MMD GANs", arXiv:1801.01401, section 4:
    k(x, y) = (x.y / d + 1)^3, the mean over random subsets of a fixed size. Its
    expectation is 0 when the distributions are the same, whatever the size, so a
    value may be slightly negative.

    The interval is value +- 1.96 standard errors. With s images in a subset, n in
    the smaller set, and K subsets of variance v, the squared error is
    v * (s / (n - s) + 1 / K): subsampling (Politis & Romano 1994) corrected for the
    finite set that the subsets share.

    Args:
        subset_size: images in a subset; with fewer than twice as many images, half
            the smaller set. The size that was used is in `details`.
        num_subsets: number of subsets.
    """

    name = "kid"
    title = "Kernel distance"
    unit = "squared MMD"

    def __init__(self, *, subset_size: int = 1000, num_subsets: int = 100) -> None:
        if subset_size < 2 or num_subsets < 2:
            raise ValueError(
                "subset_size >= 2 and num_subsets >= 2 were expected. Received: "
                f"subset_size={subset_size}, num_subsets={num_subsets}."
            )
        self.subset_size = subset_size
        self.num_subsets = num_subsets

    def require(self, *, num_samples: int, num_test: int, num_features: int) -> None:
        """Refuses sets of which no two subsets would differ."""
        for argument, count in (("num_samples", num_samples), ("num_test", num_test)):
            if count < _FEWEST:
                raise ValueError(
                    f"At least {_FEWEST} images were expected for kid. Received: "
                    f"{argument}={count}. Take more images."
                )

    def __call__(
        self, samples: ImageSet, real: RealImages, *, seed: int = 0
    ) -> MetricValue:
        """Measures KID, its floor and its interval; see the class."""
        generated = check_features(samples.features(), "samples")
        test = check_features(real.test.features(), "test")
        self.require(
            num_samples=len(generated),
            num_test=len(test),
            num_features=generated.shape[1],
        )
        smaller = min(len(generated), len(test))
        size = min(self.subset_size, smaller // 2)
        values = self._subsets(generated, test, size, seed)
        floor = None
        if real.floor is not None and len(real.floor) >= size:
            floor = float(self._subsets(real.floor.features(), test, size, seed).mean())
        value, variance = float(values.mean()), float(values.var(ddof=1))
        error = np.sqrt(variance * (size / (smaller - size) + 1 / self.num_subsets))
        return self.result(
            value,
            n=len(generated),
            seed=seed,
            interval=(float(value - 1.96 * error), float(value + 1.96 * error)),
            floor=floor,
            extractor_hash=samples.extractor_hash,
            method=(
                f"Mean over {self.num_subsets} subsets of {size} out of "
                f"{len(generated)} generated and {len(test)} test images; "
                "1.96 standard errors by subsampling."
            ),
            details={
                "num_test": len(test),
                "num_features": generated.shape[1],
                "subset_size": size,
                "num_subsets": self.num_subsets,
                "standard_error": float(error),
                "subset_standard_deviation": float(np.sqrt(variance)),
            },
        )

    def _subsets(
        self, features: np.ndarray, other: np.ndarray, size: int, seed: int
    ) -> np.ndarray:
        random = generator(seed, "kid")
        values = np.empty(self.num_subsets)
        for index in range(self.num_subsets):
            values[index] = kernel_distance(
                features[random.choice(len(features), size, replace=False)],
                other[random.choice(len(other), size, replace=False)],
            )
        return values


def kernel_distance(features: np.ndarray, other: np.ndarray) -> float:
    """Unbiased squared MMD with the kernel (x.y / num_features + 1)^3, in float64.

    Bińkowski et al. 2018, arXiv:1801.01401; the estimator is equation 4 (MMD_u^2) of
    Gretton et al. 2012, "A Kernel Two-Sample Test".

    Args:
        features: float `(n, num_features)`, n of 2 or more.
        other: float `(m, num_features)`, m of 2 or more.

    Returns:
        The distance; around 0, and possibly below, for equal distributions.

    Example:
        >>> kernel_distance(np.array([[0.0], [2.0]]), np.array([[1.0], [1.0]]))
        -19.0
    """
    n, m = len(features), len(other)
    within, _ = _kernel_sums(features, features)
    within_other, _ = _kernel_sums(other, other)
    _, across = _kernel_sums(features, other)
    return float(
        within / (n * (n - 1)) + within_other / (m * (m - 1)) - 2 * across / (n * m)
    )


def _kernel_sums(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Sums of the kernel matrix: without its diagonal, and whole."""
    base = x @ y.T / x.shape[1] + 1
    kernel = base * base * base
    whole = float(kernel.sum())
    return whole - float(np.trace(kernel)), whole
