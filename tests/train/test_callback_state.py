"""States of callbacks: each gets its own back, by class and number."""

import json

import keras
import numpy as np

from tfgenai.train import Checkpoint
from tfgenai.train.callback_state import collect_states, hand_out_states


def through_json(states):
    return json.loads(json.dumps(states, default=float))


def test_two_of_one_class_keep_their_own_state(tmp_path):
    first = Checkpoint("a.keras", monitor="loss")
    second = Checkpoint("b.keras", monitor="loss")
    first.best, second.best = 1.0, 2.0
    states = through_json(collect_states([first, second], folder=tmp_path))
    new = [Checkpoint("a.keras", monitor="loss"), Checkpoint("b.keras", monitor="loss")]
    third = Checkpoint("c.keras", monitor="loss")
    hand_out_states([*new, third], states, folder=tmp_path)
    assert [one.best for one in (*new, third)] == [1.0, 2.0, None]


def test_keras_own_are_known_by_their_attributes(tmp_path):
    stopping = keras.callbacks.EarlyStopping(restore_best_weights=True)
    stopping.wait, stopping.best = 3, np.float32(0.5)
    stopping.best_weights = [np.ones((2, 3)), np.zeros(4, np.int32)]
    plateau = keras.callbacks.ReduceLROnPlateau()
    plateau.cooldown_counter = 2
    kept = [stopping, plateau, keras.callbacks.LambdaCallback()]
    states = through_json(collect_states(kept, folder=tmp_path))
    assert list(states) == ["EarlyStopping-0", "ReduceLROnPlateau-0"]

    new = [
        keras.callbacks.EarlyStopping(restore_best_weights=True),
        keras.callbacks.ReduceLROnPlateau(),
    ]
    hand_out_states(new, states, folder=tmp_path)
    assert (new[0].wait, new[0].best, new[1].cooldown_counter) == (3, 0.5, 2)
    for a, b in zip(new[0].best_weights, stopping.best_weights, strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)
