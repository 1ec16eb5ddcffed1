"""Audit of labels: how many of each, how even, and which are probably wrong."""

import collections
import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tfgenai.data.clean.facts import Facts
from tfgenai.data.clean.features import features
from tfgenai.data.clean.labels import LabelConflict, Mislabel
from tfgenai.data.raw.example import Example

_LISTED = 5


@dataclasses.dataclass(frozen=True)
class LabelAudit:
    """What there is to say of the labels of a set.

    Args:
        counts: examples of each class, the largest first.
        num_unlabelled: examples without a label.
        imbalance: examples of the largest class over those of the smallest.
        effective_classes: classes of equal size that are as uneven to guess: e to the
            entropy of the shares.
        conflicts: reasons by id, of equal contents with different labels.
        mislabels: reasons by id, of labels that a classifier contradicts.
    """

    counts: dict[str, int]
    num_unlabelled: int
    imbalance: float
    effective_classes: float
    conflicts: dict[str, str]
    mislabels: dict[str, str]

    def to_json(self) -> dict[str, Any]:
        """The audit as a dictionary that `json` can write."""
        return dataclasses.asdict(self)

    def __str__(self) -> str:
        lines = [
            f"{sum(self.counts.values()):,} labelled, {self.num_unlabelled:,} not",
            ", ".join(f"{name}: {count:,}" for name, count in self.counts.items()),
            f"imbalance {self.imbalance:.2f}, as uneven as "
            f"{self.effective_classes:.2f} equal classes",
        ]
        for title, found in (
            ("conflicts", self.conflicts),
            ("probably wrong", self.mislabels),
        ):
            lines.append(f"{len(found):,} {title}")
            lines += [f"  {name}: {why}" for name, why in list(found.items())[:_LISTED]]
        return "\n".join(lines)


def audit(
    examples: Sequence[Example], *, with_mislabels: bool = True, seed: int = 0
) -> LabelAudit:
    """Looks at the labels of examples.

    Args:
        examples: of one kind; those without content count, and are not looked at.
        with_mislabels: whether a classifier is asked, which takes the time.
        seed: of the classifier.

    Example:
        >>> found = audit([Example(str(i), f"text {i}", label="ab"[i > 2])
        ...                for i in range(4)], with_mislabels=False)
        >>> found.counts, found.imbalance
        ({'a': 3, 'b': 1}, 3.0)
    """
    known = [one.label for one in examples if one.label is not None]
    counts = dict(
        sorted(collections.Counter(known).items(), key=lambda p: (-p[1], p[0]))
    )
    shares = [count / len(known) for count in counts.values()]
    readable = sorted(
        (one for one in examples if one.content is not None), key=lambda one: one.id
    )
    ids = [one.id for one in readable]
    columns: dict[str, Any] = {}
    if with_mislabels and readable:
        columns["features"] = np.stack([features(one) for one in readable])
    facts = Facts(
        ids,
        [one.label for one in readable],
        [one.split for one in readable],
        [one.sha256() for one in readable],
        columns,
    )
    conflicts = LabelConflict().judge(facts)
    wrong = Mislabel(seed=seed).judge(facts) if columns else {}
    return LabelAudit(
        counts=counts,
        num_unlabelled=len(examples) - len(known),
        imbalance=max(counts.values()) / min(counts.values()) if counts else 1.0,
        effective_classes=math.exp(-sum(p * math.log(p) for p in shares)),
        conflicts={ids[row]: why for row, why in sorted(conflicts.items())},
        mislabels={ids[row]: why for row, why in sorted(wrong.items())},
    )
