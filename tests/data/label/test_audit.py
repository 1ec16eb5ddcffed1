"""Audit of labels, in numbers that can be checked by hand."""

import json
import math

import numpy as np
import pytest
from sklearn.datasets import load_digits

from tfgenai.data.label import audit
from tfgenai.data.raw import Example, Problem


def test_counts_and_evenness():
    labels = ["a"] * 6 + ["b"] * 3 + ["c"] + [None]
    examples = [Example(f"{i:02d}", f"text {i}", label=n) for i, n in enumerate(labels)]
    broken = Example("broken", None, label="c", problem=Problem("truncated", "cut"))
    found = audit([*examples, broken], with_mislabels=False)
    assert found.counts == {"a": 6, "b": 3, "c": 2}
    assert found.num_unlabelled == 1
    assert found.imbalance == 3.0
    shares = np.array([6, 3, 2]) / 11
    entropy = -(shares * np.log(shares)).sum()
    assert found.effective_classes == pytest.approx(math.exp(entropy))
    assert json.loads(json.dumps(found.to_json()))["imbalance"] == 3.0
    assert "11 labelled, 1 not" in str(found)


def test_even_classes_are_as_many_as_there_are():
    examples = [Example(str(i), f"text {i}", label=str(i % 5)) for i in range(50)]
    found = audit(examples, with_mislabels=False)
    assert found.effective_classes == pytest.approx(5.0)
    assert audit([]).counts == {}


def test_conflicts_and_mislabels_are_named():
    data = load_digits()
    examples = [
        Example(
            f"{i:04d}",
            (image * 15.9).astype(np.uint8)[..., np.newaxis],
            label=str(label),
        )
        for i, (image, label) in enumerate(
            zip(data.images[:1000], data.target[:1000], strict=True)
        )
    ]
    wrong = {f"{i:04d}" for i in range(0, 1000, 40)}
    examples = [
        Example(e.id, e.content, label=str((int(e.label) + 5) % 10))
        if e.id in wrong
        else e
        for e in examples
    ]
    copy = Example("copy", examples[1].content, label="other")
    found = audit([*examples, copy])
    assert set(found.conflicts) == {"0001", "copy"}
    assert len(wrong & set(found.mislabels)) >= 0.7 * len(wrong)
    assert "2 conflicts" in str(found)
