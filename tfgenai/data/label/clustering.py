"""Clusters of what has no label, so that a person names many examples at once."""

import dataclasses
from collections.abc import Mapping
from typing import Literal

import numpy as np

from tfgenai.core.errors import DataError
from tfgenai.core.numpy_random import check_seed

_MOST_AGGLOMERATED = 20_000  # pairs of more do not fit into memory


@dataclasses.dataclass(frozen=True)
class Clusters:
    """Which examples belong together.

    Args:
        assignment: int64 `(n,)`, the cluster of each example.
        representatives: for each cluster the rows nearest to its middle.
    """

    assignment: np.ndarray
    representatives: list[list[int]]


def cluster(
    features: np.ndarray,
    num_clusters: int,
    *,
    method: Literal["kmeans", "agglomerative"] = "kmeans",
    num_representatives: int = 9,
    seed: int = 0,
) -> Clusters:
    """Groups examples by their features.

    Args:
        features: `(n, k)`, `clean.features.features` of each example, say.
        num_clusters: number of clusters; several times that of classes is wise.
        method: "kmeans", or "agglomerative" (Ward's linkage), which costs the square of
            the examples and takes 20,000 at most.
        num_representatives: examples of each cluster to show.
        seed: of k-means.

    Raises:
        DataError: if there are fewer examples than clusters, or too many.
    """
    from sklearn.cluster import AgglomerativeClustering, KMeans

    values = np.asarray(features, np.float64)
    if values.ndim != 2 or not 1 <= num_clusters <= len(values):
        raise DataError(
            "Features (n, k) of more examples than clusters were expected. Received: "
            f"features {values.shape} and {num_clusters=}."
        )
    if method == "agglomerative" and len(values) > _MOST_AGGLOMERATED:
        raise DataError(
            f"At most {_MOST_AGGLOMERATED:,} examples were expected. Received: "
            f"{len(values):,} with method='agglomerative'. Use 'kmeans'."
        )
    if method == "kmeans":
        model = KMeans(num_clusters, n_init=3, random_state=check_seed(seed) % 2**32)
    elif method == "agglomerative":
        model = AgglomerativeClustering(num_clusters)
    else:
        raise ValueError(
            f"'kmeans' or 'agglomerative' was expected. Received: method={method!r}."
        )
    assignment = model.fit_predict(values).astype(np.int64)
    shown = []
    for number in range(num_clusters):
        rows = np.flatnonzero(assignment == number)
        away = np.square(values[rows] - values[rows].mean(0)).sum(1)
        nearest = rows[np.argsort(away, kind="stable")[:num_representatives]]
        shown.append(nearest.tolist())
    return Clusters(assignment, shown)


def label_clusters(
    clusters: Clusters, names: Mapping[int, str | None]
) -> list[str | None]:
    """Gives each example the label of its cluster.

    Args:
        clusters: the clusters.
        names: a label for each cluster that has one; None for mixed ones.

    Example:
        >>> label_clusters(Clusters(np.array([1, 0, 1]), []), {1: "cat"})
        ['cat', None, 'cat']
    """
    return [names.get(int(number)) for number in clusters.assignment]
