"""How good a classifier is: by class, calibrated or not, and against the simplest."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import confusion_matrix, log_loss, precision_recall_fscore_support
from sklearn.pipeline import make_pipeline

import tfgenai
from tfgenai.core.pages import template_environment
from tfgenai.core.storage import PathLike, write_json, write_text
from tfgenai.evaluate.statistics import wilson_interval
from tfgenai.finetune.heads.classifier import ClassifierHead, check_labels

_BINS = 15


@dataclasses.dataclass(frozen=True)
class ClassFigures:
    """Figures of one class; intervals are Wilson's, at 95 %.

    Args:
        name: its name.
        num_examples: how many there are in the test data.
        precision: share of the answers with this class that are right.
        precision_interval: its interval.
        recall: share of the class's examples that are found.
        recall_interval: its interval.
        f1: harmonic mean of the two.
    """

    name: str
    num_examples: int
    precision: float
    precision_interval: tuple[float, float]
    recall: float
    recall_interval: tuple[float, float]
    f1: float


@dataclasses.dataclass(frozen=True)
class ClassifierReport:
    """What `evaluate_classifier` measured.

    Args:
        num_examples: test examples.
        accuracy: share that is right.
        accuracy_interval: Wilson's interval of it, at 95 %.
        log_loss: mean -log p of the true class, nats.
        brier_score: mean squared distance of the probabilities from the truth, in
            [0, 2] (Brier 1950).
        calibration_error: expected calibration error over 15 bins of equal width (Guo
            et al. 2017, arXiv:1706.04599, equation 3).
        calibration: for each bin that has examples: how many, the mean confidence, and
            the share that is right.
        classes: figures of each class.
        confusion: numbers of examples, rows by true class, columns by answer.
        majority_accuracy: of always answering the class that is most frequent in the
            training data.
        simple_accuracy: of logistic regression on pixels, or on counts of up to three
            neighbouring tokens, with the same training data.
    """

    num_examples: int
    accuracy: float
    accuracy_interval: tuple[float, float]
    log_loss: float
    brier_score: float
    calibration_error: float
    calibration: list[dict[str, float]]
    classes: list[ClassFigures]
    confusion: list[list[int]]
    majority_accuracy: float
    simple_accuracy: float

    def to_dict(self) -> dict[str, Any]:
        """All of it as JSON values."""
        return dataclasses.asdict(self)

    def to_html(self) -> str:
        """The report as one page that needs nothing else to be shown."""
        environment = template_environment(Path(__file__).parent)
        environment.filters["share"] = "{:.2%}".format
        environment.filters["range"] = lambda pair: "{:.1%} … {:.1%}".format(*pair)
        return environment.get_template("report.html").render(
            report=self, num_bins=_BINS, version=tfgenai.__version__
        )

    def save(self, path: PathLike) -> Path:
        """Writes `.html` or `.json`, as the suffix says, atomically.

        Args:
            path: the file.

        Returns:
            The path written.

        Raises:
            ValueError: if the suffix is neither.
            StorageError: if the folder cannot be written to.
        """
        suffix = Path(path).suffix.lower()
        if suffix == ".json":
            return write_json(path, self.to_dict())
        if suffix in (".html", ".htm"):
            return write_text(path, self.to_html())
        raise ValueError(
            "A file name that ends in .html or .json was expected. Received: "
            f"path={str(path)!r}."
        )

    def __str__(self) -> str:
        low, high = self.accuracy_interval
        lines = [
            f"accuracy {self.accuracy:.4f} [{low:.4f}, {high:.4f}] of "
            f"{self.num_examples:,}; majority {self.majority_accuracy:.4f}, simple "
            f"features {self.simple_accuracy:.4f}",
            f"log loss {self.log_loss:.4f} nats, Brier score {self.brier_score:.4f}, "
            f"calibration error {self.calibration_error:.4f}",
            f"{'class':<16}{'examples':>9}{'precision':>11}{'recall':>9}{'F1':>9}",
        ]
        lines += [
            f"{c.name[:15]:<16}{c.num_examples:>9,}{c.precision:>11.3f}"
            f"{c.recall:>9.3f}{c.f1:>9.3f}"
            for c in self.classes
        ]
        return "\n".join(lines)


def evaluate_classifier(
    head: ClassifierHead,
    test: tuple[Any, Any],
    train: tuple[Any, Any],
    *,
    batch_size: int = 256,
) -> ClassifierReport:
    """Measures a classifier on test data, and two baselines beside it.

    Args:
        head: a trained classifier.
        test: (x, y): examples as the base takes them, and int `(n,)` classes.
        train: (x, y), the labelled examples that the head was trained on.
        batch_size: examples at a time.

    Returns:
        The report; printed it is a table.

    Raises:
        DataError: if a class has no example in one of the two, or a label is none.

    Example:
        ```python
        report = evaluate_classifier(head, (test_x, test_y), (train_x, train_y))
        print(report)
        report.save("report.json")
        ```
    """
    y = check_labels(test[1], head.num_classes, "test labels")
    known = check_labels(train[1], head.num_classes, "train labels")
    probabilities = head.predict_probabilities(test[0], batch_size=batch_size)
    probabilities = probabilities.astype(np.float64)
    probabilities /= probabilities.sum(1, keepdims=True)
    answers = probabilities.argmax(1)
    numbers = np.arange(head.num_classes)
    truth = np.eye(head.num_classes)[y]
    num_right = int((answers == y).sum())
    error, bins = _calibration(probabilities.max(1), answers == y)
    simple = _simple_answers(np.asarray(train[0]), known, np.asarray(test[0]))
    return ClassifierReport(
        num_examples=len(y),
        accuracy=num_right / len(y),
        accuracy_interval=wilson_interval(num_right, len(y)),
        log_loss=float(log_loss(y, probabilities, labels=numbers)),
        brier_score=float(((probabilities - truth) ** 2).sum(1).mean()),
        calibration_error=error,
        calibration=bins,
        classes=_classes(y, answers, head.class_names or [str(i) for i in numbers]),
        confusion=confusion_matrix(y, answers, labels=numbers).tolist(),
        majority_accuracy=float((y == np.bincount(known).argmax()).mean()),
        simple_accuracy=float((simple == y).mean()),
    )


def _classes(
    y: np.ndarray, answers: np.ndarray, names: Sequence[str]
) -> list[ClassFigures]:
    numbers = np.arange(len(names))
    precision, recall, f1, support = precision_recall_fscore_support(
        y, answers, labels=numbers, zero_division=0.0
    )
    figures = []
    for i, name in enumerate(names):
        right = int(((answers == i) & (y == i)).sum())
        answered = int((answers == i).sum())
        figures.append(
            ClassFigures(
                name=name,
                num_examples=int(support[i]),
                precision=float(precision[i]),
                precision_interval=(
                    wilson_interval(right, answered) if answered else (0.0, 1.0)
                ),
                recall=float(recall[i]),
                recall_interval=wilson_interval(right, int(support[i])),
                f1=float(f1[i]),
            )
        )
    return figures


def _calibration(
    confidence: np.ndarray, is_right: np.ndarray
) -> tuple[float, list[dict[str, float]]]:
    places = np.minimum((confidence * _BINS).astype(int), _BINS - 1)
    error, bins = 0.0, []
    for place in np.unique(places):
        inside = places == place
        confident, right = confidence[inside].mean(), is_right[inside].mean()
        error += inside.mean() * abs(confident - right)
        bins.append(
            {
                "num_examples": int(inside.sum()),
                "confidence": float(confident),
                "accuracy": float(right),
            }
        )
    return float(error), bins


def _simple_answers(
    train: np.ndarray, labels: np.ndarray, test: np.ndarray
) -> np.ndarray:
    """What logistic regression answers that knows no pre-trained model."""
    if train.dtype.kind == "f":
        model = LogisticRegression(max_iter=2000)
        model.fit(train.reshape(len(train), -1), labels)
        return np.asarray(model.predict(test.reshape(len(test), -1)))
    model = make_pipeline(
        TfidfVectorizer(analyzer=_neighbours), LogisticRegression(max_iter=2000)
    )
    model.fit(list(train), labels)
    return np.asarray(model.predict(list(test)))


def _neighbours(tokens: np.ndarray) -> list[tuple[int, ...]]:
    known = [int(token) for token in tokens if token >= 0]
    return [
        tuple(known[i : i + n]) for n in (1, 2, 3) for i in range(len(known) - n + 1)
    ]
