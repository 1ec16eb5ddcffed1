"""Rules of labels: counts that can be checked by eye, and planted mislabels."""

import gzip

import numpy as np
import pytest
from sklearn.datasets import load_digits

from tfgenai.core.numpy_random import numpy_generator
from tfgenai.data.clean.facts import Facts
from tfgenai.data.clean.labels import LabelConflict, Mislabel, RareClass, Unlabelled
from tfgenai.data.raw import Example


def facts(labels, digests=None, **columns):
    n = len(labels)
    ids = [f"{i:06d}" for i in range(n)]
    return Facts(ids, labels, [None] * n, digests or [b""] * n, columns)


def planted(images, labels, *, share, seed):
    """Facts with some labels replaced by another, and the rows of those."""
    generator = numpy_generator(seed)
    names = np.array([str(label) for label in labels])
    classes = sorted(set(names))
    rows = generator.choice(len(names), round(share * len(names)), replace=False)
    for row in rows:
        names[row] = generator.choice([c for c in classes if c != names[row]])
    rule = Mislabel()
    features = [rule.measure(Example("", image))["features"] for image in images]
    return facts(names.tolist(), features=np.stack(features)), set(rows.tolist())


def test_missing_and_rare_labels():
    assert Unlabelled().check(Example("a", "x")) == "no label"
    assert Unlabelled().check(Example("a", "x", label="b")) is None
    labels = ["a"] * 5 + ["b"] * 2 + [None]
    assert RareClass(3).judge(facts(labels)) == {
        5: "one of 2 of class 'b'",
        6: "one of 2 of class 'b'",
    }
    with pytest.raises(ValueError, match="min_examples=0"):
        RareClass(0)


def test_copies_at_odds_are_all_named():
    labels = ["a", "b", "a", "a", None, "c"]
    digests = [b"1", b"1", b"2", b"2", b"1", b"3"]
    assert LabelConflict().judge(facts(labels, digests)) == {
        0: "same content under 'a' and 'b'",
        1: "same content under 'a' and 'b'",
    }


def test_planted_mislabels_are_found_among_small_digits():
    found = load_digits()
    images = (found.images * 15.9).astype(np.uint8)[..., np.newaxis]
    made, rows = planted(images, found.target, share=0.03, seed=81)
    flagged = Mislabel(num_components=500).judge(made)
    assert len(rows & set(flagged)) >= 0.8 * len(rows)
    assert len(rows & set(flagged)) >= 0.5 * len(flagged)
    row = next(iter(rows & set(flagged)))
    assert flagged[row].startswith(f"{made.labels[row]!r}, but looks like")
    assert Mislabel(num_components=500).judge(made) == flagged


def test_classes_that_cannot_be_judged_are_left_alone():
    rows = np.zeros((12, 4), np.float16)
    labels = ["a"] * 10 + ["b", None]
    assert Mislabel().judge(facts(labels, features=rows)) == {}
    with pytest.raises(ValueError, match="num_folds=1"):
        Mislabel(num_folds=1)


@pytest.mark.slow
@pytest.mark.data
def test_planted_mislabels_are_found_among_real_digits(test_data):
    def read(name, skip):
        path = test_data / "mnist" / f"train-{name}-ubyte.gz"
        return np.frombuffer(gzip.decompress(path.read_bytes())[skip:], np.uint8)

    images = read("images-idx3", 16).reshape(-1, 28, 28, 1)
    labels = read("labels-idx1", 8)
    rows = numpy_generator(82).choice(len(labels), 8000, replace=False)
    made, wrong = planted(images[rows], labels[rows], share=0.03, seed=83)
    flagged = set(Mislabel().judge(made))
    assert len(wrong & flagged) >= 0.8 * len(wrong)
    assert len(wrong & flagged) >= 0.8 * len(flagged)
