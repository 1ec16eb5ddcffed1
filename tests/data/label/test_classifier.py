"""Labels by a classifier."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import load_digits

from tfgenai.core.errors import DataError
from tfgenai.data.label import label_by_classifier, least_sure, predict


@given(
    st.lists(st.lists(st.integers(1, 9), min_size=3, max_size=3), max_size=12),
    st.floats(0.34, 0.99),
)
def test_each_example_is_taken_or_asked_about(rows, threshold):
    chances = np.array(rows, float).reshape(-1, 3)
    chances /= chances.sum(1, keepdims=True)
    ids = [f"i{n}" for n in range(len(rows))]
    taken, queue = label_by_classifier(ids, chances, list("abc"), threshold=threshold)
    assert sorted([*taken, *queue]) == sorted(ids)
    best = dict(zip(ids, chances.max(1) if rows else [], strict=True))
    assert all(best[name] >= threshold for name in taken)
    assert [best[name] for name in queue] == sorted(best[name] for name in queue)
    assert all(chances[int(n[1:])]["abc".index(taken[n])] == best[n] for n in taken)


def test_what_are_no_probabilities_is_refused():
    for wrong in (np.ones((2, 2)), np.full((2, 2), np.nan), np.zeros((3, 2))):
        with pytest.raises(DataError, match="Probabilities"):
            label_by_classifier(["a", "b"], wrong, ["x", "y"])


def test_some_labels_are_enough_for_most_digits():
    found = load_digits()
    names = [str(label) for label in found.target]
    chances, classes = predict(found.data[:300], names[:300], found.data[300:])
    ids = [str(row) for row in range(300, len(names))]
    taken, queue = label_by_classifier(ids, chances, classes, threshold=0.8)
    right = np.mean([names[int(name)] == label for name, label in taken.items()])
    guesses = [classes[number] for number in chances.argmax(1)]
    everything = np.mean([a == b for a, b in zip(guesses, names[300:], strict=True)])
    assert right > 0.98
    assert everything > 0.8
    assert len(taken) > 0.3 * len(ids)
    assert len(taken) + len(queue) == len(ids)


def test_two_classes_are_needed():
    with pytest.raises(DataError, match="1 classes"):
        predict(np.zeros((2, 3)), ["a", "a"], np.zeros((1, 3)))
    with pytest.raises(DataError, match="2 labels"):
        predict(np.zeros((3, 3)), ["a", "b"], np.zeros((1, 3)))


def test_the_least_sure_come_first():
    assert least_sure({"b": 0.5, "a": 0.5, "c": 0.1}) == ["c", "a", "b"]
