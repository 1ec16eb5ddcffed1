"""Rules of labels: missing, rare, at odds with a copy's, probably wrong."""

import collections
from collections.abc import Iterator
from typing import Any

import numpy as np

from tfgenai.core.numpy_random import check_seed
from tfgenai.data.clean.facts import Fact, Facts
from tfgenai.data.clean.features import features
from tfgenai.data.clean.rule import RULES, Action, ExampleRule, SetRule
from tfgenai.data.raw.example import Example

_ROWS = 4096  # whose features are in memory at a time
_WIDTH = 0.5  # of the kernel, by the median squared distance
_RIDGE = 0.3
_SHARPNESS = 8.0  # of scores that are about 0.9 apart where a classifier is sure


@RULES.register("unlabelled")
class Unlabelled(ExampleRule):
    """Examples without a label."""

    name = "unlabelled"
    default_action = "keep"

    def check(self, example: Example) -> str | None:
        """Says so."""
        return "no label" if example.label is None else None


@RULES.register("rare_class")
class RareClass(SetRule):
    """Examples of classes that have too few.

    Args:
        min_examples: fewest examples of a class.
        action: see `Rule`.
    """

    name = "rare_class"
    default_action = "keep"

    def __init__(self, min_examples: int = 10, *, action: Action | None = None) -> None:
        super().__init__(action=action)
        if isinstance(min_examples, bool) or min_examples < 1:
            raise ValueError(
                f"At least 1 example was expected. Received: {min_examples=}."
            )
        self.min_examples = min_examples

    def measure(self, example: Example) -> dict[str, Fact]:
        """Needs nothing but the label."""
        return {}

    def judge(self, facts: Facts) -> dict[int, str]:
        """The examples of rare classes."""
        counts = collections.Counter(facts.labels)
        return {
            row: f"one of {counts[label]} of class {label!r}"
            for row, label in enumerate(facts.labels)
            if label is not None and counts[label] < self.min_examples
        }


@RULES.register("label_conflict")
class LabelConflict(SetRule):
    """Equal contents with different labels: at least one of them is wrong.

    Put it before `exact_duplicate`, which keeps the first, whatever its label.
    """

    name = "label_conflict"

    def measure(self, example: Example) -> dict[str, Fact]:
        """Needs nothing but the hash and the label."""
        return {}

    def judge(self, facts: Facts) -> dict[int, str]:
        """All copies whose labels are at odds."""
        rows = collections.defaultdict(list)
        for row, digest in enumerate(facts.sha256):
            if facts.labels[row] is not None:
                rows[digest].append(row)
        found: dict[int, str] = {}
        for group in rows.values():
            labels = sorted({str(facts.labels[row]) for row in group})
            if len(labels) > 1:
                words = f"same content under {' and '.join(map(repr, labels))}"
                found |= dict.fromkeys(group, words)
        return found


@RULES.register("mislabel")
class Mislabel(SetRule):
    """Labels that a classifier contradicts with confidence.

    Confident learning (Northcutt, Jiang & Chuang 2021, "Confident Learning: Estimating
    Uncertainty in Dataset Labels", arXiv:1911.00068) through `cleanlab`: a classifier
    is trained on four fifths of the examples and asked about the rest, five times; an
    example is flagged if the class that it is counted to, by thresholds of each class's
    own confidence, is not its label. The classifier is kernel ridge regression on the
    contents' features, through random Fourier features (Rahimi & Recht 2007, "Random
    Features for Large-Scale Kernel Machines").

    Args:
        num_folds: parts that the examples are cut into.
        num_components: random Fourier features.
        seed: of the folds and the features.
        action: see `Rule`.
    """

    name = "mislabel"
    default_action = "keep"

    def __init__(
        self,
        num_folds: int = 5,
        num_components: int = 2000,
        seed: int = 0,
        *,
        action: Action | None = None,
    ) -> None:
        super().__init__(action=action)
        if num_folds < 2 or num_components < 1:
            raise ValueError(
                "At least 2 folds and 1 component were expected. Received: "
                f"{num_folds=}, {num_components=}."
            )
        self.num_folds, self.num_components = num_folds, num_components
        self.seed = check_seed(seed)

    def measure(self, example: Example) -> dict[str, Fact]:
        """Features of the content, float16."""
        return {"features": features(example)}

    def judge(self, facts: Facts) -> dict[int, str]:
        """Examples whose label is contradicted, with the class that it should be."""
        rows = np.array(
            [i for i, label in enumerate(facts.labels) if label is not None], np.int64
        )
        names = np.array([facts.labels[row] for row in rows])
        classes, labels, counts = np.unique(
            names, return_inverse=True, return_counts=True
        )
        # A class that is not in every fold cannot be judged.
        known = counts[labels] >= 2 * self.num_folds
        rows, labels = rows[known], labels[known]
        kept, labels = np.unique(labels, return_inverse=True)
        if len(kept) < 2:
            return {}
        values: Any = np.asarray(facts["features"], np.float32)[rows]
        chances = out_of_fold(
            values,
            labels,
            num_folds=self.num_folds,
            num_components=self.num_components,
            seed=self.seed,
        )
        from cleanlab.filter import find_label_issues

        wrong = find_label_issues(labels, chances, n_jobs=1)
        best = chances.argmax(1)
        return {
            int(rows[i]): f"{str(classes[kept[labels[i]]])!r}, but looks like "
            f"{str(classes[kept[best[i]]])!r} (probability {chances[i].max():.2f})"
            for i in np.flatnonzero(wrong)
        }


def out_of_fold(
    values: np.ndarray,
    labels: np.ndarray,
    *,
    num_folds: int,
    num_components: int,
    seed: int,
) -> np.ndarray:
    """Probabilities of the classes, each example's by a classifier that never saw it.

    Args:
        values: float32 `(n, k)`.
        labels: integers `(n,)`, from 0.
        num_folds: number of parts.
        num_components: random Fourier features.
        seed: of the folds and the features.

    Returns:
        float64 `(n, classes)`, rows sum to 1.
    """
    from sklearn.kernel_approximation import RBFSampler
    from sklearn.model_selection import StratifiedKFold

    num_classes = int(labels.max()) + 1
    mean = values.mean(0)
    gamma = _WIDTH / _median_square_distance(values)
    seed %= 2**32  # scikit-learn takes no more
    sampler = RBFSampler(gamma=gamma, n_components=num_components, random_state=seed)
    sampler.fit(values[:1])
    split = StratifiedKFold(num_folds, shuffle=True, random_state=seed)
    folds = np.empty(len(values), np.int64)
    for number, (_, held_out) in enumerate(split.split(labels, labels)):
        folds[held_out] = number
    targets = np.eye(num_classes, dtype=np.float32)[labels] - 1.0 / num_classes

    def blocks() -> Iterator[tuple[slice, np.ndarray]]:
        for start in range(0, len(values), _ROWS):
            rows = slice(start, start + _ROWS)
            kernel = sampler.transform(values[rows] - mean)
            yield rows, kernel.astype(np.float32)

    # Sums over each fold; what a classifier is trained on are those of the others.
    grams = np.zeros((num_folds, num_components, num_components), np.float32)
    answers = np.zeros((num_folds, num_components, num_classes), np.float32)
    for rows, kernel in blocks():
        for number in range(num_folds):
            own = folds[rows] == number
            grams[number] += kernel[own].T @ kernel[own]
            answers[number] += kernel[own].T @ targets[rows][own]
    ridge = _RIDGE * np.eye(num_components, dtype=np.float32)
    weights = [
        np.linalg.solve(
            grams.sum(0) - grams[number] + ridge, answers.sum(0) - answers[number]
        )
        for number in range(num_folds)
    ]
    chances = np.empty((len(values), num_classes))
    for rows, kernel in blocks():
        for number in range(num_folds):
            own = np.flatnonzero(folds[rows] == number)
            scores = (kernel[own] @ weights[number]).astype(np.float64) * _SHARPNESS
            powers = np.exp(scores - scores.max(1, keepdims=True))
            chances[rows.start + own] = powers / powers.sum(1, keepdims=True)
    # Rounded, because sums in another order differ in the last digits.
    return np.round(chances, 4) / np.round(chances, 4).sum(1, keepdims=True)


def _median_square_distance(values: np.ndarray) -> float:
    from scipy.spatial.distance import pdist

    sample = values[:: max(1, len(values) // 500)].astype(np.float64)
    return max(float(np.median(pdist(sample, "sqeuclidean"))), 1e-12)
