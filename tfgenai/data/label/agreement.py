"""Agreement of labellers: shares, Cohen's and Fleiss's kappa."""

import dataclasses
from collections.abc import Sequence

import numpy as np


@dataclasses.dataclass(frozen=True)
class Agreement:
    """How far labellers agree, over items that at least two of them labelled.

    Args:
        num_items: such items.
        num_votes: their labels.
        share: of pairs of labels of one item that are equal; NaN without items.
        kappa: Fleiss's kappa: 1 for full agreement, 0 for that of chance; NaN likewise,
            or if all labels are one class.
    """

    num_items: int
    num_votes: int
    share: float
    kappa: float


def agreement(votes: Sequence[Sequence[str]], classes: Sequence[str]) -> Agreement:
    """Fleiss's kappa, for any number of labels of each item.

    Fleiss 1971, "Measuring Nominal Scale Agreement Among Many Raters", Psychological
    Bulletin 76(5). With items of differing numbers of labels, each pair of labels
    counts alike; with one number it is his equation 7.

    Args:
        votes: the labels of each item.
        classes: names of the classes.

    Example:
        >>> found = agreement([["a", "a"], ["a", "b"], ["b", "b"]], ["a", "b"])
        >>> round(found.kappa, 6)
        0.333333
    """
    counts = np.array(
        [
            [list(labels).count(name) for name in classes]
            for labels in votes
            if len(labels) >= 2
        ],
        np.float64,
    ).reshape(-1, len(classes))
    if not len(counts):
        return Agreement(0, 0, float("nan"), float("nan"))
    totals = counts.sum(1)
    pairs = float((totals * (totals - 1)).sum())
    share = float((counts * (counts - 1)).sum()) / pairs
    chance = float(np.square(counts.sum(0) / totals.sum()).sum())
    kappa = (share - chance) / (1 - chance) if chance < 1 else float("nan")
    return Agreement(len(counts), int(totals.sum()), share, kappa)


def cohens_kappa(one: Sequence[str], two: Sequence[str]) -> float:
    """Agreement of two labellers beyond chance, each with shares of their own.

    Cohen 1960, "A Coefficient of Agreement for Nominal Scales".

    Args:
        one: labels of the first, of the same items as the second's.
        two: labels of the second.

    Raises:
        ValueError: if lengths differ or there are none.
    """
    if len(one) != len(two) or not len(one):
        raise ValueError(
            "Labels of the same items were expected. Received: "
            f"{len(one)} and {len(two)}."
        )
    classes = sorted({*one, *two})
    share = sum(a == b for a, b in zip(one, two, strict=True)) / len(one)
    chance = (
        sum(list(one).count(name) * list(two).count(name) for name in classes)
        / len(one) ** 2
    )
    return (share - chance) / (1 - chance) if chance < 1 else float("nan")
