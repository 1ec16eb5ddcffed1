"""Balance of classes: sums that must come out, formulas of the paper."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfgenai.core.errors import DataError
from tfgenai.data import balanced_rows, class_weights

LABELS = st.lists(st.integers(0, 5), min_size=1, max_size=60)


@given(LABELS, st.sampled_from(["inverse", "effective"]), st.floats(0, 0.9999))
def test_weights_have_mean_one(labels, scheme, beta):
    weights = class_weights(labels, scheme=scheme, beta=beta)
    assert np.mean([weights[label] for label in labels]) == pytest.approx(1.0)


@given(LABELS)
def test_inverse_weights_make_classes_equal(labels):
    weights = class_weights(labels)
    totals = [weights[label] * labels.count(label) for label in set(labels)]
    np.testing.assert_allclose(totals, len(labels) / len(totals))


def test_effective_numbers_are_those_of_the_paper():
    labels, beta = [0] * 10 + [1] * 1000, 0.99
    weights = class_weights(labels, scheme="effective", beta=beta)
    ratio = (1 - beta**1000) / (1 - beta**10)
    assert weights[0] / weights[1] == pytest.approx(ratio)
    even = class_weights(labels, scheme="effective", beta=0.0)
    assert even == {0: 1.0, 1: 1.0}


@given(LABELS, st.integers(0, 9))
def test_rows_are_equally_many_of_each_class(labels, seed):
    values = np.array(labels)
    counts = np.unique(values, return_counts=True)[1]
    over = balanced_rows(labels, seed=seed)
    assert set(np.unique(values[over], return_counts=True)[1]) == {counts.max()}
    assert set(over) == set(range(len(labels)))
    # No example is repeated more than once more often than another of its class.
    for label in set(labels):
        rows = over[values[over] == label]
        times = np.unique(rows, return_counts=True)[1]
        assert np.ptp(times) <= 1
    under = balanced_rows(labels, how="undersample", seed=seed)
    assert set(np.unique(values[under], return_counts=True)[1]) == {counts.min()}
    assert len(set(under)) == len(under)


def test_what_has_no_classes_is_refused():
    for labels in (None, [], [0, -1], [0.5]):
        with pytest.raises(DataError, match="expected"):
            class_weights(labels)
        with pytest.raises(DataError, match="expected"):
            balanced_rows(labels)
    with pytest.raises(ValueError, match="scheme='other'"):
        class_weights([0], scheme="other")
    with pytest.raises(ValueError, match="how='other'"):
        balanced_rows([0], how="other")
