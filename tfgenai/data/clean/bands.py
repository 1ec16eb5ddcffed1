"""Bands: pairs that agree in a part of their hashes, without comparing all pairs."""

from collections.abc import Iterator

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components


def candidate_pairs(
    keys: np.ndarray, order: np.ndarray, *, window: int = 128
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Pairs of rows that have the same key in at least one band.

    In a bucket of up to `window + 1` rows all pairs are found. In a larger one each row
    meets the `window` rows behind it in `order`, so that work grows with the number of
    rows, whatever the keys are.

    Args:
        keys: integers `(n, bands)`.
        order: `(n,)`, anything that sorts; rows that are alike should be near.
        window: rows that one is compared with in a bucket, at most.

    Yields:
        Two int64 arrays of up to `n` rows each; each pair comes once.

    Example:
        >>> keys = np.array([[1, 5], [1, 6], [2, 6]])
        >>> [(a.tolist(), b.tolist()) for a, b in candidate_pairs(keys, np.arange(3))]
        [([0], [1]), ([1], [2])]
    """
    count, num_bands = keys.shape
    ranks = np.empty((num_bands, count), np.int32)
    for band, key in enumerate(keys.T):
        rows = np.lexsort((order, key))
        ranks[band, rows] = np.arange(count)
        ordered = key[rows]
        starts = np.arange(count)
        for step in range(1, window + 1):
            # Whoever has no neighbour at this step has none farther on.
            starts = starts[starts < count - step]
            starts = starts[ordered[starts] == ordered[starts + step]]
            if not len(starts):
                break
            left, right = rows[starts], rows[starts + step]
            for before in range(band):
                apart = np.abs(ranks[before, left] - ranks[before, right])
                is_new = keys[left, before] != keys[right, before]
                is_new |= apart > window
                left, right = left[is_new], right[is_new]
            if len(left):
                yield left, right


def hamming(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Number of bits in which hashes differ.

    Args:
        left: uint64 `(n,)`.
        right: uint64 `(n,)`.

    Returns:
        uint8 `(n,)`.

    Example:
        >>> hamming(np.array([5], np.uint64), np.array([3], np.uint64)).tolist()
        [2]
    """
    return np.bitwise_count(left ^ right)


def group_numbers(count: int, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """For each row a number that it shares with the rows that pairs link it to.

    Args:
        count: rows in all.
        left: rows `(p,)`.
        right: rows `(p,)`.

    Returns:
        int32 `(count,)`.

    Example:
        >>> group_numbers(4, np.array([3]), np.array([1])).tolist()
        [0, 1, 2, 1]
    """
    links = coo_array((np.ones(len(left), bool), (left, right)), shape=(count, count))
    return connected_components(links, directed=False)[1]


def linked_groups(count: int, left: np.ndarray, right: np.ndarray) -> list[list[int]]:
    """Rows that pairs link, directly or by way of others.

    Args:
        count: rows in all.
        left: rows `(p,)`.
        right: rows `(p,)`.

    Returns:
        Groups of two rows or more, ascending, ordered by their first row.

    Example:
        >>> linked_groups(5, np.array([4, 1]), np.array([1, 3]))
        [[1, 3, 4]]
    """
    names = group_numbers(count, left, right)
    order = np.argsort(names, kind="stable")
    ends = np.flatnonzero(np.diff(names[order])) + 1
    groups = [part.tolist() for part in np.split(order, ends) if len(part) > 1]
    return sorted(groups)
