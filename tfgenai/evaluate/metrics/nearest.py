"""Nearest training images of generated ones: does the model copy?"""

import numpy as np

from tfgenai.evaluate.features.image_set import ImageSet
from tfgenai.evaluate.metrics.metric import METRICS, Metric, MetricValue, RealImages
from tfgenai.evaluate.statistics import (
    Random,
    bootstrap,
    centred_interval,
    check_features,
    generator,
)

# Candidates beyond those asked for: float32 distances order near ties at random, and
# the candidates' distances are computed again exactly.
_SPARE = 4
_PANEL = 12


@METRICS.register("nearest")
class NearestNeighbours(Metric):
    """Share of generated images that lie closer to a training image than is natural.

    Closer means: nearer than all but `quantile` of the test images, which the model
    has never seen, are to theirs. A model that draws new images scores about
    `quantile` (the floor), one that copies scores 1. After Meehan, Chaudhuri &
    Dasgupta 2020, "A Non-Parametric Test to Detect Data-Copying in Generative
    Models", arXiv:2004.05675, whose statistic, the probability that a generated image
    lies nearer than a test image (0.5 = natural), is `nearer_probability` in
    `details`. Blurred images lie near to everything in pixels: look at the panel.

    Args:
        space: `"pixels"` (root mean square difference in grey levels, 0..255) or
            `"features"` (Euclidean distance between the extractor's features).
        quantile: the share of test images that counts as unnaturally near.
        max_images: at most so many generated and test images are looked up.
        num_neighbours: neighbours kept for the report's panel.
        num_bootstrap: replicates of the interval; 0 for no interval.
    """

    name = "nearest"
    title = "Nearer to training images than unseen ones"
    unit = "fraction"
    needs = frozenset({"train"})

    def __init__(
        self,
        *,
        space: str = "pixels",
        quantile: float = 0.01,
        max_images: int = 1000,
        num_neighbours: int = 5,
        num_bootstrap: int = 200,
    ) -> None:
        if space not in ("pixels", "features"):
            raise ValueError(
                f"'pixels' or 'features' was expected. Received: space={space!r}."
            )
        if not 0 < quantile < 1 or max_images < 1 or num_neighbours < 1:
            raise ValueError(
                "quantile in (0, 1), max_images >= 1 and num_neighbours >= 1 were "
                f"expected. Received: quantile={quantile}, max_images={max_images}, "
                f"num_neighbours={num_neighbours}."
            )
        self.space = space
        if space == "features":
            self.needs = frozenset({"train", "features"})
        self.quantile = quantile
        self.max_images = max_images
        self.num_neighbours = num_neighbours
        self.num_bootstrap = num_bootstrap

    def __call__(
        self, samples: ImageSet, real: RealImages, *, seed: int = 0
    ) -> MetricValue:
        """Looks generated and test images up in the training set; see the class."""
        if real.train is None:
            raise ValueError(
                "The training images were expected. Received: train=None. Pass the "
                "data's name or (train, test), or drop 'nearest'."
            )
        random = generator(seed, "nearest")
        shown = samples.take(_choose(len(samples), self.max_images, random))
        unseen = real.test.take(_choose(len(real.test), self.max_images, random))
        train = self._vectors(real.train)
        count = min(self.num_neighbours, len(train))
        indices, distances = nearest_neighbours(self._vectors(shown), train, count)
        _, unseen_distances = nearest_neighbours(self._vectors(unseen), train, 1)
        scale = np.sqrt(train.shape[1]) if self.space == "pixels" else 1.0
        distances, unseen_distances = distances / scale, unseen_distances / scale

        nearest, natural = distances[:, 0], unseen_distances[:, 0]
        value = self._copied(nearest, natural)
        replicates = bootstrap(
            self._copied,
            (nearest, natural),
            num_bootstrap=self.num_bootstrap,
            random=random,
        )
        # For the panel: from the nearest to the farthest in equal steps of rank.
        ranks = np.linspace(0, len(shown) - 1, min(_PANEL, len(shown))).astype(int)
        panel = np.argsort(nearest, kind="stable")[ranks]
        return self.result(
            value,
            n=len(shown),
            seed=seed,
            interval=centred_interval(value, replicates, lowest=0.0, highest=1.0),
            floor=self._copied(natural, natural),
            extractor_hash=(
                samples.extractor_hash if self.space == "features" else None
            ),
            method=(
                f"Distance in {self.space} of {len(shown)} generated and "
                f"{len(unseen)} test images to the nearest of {len(train)} training "
                f"images; bootstrap of both with {self.num_bootstrap} replicates."
            ),
            details={
                "space": self.space,
                "quantile": self.quantile,
                "threshold": float(np.quantile(natural, self.quantile)),
                "nearer_probability": _probability_below(nearest, natural),
                "num_identical": int((nearest == 0).sum()),
                "median_distance": float(np.median(nearest)),
                "median_test_distance": float(np.median(natural)),
                "num_train": len(train),
                "num_test": len(unseen),
            },
            artifacts={
                "samples": shown.images[panel],
                "neighbours": real.train.images[indices[panel]],
                "distances": distances[panel],
            },
        )

    def _vectors(self, images: ImageSet) -> np.ndarray:
        if self.space == "features":
            return check_features(images.features(), "features")
        return images.images.reshape(len(images), -1)

    def _copied(self, distances: np.ndarray, natural: np.ndarray) -> float:
        return float((distances <= np.quantile(natural, self.quantile)).mean())


def nearest_neighbours(
    queries: np.ndarray,
    references: np.ndarray,
    num_neighbours: int = 1,
    *,
    chunk_size: int = 2048,
) -> tuple[np.ndarray, np.ndarray]:
    """The nearest rows of `references` for each row of `queries`, exactly.

    Candidates are found block by block through float32 products, so that memory stays
    at a few blocks whatever the number of references; their distances are then
    computed again by subtraction in float64.

    Args:
        queries: `(n, size)`, any real dtype.
        references: `(m, size)`.
        num_neighbours: neighbours for each query, 1 to m.
        chunk_size: rows in a block.

    Returns:
        The neighbours' row numbers, int64 `(n, num_neighbours)`, and their Euclidean
        distances, float64 `(n, num_neighbours)`, nearest first.

    Raises:
        ValueError: if the shapes do not fit or `num_neighbours` is out of range.

    Example:
        >>> nearest_neighbours(np.array([[0.0, 4.0]]), np.array([[9, 9], [3, 0]]))
        (array([[1]]), array([[5.]]))
    """
    if queries.ndim != 2 or references.ndim != 2 or len(queries) == 0:
        raise ValueError(
            "Arrays of shape (n, size) were expected. Received: "
            f"queries.shape={queries.shape}, references.shape={references.shape}. "
            "Flatten each row to a vector."
        )
    if queries.shape[1] != references.shape[1]:
        raise ValueError(
            "Rows of equal length were expected. Received: "
            f"queries.shape={queries.shape}, references.shape={references.shape}."
        )
    if not 1 <= num_neighbours <= len(references):
        raise ValueError(
            f"A number from 1 to {len(references)} was expected. Received: "
            f"num_neighbours={num_neighbours}."
        )
    parts = [
        _nearest_of_block(
            queries[start : start + chunk_size], references, num_neighbours, chunk_size
        )
        for start in range(0, len(queries), chunk_size)
    ]
    return (
        np.concatenate([indices for indices, _ in parts]),
        np.concatenate([distances for _, distances in parts]),
    )


def _nearest_of_block(
    queries: np.ndarray, references: np.ndarray, num_neighbours: int, chunk_size: int
) -> tuple[np.ndarray, np.ndarray]:
    keep = min(num_neighbours + _SPARE, len(references))
    # Moved to the block's middle the products are small, and so is their rounding.
    centre = queries.mean(axis=0, dtype=np.float32)
    moved = queries.astype(np.float32) - centre
    best = np.full((len(queries), 0), np.inf, np.float32)
    best_indices = np.zeros((len(queries), 0), np.int64)
    for start in range(0, len(references), chunk_size):
        block = references[start : start + chunk_size].astype(np.float32) - centre
        # |q - r|^2 less |q|^2, which is the same for all candidates of a query.
        scores = np.einsum("ij,ij->i", block, block) - 2 * (moved @ block.T)
        rows = np.broadcast_to(np.arange(start, start + len(block)), scores.shape)
        scores = np.concatenate([best, scores], axis=1)
        rows = np.concatenate([best_indices, rows], axis=1)
        if scores.shape[1] > keep:
            chosen = np.argpartition(scores, keep - 1, axis=1)[:, :keep]
            scores = np.take_along_axis(scores, chosen, axis=1)
            rows = np.take_along_axis(rows, chosen, axis=1)
        best, best_indices = scores, rows
    exact = np.empty(best.shape)
    for column in range(best.shape[1]):
        difference = queries.astype(np.float64) - references[best_indices[:, column]]
        exact[:, column] = np.sqrt(np.einsum("ij,ij->i", difference, difference))
    order = np.lexsort((best_indices, exact))[:, :num_neighbours]
    return (
        np.take_along_axis(best_indices, order, axis=1),
        np.take_along_axis(exact, order, axis=1),
    )


def _choose(n: int, at_most: int, random: Random) -> np.ndarray:
    if n <= at_most:
        return np.arange(n)
    return np.sort(random.choice(n, at_most, replace=False))


def _probability_below(values: np.ndarray, others: np.ndarray) -> float:
    """P(value < other) + P(value = other) / 2: Mann-Whitney's U over all pairs."""
    others = np.sort(others)
    strictly = len(others) - np.searchsorted(others, values, side="right")
    equal_or_more = len(others) - np.searchsorted(others, values, side="left")
    return float((strictly + equal_or_more).mean() / 2 / len(others))
