"""Laws of splits: disjoint, exhaustive, no group parted, classes shared, time kept."""

import datetime

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from tfgenai.core.errors import DataError
from tfgenai.core.random import numpy_generator
from tfgenai.data.partitioning import folds, partition

SHARES = {"train": 0.7, "validation": 0.2, "test": 0.1}


@given(st.integers(200, 300), st.integers(40, 60), st.integers(0, 99), st.booleans())
def test_examples_are_shared_out_and_groups_kept_together(n, num_groups, seed, by_time):
    rng = numpy_generator(seed)
    groups = rng.integers(0, num_groups, n)
    times = rng.integers(0, 1000, n) if by_time else None
    found = partition(n, SHARES, groups=groups, times=times, seed=seed)
    assert list(found) == list(SHARES)
    np.testing.assert_array_equal(np.sort(np.concatenate([*found.values()])), range(n))
    members = [set(groups[rows]) for rows in found.values()]
    assert sum(map(len, members)) == len(set(groups))


def test_classes_have_their_shares():
    labels = np.repeat([0, 1, 2], [700, 200, 100])
    labels = numpy_generator(1).permutation(labels)
    found = partition(1000, SHARES, labels=labels, seed=3)
    for name, share in SHARES.items():
        counts = np.bincount(labels[found[name]])
        np.testing.assert_allclose(counts, share * np.array([700, 200, 100]), atol=1)


def test_nothing_is_learned_from_what_came_after_the_cut():
    start = datetime.date(2020, 1, 1)
    days = numpy_generator(2).integers(0, 300, 500)
    times = [start + datetime.timedelta(int(day)) for day in days]
    found = partition(500, SHARES, times=times)
    train, validation, test = (days[rows] for rows in found.values())
    assert train.max() < validation.min()
    assert validation.max() < test.min()
    assert len(train) == pytest.approx(350, abs=5)


def test_a_group_has_the_time_of_its_latest_example():
    found = partition(
        4, {"train": 0.5, "test": 0.5}, times=[0, 1, 2, 9], groups=["a", "b", "b", "a"]
    )
    assert {name: rows.tolist() for name, rows in found.items()} == {
        "train": [1, 2],
        "test": [0, 3],
    }


def test_the_seed_decides():
    one, same, other = (
        partition(100, SHARES, seed=seed)["test"].tolist() for seed in (0, 0, 1)
    )
    assert one == same != other


@given(st.integers(2, 7), st.integers(40, 90))
def test_each_example_is_validated_once(num_folds, n):
    labels = np.arange(n) % 2
    found = folds(n, num_folds, labels=labels, seed=1)
    assert len(found) == num_folds
    validated = np.concatenate([validation for _, validation in found])
    np.testing.assert_array_equal(np.sort(validated), range(n))
    for train, validation in found:
        assert len(train) + len(validation) == n
        assert not set(train) & set(validation)
        assert abs(len(validation) - n / num_folds) <= 1
        assert abs(labels[validation].mean() - 0.5) <= 1.5 / len(validation)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: partition(10, {"train": 0.5, "test": 0.4}), "sum to 1"),
        (lambda: partition(10, {}), "sum to 1"),
        (lambda: partition(10, {"train": 1.2, "test": -0.2}), "test': -0.2"),
        (lambda: partition(10, {"train": 1.0}, labels=[1, 2]), r"shape \(2,\)"),
        (
            lambda: partition(2, {"train": 1.0}, labels=[1, 2], times=[1, 2]),
            "Leave labels out",
        ),
        (
            lambda: partition(4, {"train": 0.5, "test": 0.5}, groups=[7] * 4),
            "none for 'test', of 4 examples in 1 groups",
        ),
        (lambda: folds(10, 1), "num_folds=1"),
        (lambda: folds(10, True), "num_folds=True"),
        (lambda: folds(2, 3), "none for"),
    ],
)
def test_bad_requests_are_refused(call, words):
    with pytest.raises(DataError, match=words):
        call()
