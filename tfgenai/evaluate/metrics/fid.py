"""Fréchet distance between the features of generated and of real images (FID)."""

import numpy as np

from tfgenai.evaluate.features.image_set import ImageSet
from tfgenai.evaluate.metrics.metric import METRICS, Metric, MetricValue, RealImages
from tfgenai.evaluate.statistics import (
    bootstrap,
    centred_interval,
    check_features,
    generator,
)


@METRICS.register("fid")
class FID(Metric):
    """Fréchet distance between Gaussians fitted to generated and to test features.

    Heusel et al. 2017, "GANs Trained by a Two Time-Scale Update Rule Converge to a
    Local Nash Equilibrium", arXiv:1706.08500, equation 6. With another extractor
    than Inception the figures are on another scale: compare at equal extractor and
    equal n only.

    FID is biased upwards, by about 2.2 for 64 features at n = 1,000 and 0.2 at
    10,000 when the two distributions are the same. The interval shows the spread over
    samples of this size and not that bias, which the floor shows. `details` hold an
    estimate free of most of it: `debiased` = 2 * value - mean of the bootstrap.

    Args:
        num_bootstrap: replicates of the interval, over both sets of images; 0 for
            no interval. Each costs two covariance matrices.

    Example:
        >>> FID(num_bootstrap=0).name
        'fid'
    """

    name = "fid"
    title = "Fréchet distance"
    unit = "squared feature distance"

    def __init__(self, *, num_bootstrap: int = 200) -> None:
        self.num_bootstrap = num_bootstrap

    def require(self, *, num_samples: int, num_test: int, num_features: int) -> None:
        """Refuses fewer images than twice the features: the covariances are noise."""
        needed = 2 * num_features
        for argument, count in (("num_samples", num_samples), ("num_test", num_test)):
            if count < needed:
                raise ValueError(
                    f"At least {needed} images (2 x {num_features} features) were "
                    f"expected for fid. Received: {argument}={count}. Take more "
                    "images, or metrics=['kid'], which is unbiased at any number."
                )

    def __call__(
        self, samples: ImageSet, real: RealImages, *, seed: int = 0
    ) -> MetricValue:
        """Measures FID, its floor and its interval; see the class."""
        generated = check_features(samples.features(), "samples")
        test = check_features(real.test.features(), "test")
        self.require(
            num_samples=len(generated),
            num_test=len(test),
            num_features=generated.shape[1],
        )
        value = feature_distance(generated, test)
        floor = None
        if real.floor is not None and len(real.floor) >= 2 * generated.shape[1]:
            floor = feature_distance(real.floor.features(), test)
        replicates = bootstrap(
            feature_distance,
            (generated, test),
            num_bootstrap=self.num_bootstrap,
            random=generator(seed, "fid"),
        )
        interval = centred_interval(value, replicates, lowest=0.0)
        details: dict[str, object] = {
            "num_test": len(test),
            "num_features": generated.shape[1],
        }
        if interval is not None:
            debiased = 2 * value - float(replicates.mean())
            details["debiased"] = debiased
            details["debiased_interval"] = centred_interval(debiased, replicates)
        return self.result(
            value,
            n=len(generated),
            seed=seed,
            interval=interval,
            floor=floor,
            extractor_hash=samples.extractor_hash,
            method=(
                f"{len(generated)} generated against {len(test)} test images, "
                f"{generated.shape[1]} features; bootstrap of both sets with "
                f"{self.num_bootstrap} replicates, centred on the value."
            ),
            details=details,
        )


def feature_distance(features: np.ndarray, other: np.ndarray) -> float:
    """Fréchet distance between Gaussians fitted to two sets of features.

    Args:
        features: float `(n, num_features)`.
        other: float `(m, num_features)`.

    Example:
        >>> feature_distance(np.eye(4), np.eye(4))
        0.0
    """
    return frechet_distance(*_moments(features), *_moments(other))


def frechet_distance(
    mean: np.ndarray,
    covariance: np.ndarray,
    other_mean: np.ndarray,
    other_covariance: np.ndarray,
) -> float:
    """Squared Fréchet distance between two Gaussians, in float64.

    |m1 - m2|^2 + tr S1 + tr S2 - 2 tr sqrt(S1^.5 S2 S1^.5). The last term is made
    from symmetric eigenvalues: the matrix under the root is positive semidefinite,
    so that the result is real also for singular covariances, where
    `sqrtm(S1 @ S2)` turns complex or NaN.

    Args:
        mean: `(num_features,)`.
        covariance: `(num_features, num_features)`, symmetric.
        other_mean: `(num_features,)`.
        other_covariance: `(num_features, num_features)`, symmetric.

    Returns:
        The distance, never below 0.

    Example:
        >>> frechet_distance(np.zeros(1), np.eye(1), np.ones(1), 4 * np.eye(1))
        2.0
    """
    values, vectors = np.linalg.eigh(np.asarray(covariance, np.float64))
    root = (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T
    product = root @ np.asarray(other_covariance, np.float64) @ root
    eigenvalues = np.linalg.eigvalsh((product + product.T) / 2)
    shift = np.asarray(mean, np.float64) - np.asarray(other_mean, np.float64)
    distance = (
        shift @ shift
        + np.trace(covariance)
        + np.trace(other_covariance)
        - 2 * np.sqrt(np.clip(eigenvalues, 0, None)).sum()
    )
    return max(0.0, float(distance))


def _moments(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    mean = features.mean(axis=0)
    centred = features - mean
    return mean, centred.T @ centred / (len(features) - 1)
