"""Leaks: what two splits share, so that a test would ask what was learned by heart."""

import collections
import dataclasses
from collections.abc import Sequence

from tfgenai.data.clean.duplicates import ExactDuplicate
from tfgenai.data.clean.facts import Facts
from tfgenai.data.clean.ngrams import SharedNgrams
from tfgenai.data.clean.rule import SetRule


@dataclasses.dataclass(frozen=True)
class Leak:
    """One example of one split that another split has, too.

    Args:
        row: of the facts, the example in the split that comes first.
        other: of the facts, the example that it leaks.
        kind: "exact", "near" or "ngrams".
    """

    row: int
    other: int
    kind: str


def find_leaks(
    splits: Sequence[str],
    order: Sequence[str],
    measured: Sequence[tuple[SetRule, Facts]],
) -> list[Leak]:
    """What stands in two splits.

    Args:
        splits: the split of each example.
        order: names of the splits; a leak is counted against the one that comes first,
            training before test.
        measured: what is compared: `ExactDuplicate`, `SharedNgrams`, or a rule whose
            `groups` are near duplicates, with the facts of all examples that it needs.

    Returns:
        At most one leak for each example and kind, in the order of rows.
    """
    places = {name: place for place, name in enumerate(order)}
    rank = [places[name] for name in splits]
    leaks: list[Leak] = []
    for rule, own in measured:
        if isinstance(rule, SharedNgrams):
            found = _shared(own, rank)
            leaks += [Leak(row, other, "ngrams") for row, other in found.items()]
            continue
        kind = "exact" if isinstance(rule, ExactDuplicate) else "near"
        for group in rule.groups(own):
            last = max(group, key=lambda row: rank[row])
            leaks += [Leak(row, last, kind) for row in group if rank[row] < rank[last]]
    return sorted(leaks, key=lambda leak: (leak.row, leak.kind))


def _shared(facts: Facts, rank: Sequence[int]) -> dict[int, int]:
    """Rows that share a hash with a row of a later split, and that row."""
    latest: dict[int, int] = {}
    by_rank = collections.defaultdict(list)
    for row, place in enumerate(rank):
        by_rank[place].append(row)
    found: dict[int, int] = {}
    for place in sorted(by_rank, reverse=True):
        for row in by_rank[place]:
            others = [latest[v] for v in facts["hashes"][row].tolist() if v in latest]
            if others:
                found[row] = min(others)
        # Only now: rows of one split may share what they like.
        for row in by_rank[place]:
            for value in facts["hashes"][row].tolist():
                latest.setdefault(value, row)
    return found
