"""Automaton: restricting and advancing by table, row by row, in NumPy."""

import numpy as np
import tensorflow as tf

from tfgenai.core import random
from tfgenai.core.token_sampling import REMOVED
from tfgenai.gpt.automaton import Automaton

TRANSITIONS = np.array([[1, 0, -1], [2, -1, -1], [-1, 2, 0]], np.int32)
CLASSES = np.array([0, 1, 1, 2, 0], np.int32)
AUTOMATON = Automaton(TRANSITIONS, CLASSES)


def test_what_may_not_come_is_removed():
    logits = random.numpy_generator(0).normal(size=(4, 5)).astype(np.float32)
    states = [0, 1, 2, -1]
    found = AUTOMATON.restrict(tf.constant(logits), tf.constant(states)).numpy()
    for row, state in enumerate(states):
        for token in range(5):
            is_free = state < 0 or TRANSITIONS[state, CLASSES[token]] >= 0
            expected = logits[row, token] if is_free else np.float32(REMOVED)
            assert found[row, token] == expected


def test_states_move_by_the_class_of_a_token_and_free_rows_stay_free():
    states, tokens = tf.constant([0, 0, 1, 2, -1]), tf.constant([0, 2, 4, 3, 1])
    assert AUTOMATON.advance(states, tokens).numpy().tolist() == [1, 0, 2, 0, -1]


def test_states_after_a_part_of_each_row():
    tokens = tf.constant([[1, 0, 4, 1], [0, 4, 3, 0], [1, 1, 1, 1], [0, 4, 3, 0]])
    start, stop = tf.constant([1, 0, 2, 0]), tf.constant([4, 3, 2, 4])
    states = AUTOMATON.after(tf.constant([0, 0, 0, -1]), tokens, start, stop)
    expected = []
    for row, state in enumerate([0, 0, 0, -1]):
        for i in range(int(start[row]), int(stop[row])):
            if state >= 0:
                state = TRANSITIONS[state, CLASSES[tokens.numpy()[row, i]]]
        expected.append(int(state))
    assert states.numpy().tolist() == expected == [2, 0, 0, -1]
