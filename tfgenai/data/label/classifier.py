"""Labels by a classifier: what it is sure of is taken, the rest is for people."""

from collections.abc import Mapping, Sequence

import numpy as np

from tfgenai.core.errors import DataError
from tfgenai.core.numpy_random import check_seed


def label_by_classifier(
    ids: Sequence[str],
    probabilities: np.ndarray,
    classes: Sequence[str],
    *,
    threshold: float = 0.95,
) -> tuple[dict[str, str], list[str]]:
    """Takes the labels that a classifier is sure of.

    Args:
        ids: `n` examples.
        probabilities: `(n, classes)`, of any trained classifier, or `predict`.
        classes: names of the classes.
        threshold: least probability that is taken.

    Returns:
        The labels that are taken, by id, and the other ids, the least sure first: the
        order in which people should look at them.

    Raises:
        DataError: if the probabilities are not such.

    Example:
        >>> chances = np.array([[0.99, 0.01], [0.4, 0.6], [0.1, 0.9]])
        >>> label_by_classifier(["a", "b", "c"], chances, ["x", "y"])
        ({'a': 'x'}, ['b', 'c'])
    """
    values = np.asarray(probabilities, np.float64)
    is_right = values.shape == (len(ids), len(classes)) and bool(
        np.isfinite(values).all()
    )
    if not is_right or np.abs(values.sum(1) - 1.0).max(initial=0.0) > 1e-3:
        raise DataError(
            f"Probabilities ({len(ids)}, {len(classes)}) whose rows sum to 1 were "
            f"expected. Received: an array of shape {values.shape}."
        )
    best = values.max(1, initial=0.0)
    taken = {
        ids[row]: classes[int(values[row].argmax())]
        for row in np.flatnonzero(best >= threshold).tolist()
    }
    order = np.argsort(best, kind="stable")
    return taken, [ids[row] for row in order.tolist() if best[row] < threshold]


def predict(
    known: np.ndarray, labels: Sequence[str], unknown: np.ndarray, *, seed: int = 0
) -> tuple[np.ndarray, list[str]]:
    """A simple classifier of features: logistic regression.

    Args:
        known: `(n, k)`, features of labelled examples, `clean.features.features` say.
        labels: their `n` labels, of two classes at least.
        unknown: `(m, k)`, features of the others.
        seed: of the solver.

    Returns:
        Probabilities `(m, classes)`, and the names of the classes.

    Raises:
        DataError: if there are fewer than two classes, or shapes do not fit.
    """
    from sklearn.linear_model import LogisticRegression

    names = sorted(set(labels))
    known, unknown = np.asarray(known, np.float64), np.asarray(unknown, np.float64)
    if (
        len(names) < 2
        or len(known) != len(labels)
        or known.shape[1:] != unknown.shape[1:]
    ):
        raise DataError(
            "Features and labels of two classes or more were expected. Received: "
            f"features {known.shape} and {unknown.shape}, {len(labels)} labels of "
            f"{len(names)} classes."
        )
    # One scale for all: rare features scaled by their own spread would shout.
    middle, spread = known.mean(0), max(float(known.std()), 1e-12)
    model = LogisticRegression(
        C=0.1, max_iter=500, random_state=check_seed(seed) % 2**32
    )
    model.fit((known - middle) / spread, list(labels))
    return model.predict_proba((unknown - middle) / spread), [
        str(name) for name in model.classes_
    ]


def least_sure(chances: Mapping[str, float]) -> list[str]:
    """Ids by how sure a model is of them, the least first.

    Args:
        chances: the probability of the likeliest class by id.

    Example:
        >>> least_sure({"a": 0.9, "b": 0.5})
        ['b', 'a']
    """
    return sorted(chances, key=lambda name: (chances[name], name))
