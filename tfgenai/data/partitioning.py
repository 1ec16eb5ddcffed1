"""Examples shared out among splits: stratified, by group, by time, and in folds."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tfgenai.core.errors import DataError
from tfgenai.data.split import cut, stratified_order


def partition(
    num_examples: int,
    shares: Mapping[str, float],
    *,
    labels: Sequence[int] | np.ndarray | None = None,
    groups: Sequence[Any] | np.ndarray | None = None,
    times: Sequence[Any] | np.ndarray | None = None,
    seed: int = 0,
) -> dict[str, np.ndarray]:
    """Shares examples out among splits; each example is in exactly one.

    Examples of one group (a speaker, a document, copies of each other) are never
    parted: a cut moves behind them. With `times` the splits follow each other in time,
    and a group has the time of its latest example, so that nothing is learned from
    what came after the cut; else the order is drawn, and every class has its share of
    every split.

    Args:
        num_examples: number of examples.
        shares: the splits by name, in order, with their shares of the examples, which
            sum to 1.
        labels: `(n,)`, class of each example; None for no classes.
        groups: `(n,)`, equal for examples that must stay together; None for none.
        times: `(n,)`, anything that can be sorted: numbers, dates; None to draw.
        seed: of the order that is drawn.

    Returns:
        For each split int64 row numbers, ascending.

    Raises:
        DataError: if the shares do not sum to 1, lengths differ, both `labels` and
            `times` are given, or a split would be empty.

    Example:
        >>> rows = partition(10, {"train": 0.8, "test": 0.2}, times=range(10))
        >>> rows["test"].tolist()
        [8, 9]
    """
    _check_shares(shares)
    strata, blocks, moments = (
        _ranks(num_examples, name, values)
        for name, values in (("labels", labels), ("groups", groups), ("times", times))
    )
    if blocks is None:
        blocks = np.arange(num_examples)
    if moments is None:
        order = stratified_order(strata, blocks, seed=seed)
    elif strata is not None:
        raise DataError(
            "Either labels or times were expected: splits that follow each other in "
            "time cannot be stratified. Received: both. Leave labels out."
        )
    else:
        latest = np.zeros(num_examples, np.int64)
        np.maximum.at(latest, blocks, moments)
        # What happened at the same time is not parted either.
        blocks = latest[blocks]
        order = np.argsort(blocks, kind="stable")
    ends = np.floor(np.cumsum(list(shares.values())) * num_examples + 0.5).astype(int)
    ends[-1] = num_examples
    places = [0, *(cut(order, blocks, int(end)) for end in ends)]
    found = {}
    for name, start, stop in zip(shares, places[:-1], places[1:], strict=True):
        if start >= stop:
            raise DataError(
                f"An example for each split was expected. Received: none for "
                f"{name!r}, of {num_examples} examples in "
                f"{len(np.unique(blocks))} groups. Give it a larger share, or cut the "
                "groups smaller."
            )
        found[name] = np.sort(order[start:stop])
    return found


def folds(
    num_examples: int,
    num_folds: int,
    *,
    labels: Sequence[int] | np.ndarray | None = None,
    groups: Sequence[Any] | np.ndarray | None = None,
    seed: int = 0,
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Rows to train on and rows to validate with, once for each fold.

    Every example is in the validation rows of exactly one fold. Classes and groups are
    treated as by `partition`.

    Args:
        num_examples: number of examples.
        num_folds: number of folds, at least 2.
        labels: `(n,)`, class of each example; None for no classes.
        groups: `(n,)`, equal for examples that must stay together; None for none.
        seed: of the order that is drawn.

    Returns:
        Pairs of int64 row numbers, ascending.

    Raises:
        DataError: if there are fewer than 2 folds, or one would be empty.

    Example:
        >>> [validation.tolist() for _, validation in folds(4, 2, labels=[0, 0, 1, 1])]
        [[0, 2], [1, 3]]
    """
    if isinstance(num_folds, bool) or not isinstance(num_folds, int) or num_folds < 2:
        raise DataError(
            f"At least 2 folds were expected. Received: num_folds={num_folds!r}."
        )
    shares = {str(i): 1.0 / num_folds for i in range(num_folds)}
    parts = partition(num_examples, shares, labels=labels, groups=groups, seed=seed)
    rows = np.arange(num_examples)
    return [(np.setdiff1d(rows, part), part) for part in parts.values()]


def _check_shares(shares: Mapping[str, float]) -> None:
    values = list(shares.values())
    if not values or min(values) <= 0 or abs(sum(values) - 1.0) > 1e-9:
        raise DataError(
            "Positive shares that sum to 1 were expected. Received: "
            f"shares={dict(shares)}. {{'train': 0.8, 'validation': 0.1, 'test': 0.1}} "
            "is usual."
        )


def _ranks(num_examples: int, name: str, values: Any) -> np.ndarray | None:
    """Each value's place among the distinct ones; None for None."""
    if values is None:
        return None
    array = np.asarray(values)
    if array.shape != (num_examples,):
        raise DataError(
            f"One of {name} for each of {num_examples} examples was expected. "
            f"Received: {name} of shape {array.shape}."
        )
    return np.unique(array, return_inverse=True)[1]
