"""Checkpoints: a run that was broken off goes on as the run that was not."""

import warnings

import keras
import numpy as np
import pytest
from tiny_training import Interrupt, TinyData, assert_same, compiled_model, states

from tfgenai.core.errors import CheckpointError, StorageError
from tfgenai.train import Backup


def fit(model, folder, *, epochs=4, callbacks=(), data=None, **options):
    backup = Backup(folder, **options)
    callbacks = [*callbacks, backup]
    backup.companions = callbacks
    history = model.fit(
        data or TinyData(), epochs=epochs, verbose=0, callbacks=callbacks
    )
    return history, backup


def fit_until(model, folder, epoch, **arguments):
    with pytest.raises(KeyboardInterrupt):
        fit(model, folder, callbacks=[Interrupt(epoch)], **arguments)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_four_epochs_are_two_then_an_interruption_then_two(tmp_path, jit_compile):
    whole = compiled_model(jit_compile=jit_compile)
    expected, _ = fit(whole, tmp_path / "whole")

    first = compiled_model(jit_compile=jit_compile)
    if jit_compile:  # an epoch is one call here: there is nothing to break off
        fit(first, tmp_path / "broken", epochs=2)
    else:
        fit_until(first, tmp_path / "broken", epoch=2)
    resumed = compiled_model(jit_compile=jit_compile)
    history, _ = fit(resumed, tmp_path / "broken")
    assert_same(states(whole), states(resumed))
    assert history.history == expected.history
    assert history.epoch == [0, 1, 2, 3]
    assert int(resumed.step.numpy()) == 16


def test_an_interruption_in_the_first_epoch_keeps_the_initial_weights(tmp_path):
    model = compiled_model()
    before = states(model)
    fit_until(model, tmp_path, epoch=0)
    again = compiled_model()
    again.weights[0].assign(again.weights[0] * 0)  # as if it were made otherwise
    assert Backup(tmp_path).restore(again) == 0
    assert_same(before, states(again))


def test_a_finished_run_is_not_trained_again_but_keeps_its_history(tmp_path):
    model = compiled_model()
    expected, _ = fit(model, tmp_path, epochs=2)
    again = compiled_model()
    history, _ = fit(again, tmp_path, epochs=2)
    assert_same(states(model), states(again))
    assert history.history == expected.history
    fit(again, tmp_path, epochs=3)
    assert int(again.step.numpy()) == 12


def test_only_the_newest_are_kept_and_nothing_else_is_left(tmp_path):
    fit(compiled_model(), tmp_path, epochs=4, keep=3)
    names = ["epoch-000002", "epoch-000003", "epoch-000004"]
    assert sorted(path.name for path in tmp_path.iterdir()) == names


def test_leftovers_of_a_killed_write_are_removed(tmp_path):
    (tmp_path / ".partial-epoch-000001-x").mkdir()
    (tmp_path / ".partial-epoch-000001-x" / "model.weights.h5").write_bytes(b"half")
    assert Backup(tmp_path).restore(compiled_model()) is None
    assert not list(tmp_path.iterdir())


def test_a_damaged_checkpoint_gives_way_to_the_older_one(tmp_path):
    fit(compiled_model(), tmp_path, epochs=2)
    weights = tmp_path / "epoch-000002" / "model.weights.h5"
    weights.write_bytes(weights.read_bytes()[:-1] + b"?")
    backup = Backup(tmp_path)
    with pytest.warns(RuntimeWarning, match="SHA-256.*damaged"):
        assert backup.restore(compiled_model()) == 1
    assert backup.last_checkpoint == tmp_path / "epoch-000001"
    (tmp_path / "epoch-000001" / "state.json").write_text("{")
    with (
        pytest.warns(RuntimeWarning),
        pytest.raises(CheckpointError, match="all damaged"),
    ):
        backup.restore(compiled_model())


def test_a_checkpoint_of_another_model_is_refused_and_says_where(tmp_path):
    fit(compiled_model(), tmp_path, epochs=1)
    with pytest.raises(CheckpointError, match=r"units \(4 there, 5 here\)"):
        Backup(tmp_path).restore(compiled_model(units=5))
    other = compiled_model()
    other.compile(keras.optimizers.SGD(0.1))
    with pytest.raises(CheckpointError, match=r"optimizer.*Adam.*there.*SGD.*here"):
        Backup(tmp_path).restore(other)


def test_another_learning_rate_is_no_other_model(tmp_path):
    fit(compiled_model(learning_rate=1e-2), tmp_path, epochs=1)
    assert Backup(tmp_path).restore(compiled_model(learning_rate=1e-3)) == 1


def test_a_folder_that_cannot_be_written_to_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="file"):
        fit(compiled_model(), tmp_path / "file")


def test_keras_own_callbacks_keep_their_state(tmp_path):
    def callbacks():
        return [
            keras.callbacks.ReduceLROnPlateau(
                "loss", factor=0.5, patience=1, mode="max"
            ),
            keras.callbacks.EarlyStopping(
                "loss", mode="max", patience=5, restore_best_weights=True
            ),
        ]

    whole = compiled_model()
    expected, _ = fit(whole, tmp_path / "whole", epochs=5, callbacks=callbacks())
    killed = [*callbacks(), Interrupt(3)]
    with pytest.raises(KeyboardInterrupt):
        fit(compiled_model(), tmp_path / "broken", epochs=5, callbacks=killed)
    resumed, made = compiled_model(), callbacks()
    history, _ = fit(resumed, tmp_path / "broken", epochs=5, callbacks=made)
    assert history.history == expected.history
    assert_same(states(whole), states(resumed))
    # The worst epoch was the first: its weights came from the checkpoint.
    assert made[1].best == max(expected.history["loss"])


def test_state_is_saved_after_all_callbacks_have_seen_the_epoch(tmp_path):
    class Late(keras.callbacks.Callback):
        seen = 0

        def on_epoch_end(self, epoch, logs=None):
            self.seen += 1

        def get_backup_state(self):
            return {"seen": self.seen}

        def set_backup_state(self, state):
            self.seen = state["seen"]

    def run(late, *more):
        backup = Backup(tmp_path)
        callbacks = [backup, late, *more]  # the backup stands first
        backup.companions = callbacks
        compiled_model().fit(TinyData(), epochs=3, verbose=0, callbacks=callbacks)

    with pytest.raises(KeyboardInterrupt):
        run(Late(), Interrupt(2))
    late = Late()
    run(late)
    assert late.seen == 3


def test_checkpoints_keep_their_distance_in_time_but_the_last_is_written(tmp_path):
    _, backup = fit(compiled_model(), tmp_path, epochs=3, min_interval=3600.0)
    names = ["epoch-000000", "epoch-000003"]
    assert [path.name for path in backup.checkpoints()] == names
    assert backup.last_checkpoint.name == "epoch-000003"


def test_weights_that_are_not_finite_are_never_saved(tmp_path):
    class Spoil(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 1:
                weight = self.model.first.weights[0]
                weight.assign(weight * np.nan)

    with warnings.catch_warnings(record=True):
        warnings.simplefilter("always")
        with pytest.raises(ArithmeticError):
            fit(compiled_model(), tmp_path, callbacks=[Spoil()])
    backup = Backup(tmp_path)
    assert backup.restore(compiled_model()) == 1


def test_a_model_made_twice_in_one_process_is_the_same_model(tmp_path):
    fit(compiled_model(), tmp_path, epochs=1)
    assert Backup(tmp_path).restore(compiled_model()) == 1


def test_a_plain_keras_model_is_refused():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(loss="mse")
    with pytest.raises(TypeError, match="Sequential"):
        model.fit(np.ones((4, 2)), np.ones(4), verbose=0, callbacks=[Backup("x")])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"save_freq": 100}, "save_freq=100"),
        ({"keep": 0}, "keep=0"),
        ({"min_interval": -1.0}, "min_interval=-1.0"),
    ],
)
def test_arguments_out_of_range_are_refused_by_name(arguments, words):
    with pytest.raises(ValueError, match=words):
        Backup("folder", **arguments)
