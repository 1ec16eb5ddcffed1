"""Splits of what passed the rules: given ones, or drawn ones that part no copies."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from tfgenai.core.errors import DataError
from tfgenai.data.clean.facts import Facts
from tfgenai.data.clean.ngrams import SharedNgrams
from tfgenai.data.clean.rule import SetRule
from tfgenai.data.partitioning import partition
from tfgenai.data.preparation.columns import FactColumns
from tfgenai.data.preparation.recipe import SplitSection

_USUAL_ORDER = ("train", "validation", "valid", "val", "test")


def assign_splits(
    facts: FactColumns,
    alive: Facts,
    rows: np.ndarray,
    table: pa.Table,
    rules: Sequence[SetRule],
    split: SplitSection,
) -> list[str]:
    """The split of each example that is still in.

    Args:
        facts: of all examples.
        alive: of those that are still in.
        rows: int64 `(k,)`, which these are.
        table: the survey.
        rules: those whose `groups` are copies, which stay together.
        split: how splits are made.

    Raises:
        DataError: if what the splits are made by is missing, or one would be empty.
    """
    if split.given:
        without = [
            name
            for name, own in zip(alive.ids, alive.splits, strict=True)
            if own is None
        ]
        if without:
            raise DataError(
                "A split of each example was expected, because of `split.given`. "
                f"Received: {len(without)} without, the first is {without[0]!r}. Lay "
                "the files out in folders train/ and test/, or leave `given` out."
            )
        return [str(name) for name in alive.splits]
    block = _Union(len(rows))
    for rule in rules:
        if not isinstance(rule, SharedNgrams):
            for group in rule.groups(facts.of(rows, rule)):
                block.join(group)
    wanted = table.select(["group", "time"]).take(rows)
    if split.by == "group":
        by_name: dict[str, list[int]] = {}
        for row, name in enumerate(wanted["group"].to_pylist()):
            if name is not None:
                by_name.setdefault(name, []).append(row)
        if not by_name:
            raise _without("group")
        for group in by_name.values():
            block.join(group)
    times, labels = None, None
    if split.by == "time":
        times = wanted["time"].to_pylist()
        if None in times:
            raise _without("time")
    elif split.by == "label" or (split.by is None and any(alive.labels)):
        labels = np.array([label or "" for label in alive.labels])
    parts = partition(
        len(rows),
        split.shares,
        labels=None if labels is None else np.unique(labels, return_inverse=True)[1],
        groups=block.roots(),
        times=times,
        seed=split.seed,
    )
    names = [""] * len(rows)
    for name, members in parts.items():
        for row in members.tolist():
            names[row] = name
    return names


def _without(what: str) -> DataError:
    return DataError(
        f"A {what} of the examples was expected, because of `split.by: {what}`. "
        f"Received: examples without. Give source.labels a table or a pattern that "
        f"has {what}, or split by something else."
    )


def split_order(names: Sequence[str], split: SplitSection) -> list[str]:
    """Names of the splits, training first."""
    if not split.given:
        return list(split.shares)
    found = set(names)
    return [name for name in _USUAL_ORDER if name in found] + sorted(
        found.difference(_USUAL_ORDER)
    )


class _Union:
    """Sets of rows that grow together."""

    def __init__(self, size: int) -> None:
        self._parent = list(range(size))

    def join(self, rows: Sequence[int]) -> None:
        first = self._root(rows[0])
        for row in rows[1:]:
            other = self._root(row)
            # The least row is the root, whatever the order of joining.
            first, other = min(first, other), max(first, other)
            self._parent[other] = first

    def roots(self) -> np.ndarray:
        return np.array([self._root(row) for row in range(len(self._parent))])

    def _root(self, row: int) -> int:
        while self._parent[row] != row:
            self._parent[row] = self._parent[self._parent[row]]
            row = self._parent[row]
        return row
