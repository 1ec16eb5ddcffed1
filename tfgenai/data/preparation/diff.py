"""What differs between two prepared sets, example by example."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from tfgenai.data.preparation.prepared import Prepared

_LISTED = 10
_COLUMNS = ["id", "fate", "split", "label", "sha256", "raw_sha256", "findings"]


@dataclasses.dataclass(frozen=True)
class Diff:
    """Differences, as ids and what was before and after.

    Args:
        added: raw examples that only the second knows.
        removed: raw examples that only the first knows.
        fates: `[before, after, reasons]` by id, where what became of it differs.
        splits: `[before, after]` by id, of examples in both sets.
        labels: the same of labels.
        contents: ids of examples in both sets whose content differs.
        counts: `[before, after]` examples of each split.
        reasons: `[before, after]` by id, where findings differ but the fate does not.
        renamed: `{before: after}`, one raw content under another id.
        card: `[before, after]` by name, what else the cards say otherwise.
    """

    added: list[str]
    removed: list[str]
    fates: dict[str, list[str]]
    splits: dict[str, list[str]]
    labels: dict[str, list[str | None]]
    contents: list[str]
    counts: dict[str, list[int]]
    reasons: dict[str, list[str]]
    renamed: dict[str, str]
    card: dict[str, list[Any]]

    @property
    def is_empty(self) -> bool:
        """Whether nothing differs."""
        same = all(before == after for before, after in self.counts.values())
        changes = (
            *(self.added, self.removed, self.fates, self.splits, self.labels),
            *(self.contents, self.reasons, self.card),
        )
        return same and not any(changes)

    def to_json(self) -> dict[str, Any]:
        """The differences as a dictionary that `json` can write."""
        return dataclasses.asdict(self)

    def __str__(self) -> str:
        if self.is_empty:
            return "No difference."
        lines = [
            f"{name}: {before:,} -> {after:,} examples"
            for name, (before, after) in self.counts.items()
        ]
        for title, ids in (
            ("raw examples added", self.added),
            ("raw examples removed", self.removed),
            ("contents changed", self.contents),
        ):
            if ids:
                lines.append(f"{len(ids):,} {title}: {_listing(ids)}")
        changed: dict[str, Mapping[str, Sequence[str | None]]] = {
            "fates changed": self.fates,
            "splits changed": self.splits,
            "labels changed": self.labels,
            "reasons changed": self.reasons,
            "card entries changed": self.card,
        }
        if self.renamed:
            words = [f"{one} -> {two}" for one, two in self.renamed.items()]
            lines.append(f"{len(words):,} of these renamed: {_listing(words)}")
        for title, pairs in changed.items():
            if pairs:
                words = [
                    f"{name} ({' -> '.join(map(str, values[:2]))}"
                    f"{f'; {values[2]}' if values[2:] and values[2] else ''})"
                    for name, values in list(pairs.items())[:_LISTED]
                ]
                lines.append(f"{len(pairs):,} {title}: {_listing(words, len(pairs))}")
        return "\n".join(lines)


def diff(first: Prepared, second: Prepared) -> Diff:
    """Compares two sets by the ids of their raw examples.

    Args:
        first: before.
        second: after.
    """
    one, two = _rows(first), _rows(second)
    both = [name for name in one if name in two]
    fates, splits, labels, contents, why = {}, {}, {}, [], {}
    for name in both:
        before, after = one[name], two[name]
        if before["fate"] != after["fate"]:
            reasons = _reasons(before if after["split"] else after)
            fates[name] = [before["fate"], after["fate"], reasons]
        elif before["findings"] != after["findings"]:
            why[name] = [_reasons(before), _reasons(after)]
        if before["split"] and after["split"]:
            if before["split"] != after["split"]:
                splits[name] = [before["split"], after["split"]]
            if before["label"] != after["label"]:
                labels[name] = [before["label"], after["label"]]
            if before["sha256"] != after["sha256"]:
                contents.append(name)
    names = dict.fromkeys([*first.split_names(), *second.split_names()])
    added = [name for name in two if name not in one]
    removed = [name for name in one if name not in two]
    return Diff(
        added=added,
        removed=removed,
        fates=fates,
        splits=splits,
        labels=labels,
        contents=contents,
        counts={name: [_count(first, name), _count(second, name)] for name in names},
        reasons=why,
        renamed=_renamed(one, removed, two, added),
        card=_card_changes(first, second),
    )


def _rows(prepared: Prepared) -> dict[str, dict[str, Any]]:
    rows = prepared.ledger().select(_COLUMNS).to_pylist()
    return {row["id"]: row for row in rows}


def _reasons(row: dict[str, Any]) -> str:
    return "; ".join(f"{one['rule']}: {one['reason']}" for one in row["findings"])


def _renamed(
    one: dict[str, dict[str, Any]],
    removed: list[str],
    two: dict[str, dict[str, Any]],
    added: list[str],
) -> dict[str, str]:
    """Removed ids whose raw content was added under another; each is used once."""
    left: dict[bytes, list[str]] = {}
    for name in reversed(added):
        left.setdefault(two[name]["raw_sha256"], []).append(name)
    found = {}
    for name in removed:
        if left.get(one[name]["raw_sha256"]):
            found[name] = left[one[name]["raw_sha256"]].pop()
    return found


def _card_changes(first: Prepared, second: Prepared) -> dict[str, list[Any]]:
    """What cards say beside the counts and hashes that examples account for."""
    found = {}
    for name in (
        "source",
        "licence",
        "homepage",
        "class_names",
        "image_shape",
        "dtype",
    ):
        pair = [getattr(prepared.card, name) for prepared in (first, second)]
        if pair[0] != pair[1]:
            found[name] = pair
    return found


def _count(prepared: Prepared, split: str) -> int:
    card = prepared.card.splits.get(split)
    return 0 if card is None else card.num_examples


def _listing(names: list[str], count: int | None = None) -> str:
    more = (len(names) if count is None else count) - _LISTED
    return ", ".join(names[:_LISTED]) + (f" and {more:,} more" if more > 0 else "")
