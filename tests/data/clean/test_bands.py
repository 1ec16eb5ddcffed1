"""Bands against all pairs: nothing is missed in small buckets, nothing explodes."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfgenai.core.numpy_random import numpy_generator
from tfgenai.data.clean.bands import candidate_pairs, hamming, linked_groups

KEYS = st.lists(
    st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=40
)


def pairs_of(keys, order, **options):
    return [
        (min(pair), max(pair))
        for left, right in candidate_pairs(keys, order, **options)
        for pair in zip(left.tolist(), right.tolist(), strict=True)
    ]


@given(keys=KEYS)
def test_pairs_are_those_that_agree_in_a_band(keys):
    expected = {
        (i, j)
        for i, j in itertools.combinations(range(len(keys)), 2)
        if any(a == b for a, b in zip(keys[i], keys[j], strict=True))
    }
    found = pairs_of(np.array(keys, np.uint64), np.arange(len(keys))[::-1])
    assert sorted(found) == sorted(expected)


@pytest.mark.parametrize("window", [1, 3])
def test_in_a_large_bucket_rows_meet_their_neighbours_alone(window):
    order = numpy_generator(1).permutation(500)
    found = pairs_of(np.zeros((500, 1), np.uint64), order, window=window)
    assert len(found) == sum(500 - step for step in range(1, window + 1))
    assert all(abs(order[i] - order[j]) <= window for i, j in found)


@given(
    left=st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=20),
    bits=st.sets(st.integers(0, 63)),
)
def test_hamming_counts_flipped_bits(left, bits):
    flipped = [value ^ sum(1 << bit for bit in bits) for value in left]
    found = hamming(np.array(left, np.uint64), np.array(flipped, np.uint64))
    assert found.tolist() == [len(bits)] * len(left)


@given(
    pairs=st.lists(
        st.tuples(st.integers(0, 29), st.integers(0, 29)), max_size=30, min_size=1
    )
)
def test_groups_are_what_can_be_reached(pairs):
    reached = [{i} for i in range(30)]
    for _ in range(30):
        for i, j in pairs:
            reached[i] = reached[j] = reached[i] | reached[j]
    for i in range(30):
        for j in list(reached[i]):
            reached[j] = reached[i]
    expected = {tuple(sorted(group)) for group in map(frozenset, reached)}
    left, right = np.array(pairs).T
    found = linked_groups(30, left, right)
    assert found == sorted(list(group) for group in expected if len(group) > 1)


def test_no_pairs_make_no_groups():
    none = np.array([], np.int64)
    assert linked_groups(3, none, none) == []
    assert linked_groups(0, none, none) == []
    assert list(candidate_pairs(np.zeros((0, 2), np.uint64), none)) == []
