"""Splits of what passed the rules: given ones, or drawn ones that part no copies."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from tfgenai.core.errors import DataError
from tfgenai.data.clean.bands import group_numbers
from tfgenai.data.clean.facts import Facts
from tfgenai.data.clean.ngrams import SharedNgrams
from tfgenai.data.clean.rule import SetRule
from tfgenai.data.partitioning import partition
from tfgenai.data.preparation.recipe import SplitSection

_USUAL_ORDER = ("train", "validation", "valid", "val", "test")


def assign_splits(
    alive: Facts,
    table: pa.Table,
    measured: Sequence[tuple[SetRule, Facts]],
    split: SplitSection,
) -> list[str]:
    """The split of each example that is still in.

    Args:
        alive: what is known of them.
        table: their rows of the survey.
        measured: rules whose `groups` are copies, which stay together, with the facts
            that they need.
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
    blocks = [
        group
        for rule, own in measured
        if not isinstance(rule, SharedNgrams)
        for group in rule.groups(own)
    ]
    if split.by == "group":
        by_name: dict[str, list[int]] = {}
        for row, name in enumerate(table["group"].to_pylist()):
            if name is not None:
                by_name.setdefault(name, []).append(row)
        if not by_name:
            raise _without("group")
        blocks += by_name.values()
    times, labels = None, None
    if split.by == "time":
        times = table["time"].to_pylist()
        if None in times:
            raise _without("time")
    elif split.by == "label" or (split.by is None and any(alive.labels)):
        labels = np.array([label or "" for label in alive.labels])
    parts = partition(
        len(alive),
        split.shares,
        labels=None if labels is None else np.unique(labels, return_inverse=True)[1],
        groups=_numbers(len(alive), blocks),
        times=times,
        seed=split.seed,
    )
    names = [""] * len(alive)
    for name, members in parts.items():
        for row in members.tolist():
            names[row] = name
    return names


def _numbers(count: int, blocks: Sequence[Sequence[int]]) -> np.ndarray:
    """For each row a number that it shares with the rows it must stay with."""
    firsts = [block[0] for block in blocks for _ in block]
    rows = [row for block in blocks for row in block]
    return group_numbers(count, np.array(firsts, np.int64), np.array(rows, np.int64))


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
