"""Agreement, against the worked example of the literature."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from tfgenai.data.label.agreement import agreement, cohens_kappa

# Ten subjects, fourteen raters, five categories: the example of "Fleiss' kappa" in
# Wikipedia, whose kappa is 0.210.
TABLE = [
    [0, 0, 0, 0, 14],
    [0, 2, 6, 4, 2],
    [0, 0, 3, 5, 6],
    [0, 3, 9, 2, 0],
    [2, 2, 8, 1, 1],
    [7, 7, 0, 0, 0],
    [3, 2, 6, 3, 0],
    [2, 5, 3, 2, 2],
    [6, 5, 2, 1, 0],
    [0, 2, 2, 3, 7],
]
LABELS = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abc")), min_size=1)


def test_the_published_example():
    votes = [
        [c for c, n in zip("abcde", row, strict=True) for _ in range(n)]
        for row in TABLE
    ]
    found = agreement(votes, "abcde")
    assert round(found.kappa, 3) == 0.210
    assert round(found.share, 3) == 0.378
    assert (found.num_items, found.num_votes) == (10, 140)


def test_single_labels_say_nothing():
    found = agreement([["a"], [], ["b"]], "ab")
    assert found.num_items == 0
    assert math.isnan(found.kappa)
    assert agreement([["a", "a"], ["b", "b"]], "ab").kappa == 1.0


@given(LABELS)
def test_two_labellers_agree_as_scikit_learn_says(pairs):
    one, two = zip(*pairs, strict=True)
    if len({*one, *two}) < 2:
        assert math.isnan(cohens_kappa(one, two))
        return
    assert cohens_kappa(one, two) == pytest.approx(cohen_kappa_score(one, two))


def test_differing_lengths_are_refused():
    with pytest.raises(ValueError, match="1 and 2"):
        cohens_kappa("a", "ab")
