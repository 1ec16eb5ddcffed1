"""Visibility: who sees whom, told again token by token."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from tfgenai.layers.causal_mask import cached_visibility, causal_visibility

END = 9


def by_hand(row, end_token, window):
    """Mask and positions of one row, in the words of the docstring."""
    n = len(row)
    mask, positions = np.zeros((n, n), bool), np.zeros(n, int)
    for t in range(n):
        seen, document_is_on = [], True
        for s in range(t, -1, -1):
            if row[s] < 0:
                continue
            if document_is_on:
                seen.append(s)
            if row[s] == end_token:
                document_is_on = False  # it begins here; what is before is another
        if row[t] >= 0:
            positions[t] = len(seen) - 1
            mask[t, seen if window is None else seen[:window]] = True
    return mask, positions


rows = st.lists(st.sampled_from([-1, 1, 2, END]), min_size=1, max_size=9)


@settings(max_examples=60)
@given(rows, st.sampled_from([None, END]), st.sampled_from([None, 1, 3]))
def test_it_is_what_the_words_say(row, end_token, window):
    visibility = causal_visibility(
        tf.constant([row]), end_token=end_token, sliding_window=window
    )
    mask, positions = by_hand(row, end_token, window)
    is_token = np.array(row) >= 0
    # what padding sees means nothing
    np.testing.assert_array_equal(visibility.mask[0, 0][is_token], mask[is_token])
    np.testing.assert_array_equal(
        visibility.positions[0][is_token], positions[is_token]
    )
    assert (visibility.positions.numpy() >= 0).all()
    assert not visibility.mask.numpy()[0, 0][:, ~is_token].any()


def test_rows_of_a_batch_have_their_own_masks():
    visibility = causal_visibility(tf.constant([[-1, 3, 4], [3, 4, 5]]))
    assert visibility.mask.shape == (2, 1, 3, 3)
    assert visibility.mask[0, 0].numpy().tolist() == [
        [False, False, False],
        [False, True, False],
        [False, True, True],
    ]
    assert visibility.positions.numpy().tolist() == [[0, 0, 1], [0, 1, 2]]


@pytest.mark.parametrize("window", [None, 1, 2, 5])
def test_a_cache_shows_what_a_whole_sequence_shows(window):
    whole = causal_visibility(tf.ones((1, 6), tf.int32), sliding_window=window)
    positions = tf.constant([[0, 1, 2, 3, 4, 5]])
    cached = cached_visibility(positions, 8, sliding_window=window)
    np.testing.assert_array_equal(cached.mask[..., :6], whole.mask)
    assert not cached.mask.numpy()[..., 6:].any()
    np.testing.assert_array_equal(cached.positions, whole.positions)
