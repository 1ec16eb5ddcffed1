"""Best and last model files: which epoch they hold, and that they are whole."""

import keras
import numpy as np
import pytest
from tiny_training import TinyData, assert_same, compiled_model, states

from tfgenai.core.errors import ConfigError
from tfgenai.train import Checkpoint


class Score(keras.callbacks.Callback):
    """Logs given values, one an epoch, and keeps the states of the model."""

    def __init__(self, values):
        super().__init__()
        self.values = values
        self.kept = []

    def on_epoch_end(self, epoch, logs=None):
        if self.values[epoch] is not None:
            logs["score"] = self.values[epoch]
        self.kept.append(states(self.model))


def fit(values, checkpoint):
    score = Score(values)
    compiled_model().fit(
        TinyData(), epochs=len(values), verbose=0, callbacks=[score, checkpoint]
    )
    return score.kept


@pytest.mark.parametrize(
    ("mode", "values", "expected"),
    [
        ("min", [3.0, 1.0, 2.0], 1),
        ("max", [3.0, 1.0, 2.0], 0),
        ("min", [None, float("nan"), 5.0, 5.0], 2),
    ],
)
def test_the_best_epoch_is_in_the_file(tmp_path, mode, values, expected):
    path = tmp_path / "best.keras"
    checkpoint = Checkpoint(path, monitor="score", mode=mode)
    kept = fit(values, checkpoint)
    loaded = keras.saving.load_model(path)
    assert_same(kept[expected], states(loaded))
    assert checkpoint.best_epoch == expected
    assert checkpoint.last_checkpoint == path
    assert [p.name for p in tmp_path.iterdir()] == ["best.keras"]


def test_the_last_model_is_in_the_file_whatever_the_interval(tmp_path):
    path = tmp_path / "last.keras"
    kept = fit([0.0] * 3, Checkpoint(path, min_interval=3600.0))
    loaded = keras.saving.load_model(path)
    assert_same(kept[-1], states(loaded))
    np.testing.assert_array_equal(
        loaded.generate(2, labels=0),
        keras.saving.load_model(path).generate(2, labels=0),
    )


def test_the_best_value_is_remembered_over_a_resume(tmp_path):
    path = tmp_path / "best.keras"
    first = Checkpoint(path, monitor="score")
    fit([1.0], first)
    second = Checkpoint(path, monitor="score")
    second.set_backup_state(first.get_backup_state())
    before = path.read_bytes()
    fit([2.0], second)
    assert path.read_bytes() == before


def test_a_file_that_is_being_replaced_stays_whole_when_writing_fails(tmp_path):
    path = tmp_path / "last.keras"
    fit([0.0], Checkpoint(path))
    before = path.read_bytes()
    checkpoint = Checkpoint(path)

    class Torn:
        def save(self, path):
            path.write_bytes(b"half a mod")
            raise KeyboardInterrupt

    checkpoint._model = Torn()
    with pytest.raises(KeyboardInterrupt):
        checkpoint.on_epoch_end(0, {})
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["last.keras"]


def test_a_log_that_never_comes_is_refused_by_name(tmp_path):
    with pytest.raises(ConfigError, match=r"monitor='val_kid'.*'loss'"):
        fit([0.0], Checkpoint(tmp_path / "best.keras", monitor="val_kid"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"path": "best.h5"}, r"best\.h5"),
        ({"path": "b.keras", "mode": "mix"}, "mode='mix'.*'min'"),
        ({"path": "b.keras", "min_interval": -1.0}, "min_interval=-1.0"),
    ],
)
def test_arguments_out_of_range_are_refused_by_name(arguments, words):
    with pytest.raises(ValueError, match=words):
        Checkpoint(**arguments)
