"""Where contexts begin: laws of the sliding start, and reading from it."""

import numpy as np
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_gpt import seen_part

from tfgenai.gpt.context import context_start, last_document, read_context


@settings(max_examples=40)
@given(st.integers(1, 40), st.integers(1, 9))
def test_it_drops_half_of_a_context_when_it_overflows(num_tokens, limit):
    expected = num_tokens - len(seen_part(list(range(num_tokens)), limit))
    (start,) = context_start(tf.constant([num_tokens]), limit).numpy()
    assert start == expected
    assert 1 <= num_tokens - start <= limit
    if num_tokens <= limit:
        assert start == 0


def test_it_moves_once_in_half_a_context():
    starts = context_start(tf.range(1, 41), 8).numpy()
    moves = np.flatnonzero(np.diff(starts)) + 2  # lengths at which it moved
    np.testing.assert_array_equal(moves, range(9, 41, 4))
    assert set(np.diff(starts)) == {0, 4}


def test_reading_begins_at_the_start_and_counts_what_is_left():
    history = tf.constant([[1, 2, 3, 4, 0], [5, 6, 7, 8, 9]])
    tokens, count = read_context(
        history, tf.constant([4, 5]), tf.constant([2, 0]), width=4
    )
    np.testing.assert_array_equal(count, [2, 5])
    np.testing.assert_array_equal(tokens[0, :2], [3, 4])
    np.testing.assert_array_equal(tokens[1], [5, 6, 7, 8])


@settings(max_examples=40)
@given(st.lists(st.sampled_from([1, 2, 9]), min_size=1, max_size=6), st.integers(0, 3))
def test_the_last_document_begins_with_its_end_token(text, slots_behind):
    # 9 behind the text means nothing
    row = tf.constant([text + [9] * slots_behind])
    tokens, count = last_document(row, tf.constant([len(text)]), 9)
    begin = len(text) - 1 - text[::-1].index(9) if 9 in text else 0
    assert tokens.shape == row.shape
    assert tokens.numpy()[0, : int(count[0])].tolist() == text[begin:]
    unchanged, count = last_document(row, tf.constant([len(text)]), None)
    assert unchanged is row
    assert int(count[0]) == len(text)
