"""Batches of rows: each once, in an order of the seed and the epoch."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from tfgenai.core import random
from tfgenai.data.epoch_order import index_batches


def epoch_of(number, rows, batch_size, seed=3, drop_remainder=False):
    dataset = index_batches(
        tf.constant(number, tf.int64),
        np.asarray(rows),
        batch_size,
        seed=None if seed is None else random.step_seed(seed, 1),
        drop_remainder=drop_remainder,
    )
    found = list(dataset.as_numpy_iterator())
    assert [batch for _, batch, _ in found] == list(range(len(found)))
    assert all(epoch == number for epoch, _, _ in found)
    return [indices for _, _, indices in found]


@settings(max_examples=15)
@given(
    n=st.integers(1, 30),
    batch_size=st.integers(1, 10),
    shuffles=st.booleans(),
    drop=st.booleans(),
)
def test_every_row_comes_once(n, batch_size, shuffles, drop):
    if drop and n < batch_size:
        return
    rows = np.arange(n) * 7
    seed = 5 if shuffles else None
    batches = epoch_of(2, rows, batch_size, seed, drop)
    sizes = [len(batch) for batch in batches]
    rest = n % batch_size
    expected = [batch_size] * (n // batch_size) + ([rest] if rest and not drop else [])
    assert sizes == expected
    found = np.concatenate(batches)
    assert len(set(found)) == len(found)
    assert set(found) <= set(rows)
    if not shuffles:
        np.testing.assert_array_equal(found, rows[: len(found)])


@pytest.mark.parametrize("n", [50])
def test_epochs_differ_and_repeat(n):
    first = np.concatenate(epoch_of(0, np.arange(n), 8))
    again = np.concatenate(epoch_of(0, np.arange(n), 8))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, np.concatenate(epoch_of(1, np.arange(n), 8)))
    other = np.concatenate(epoch_of(0, np.arange(n), 8, seed=4))
    assert not np.array_equal(first, other)
