"""Laws of slices: disjoint, exhaustive, stratified, copies together, by seed alone."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfgenai.core.errors import DataError
from tfgenai.core.random import numpy_generator
from tfgenai.data.split import Slice


def rows(text, labels, groups=None, seed=0):
    groups = np.arange(len(labels)) if groups is None else groups
    return Slice.parse(text).rows(np.asarray(labels), groups, seed=seed)


@settings(max_examples=60, deadline=None)
@given(
    n=st.integers(10, 200),
    cuts=st.lists(st.integers(1, 99), min_size=1, max_size=3, unique=True),
    seed=st.integers(0, 2**62),
    num_groups=st.integers(5, 200),
)
def test_slices_that_meet_are_disjoint_and_leave_nothing_out(n, cuts, seed, num_groups):
    rng = numpy_generator(seed, 1)
    labels, groups = rng.integers(0, 3, n), rng.integers(0, num_groups, n)
    edges = ["", *(f"{cut}%" for cut in sorted(cuts)), ""]
    parts = []
    for start, stop in itertools.pairwise(edges):
        try:
            parts.append(rows(f"train[{start}:{stop}]", labels, groups, seed))
        except DataError:  # copies may leave nothing for a small slice
            continue
    together = np.concatenate(parts)
    assert sorted(together) == list(range(n))
    owner = np.empty(n, int)
    for i, part in enumerate(parts):
        owner[part] = i
    for group in np.unique(groups):
        assert len(set(owner[groups == group])) == 1


@pytest.mark.parametrize("percent", [10, 25, 50, 90])
def test_every_class_has_its_share_to_one_example(percent):
    labels = np.repeat([0, 1, 2], [700, 200, 31])
    for text, share in (
        (f"a[:{percent}%]", percent),
        (f"a[{percent}%:]", 100 - percent),
    ):
        counts = np.bincount(labels[rows(text, labels)])
        expected = np.array([700, 200, 31]) * share / 100
        assert np.abs(counts - expected).max() <= 1


def test_a_slice_has_its_size_and_is_in_ascending_order():
    labels = np.zeros(1000, int)
    for text, size in [("a[:90%]", 900), ("a[90%:]", 100), ("a[:7]", 7), ("a[-7:]", 7)]:
        found = rows(text, labels)
        assert len(found) == size
        assert (np.diff(found) > 0).all()
    assert len(rows("a[12.5%:-25%]", labels)) == 625
    np.testing.assert_array_equal(rows("a", labels), np.arange(1000))


def test_the_seed_alone_decides():
    labels = np.arange(300) % 4
    first = rows("a[:50%]", labels, seed=3)
    np.testing.assert_array_equal(first, rows("a[:50%]", labels, seed=3))
    assert len(np.intersect1d(first, rows("a[:50%]", labels, seed=4))) < 110
    assert len(np.intersect1d(first, np.arange(150))) < 110  # not simply the first


def test_unlabelled_examples_are_split_too():
    found = Slice.parse("a[:30%]").rows(None, np.arange(50), seed=0)
    assert len(found) == 15


@pytest.mark.parametrize(
    "text",
    [
        "",
        "train[",
        "train[:90]%",
        "train[:90%",
        "train[:x%]",
        "train[10%]",
        "train[:101%]",
        "train[:90 %]",
        "train+test",
        "train[1.5:]",
        None,
        3,
    ],
)
def test_a_split_that_cannot_be_read_is_refused(text):
    with pytest.raises(DataError, match=r"Received: split=.*;"):
        Slice.parse(text)


@pytest.mark.parametrize("text", ["a[50%:50%]", "a[60%:40%]", "a[:0]", "a[:0.1%]"])
def test_a_slice_that_selects_nothing_is_refused(text):
    with pytest.raises(DataError, match="selects none of the 100 examples of 'a'"):
        rows(text, np.zeros(100, int))
