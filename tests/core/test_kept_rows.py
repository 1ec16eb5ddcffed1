"""Kept rows: no optimizer moves them, and others move as ever."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfgenai.core.kept_rows import KeepOldRows, kept_rows


@pytest.mark.parametrize("in_graph", [False, True])
def test_only_new_rows_move(in_graph):
    table = keras.Variable(np.ones((4, 2), np.float32))
    other = keras.Variable(np.ones((4, 2), np.float32))
    table.constraint = KeepOldRows(2, 1)
    optimizer = keras.optimizers.AdamW(0.1, weight_decay=0.5)
    optimizer.build([table, other])

    def step():
        with kept_rows([table, other]):
            gradient = tf.ones((4, 2))
            optimizer.apply_gradients([(gradient, table), (gradient, other)])

    run = tf.function(step) if in_graph else step
    for _ in range(3):
        run()
    assert (table.numpy() != 1.0).all(1).tolist() == [False, False, True, False]
    assert (other.numpy() != 1.0).all()
    np.testing.assert_array_equal(table.numpy()[2], other.numpy()[2])
