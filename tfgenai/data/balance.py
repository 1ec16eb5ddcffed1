"""Classes of differing sizes: weights for the loss, or rows drawn to equal numbers."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from tfgenai.core.errors import DataError
from tfgenai.core.numpy_random import numpy_generator

_STREAM = 0x62616C


def class_weights(
    labels: "Sequence[int] | np.ndarray",
    *,
    scheme: Literal["inverse", "effective"] = "inverse",
    beta: float = 0.999,
) -> dict[int, float]:
    """Weights that make rare classes count as much as others, of mean 1 over examples.

    Args:
        labels: integers `(n,)`.
        scheme: "inverse": by one over the number of examples; "effective": by one over
            the effective number, (1 - beta^n) / (1 - beta) (Cui et al. 2019,
            "Class-Balanced Loss Based on Effective Number of Samples",
            arXiv:1901.05555, equation 2), which weighs large classes less.
        beta: in [0, 1); 0 weighs all alike, near 1 is "inverse".

    Returns:
        A weight for each class that occurs; what Keras calls `class_weight`.

    Raises:
        DataError: if there are no labels, or some are missing (negative).

    Example:
        >>> class_weights([0, 0, 0, 1])
        {0: 0.6666666666666666, 1: 2.0}
    """
    values = _checked(labels)
    classes, counts = np.unique(values, return_counts=True)
    if scheme == "inverse":
        weights: np.ndarray = 1.0 / counts
    elif scheme == "effective":
        if not 0.0 <= beta < 1.0:
            raise ValueError(f"beta in [0, 1) was expected. Received: {beta=}.")
        weights = (1.0 - beta) / (1.0 - beta**counts)
    else:
        raise ValueError(
            f"'inverse' or 'effective' was expected. Received: scheme={scheme!r}."
        )
    weights = weights * (len(values) / (weights * counts).sum())
    return dict(zip(classes.tolist(), weights.tolist(), strict=True))


def balanced_rows(
    labels: "Sequence[int] | np.ndarray",
    *,
    how: Literal["oversample", "undersample"] = "oversample",
    seed: int = 0,
) -> np.ndarray:
    """Rows in which every class is as frequent as the others.

    Args:
        labels: integers `(n,)`.
        how: "oversample" repeats examples of rare classes, each as often as the others
            of its class but for one, until all have as many as the largest;
            "undersample" leaves examples out until all have as few as the smallest.
        seed: of the choice.

    Returns:
        int64, ascending.

    Raises:
        DataError: if there are no labels, or some are missing (negative).

    Example:
        >>> balanced_rows([0, 0, 0, 1]).tolist()
        [0, 1, 2, 3, 3, 3]
    """
    values = _checked(labels)
    if how not in ("oversample", "undersample"):
        raise ValueError(
            f"'oversample' or 'undersample' was expected. Received: how={how!r}."
        )
    classes, counts = np.unique(values, return_counts=True)
    size = int(counts.max() if how == "oversample" else counts.min())
    chosen = []
    for number, label in enumerate(classes):
        rows = np.flatnonzero(values == label)
        rest = size % len(rows)
        extra = numpy_generator(seed, _STREAM, number).permutation(rows)[:rest]
        chosen += [np.repeat(rows, size // len(rows)), extra]
    return np.sort(np.concatenate(chosen)).astype(np.int64)


def _checked(labels: Any) -> np.ndarray:
    if labels is None:
        raise DataError(
            "Labels were expected. Received: None. Data without labels have no classes "
            "to balance."
        )
    values = np.asarray(labels)
    if values.ndim != 1 or not len(values) or values.dtype.kind not in "iu":
        raise DataError(
            "Integer labels (n,) were expected. Received: labels of "
            f"{values.dtype} {values.shape}."
        )
    if values.min() < 0:
        raise DataError(
            "Labels of all examples were expected. Received: "
            f"{int((values < 0).sum())} that are missing (negative). Label them, or "
            "leave them out."
        )
    return values
