"""A loss that is not finite: the run stops, or goes back and on with smaller steps."""

import warnings

import numpy as np
import pytest
from tiny_training import STEPS, TinyData, assert_same, compiled_model, states

from tfgenai.core.errors import NonFiniteLossError
from tfgenai.train import Backup, NaNGuard, WarmupCosine
from tfgenai.train.learning_rates import learning_rate_schedule


def fit(model, folder, *, bad, epochs=3, **arguments):
    backup = Backup(folder)
    guard = NaNGuard("rollback", backup=backup, **arguments)
    callbacks = [guard, backup]
    backup.companions = callbacks
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", RuntimeWarning)
        history = model.fit(
            TinyData(bad=bad), epochs=epochs, verbose=0, callbacks=callbacks
        )
    return (
        history,
        guard,
        [str(w.message) for w in caught if w.category is RuntimeWarning],
    )


def test_by_default_the_run_stops_and_names_the_checkpoint(tmp_path):
    model = compiled_model()
    callbacks = [NaNGuard(), Backup(tmp_path)]
    words = r"loss is NaN or infinite at step 6.*epoch-000001"
    with pytest.raises(NonFiniteLossError, match=words) as caught:
        model.fit(TinyData(bad=[(1, 2)]), epochs=3, verbose=0, callbacks=callbacks)
    assert caught.value.step == 6
    assert caught.value.loss_name == "loss"
    assert caught.value.checkpoint == str(tmp_path / "epoch-000001")


def test_a_rollback_goes_on_from_the_checkpoint_with_smaller_steps(tmp_path):
    model = compiled_model(learning_rate=0.01)
    history, guard, words = fit(model, tmp_path, bad=[(1, 1)], factor=0.5)
    assert guard.num_rollbacks == 1
    assert "step 5" in words[0]
    assert "epoch-000001" in words[0]
    # Two of the second epoch's four steps were lost.
    assert int(model.step.numpy()) == 3 * STEPS - 2
    assert float(model.optimizer.learning_rate) == pytest.approx(0.005)
    assert float(model.second_optimizer.learning_rate) == pytest.approx(0.005)
    assert np.isfinite(history.history["loss"]).all()
    assert all(np.isfinite(v).all() for v in states(model).values())
    assert int(model.non_finite_step.numpy()) == -1


def test_after_a_rollback_the_weights_are_those_of_the_run_from_there(tmp_path):
    model = compiled_model(learning_rate=0.01)
    fit(model, tmp_path / "a", bad=[(1, STEPS - 1)], epochs=2, factor=0.5)
    # Every batch of the second epoch was lost: what is left is the first one.
    expected = compiled_model(learning_rate=0.01)
    expected.fit(TinyData(), epochs=1, verbose=0)
    for weight, other in zip(model.weights, expected.weights, strict=True):
        if "mean" not in weight.path:  # trackers hold the epoch's means
            np.testing.assert_array_equal(weight.numpy(), other.numpy())


def test_an_epoch_without_a_good_step_has_no_mean(tmp_path):
    history, *_ = fit(compiled_model(), tmp_path, bad=[(1, STEPS - 1)])
    assert [bool(np.isfinite(x)) for x in history.history["loss"]] == [1, 0, 1]


@pytest.mark.parametrize("jit_compile", [False, True])
def test_a_schedule_is_lowered_and_the_epochs_stay_in_place(tmp_path, jit_compile):
    model = compiled_model(
        learning_rate=WarmupCosine(0.01, 100), jit_compile=jit_compile
    )
    if jit_compile:
        model.steps_per_execution = 3
        model._compile_arguments["steps_per_execution"] = 3
    history, guard, _ = fit(model, tmp_path, bad=[(1, 1)], factor=0.25)
    assert guard.num_rollbacks == 1
    assert learning_rate_schedule(model.optimizer).factor == 0.25
    lost = 3 if jit_compile else 2
    assert int(model.step.numpy()) == 3 * STEPS - lost
    assert history.epoch == [0, 1, 2]


def test_each_rollback_lowers_the_learning_rate_again(tmp_path):
    model = compiled_model(learning_rate=0.01)
    _, guard, _ = fit(model, tmp_path, bad=[(1, 1), (1, 2)], factor=0.5)
    assert guard.num_rollbacks == 2  # from one checkpoint, which has 0.01
    assert float(model.optimizer.learning_rate) == pytest.approx(0.0025)


def test_too_many_rollbacks_stop_the_run(tmp_path):
    bad = [(1, 0), (1, 1), (1, 2)]
    with pytest.raises(NonFiniteLossError, match="after 2 rollbacks"):
        fit(compiled_model(), tmp_path, bad=bad, max_rollbacks=2)


@pytest.mark.parametrize("schedule", [False, True])
def test_a_resume_keeps_the_lower_learning_rate(tmp_path, schedule):
    def model():
        rate = WarmupCosine(0.01, 100) if schedule else 0.01
        return compiled_model(learning_rate=rate)

    whole = model()
    fit(whole, tmp_path / "whole", bad=[(1, 1)], epochs=4)
    fit(model(), tmp_path / "broken", bad=[(1, 1)], epochs=3)
    resumed = model()
    _, guard, _ = fit(resumed, tmp_path / "broken", bad=[(1, 1)], epochs=4)
    assert guard.num_rollbacks == 1
    assert_same(states(whole), states(resumed))
    # In the process that rolled back, the schedule is not lowered once more.
    again = whole
    fit(again, tmp_path / "whole", bad=[(1, 1)], epochs=4)
    if schedule:
        assert learning_rate_schedule(again.optimizer).factor == 0.5


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"action": "ignore"}, "action='ignore'"),
        ({"action": "rollback"}, "backup=None"),
        ({"factor": 0.0}, "factor=0.0"),
        ({"max_rollbacks": 0}, "max_rollbacks=0"),
    ],
)
def test_arguments_out_of_range_are_refused_by_name(arguments, words):
    with pytest.raises(ValueError, match=words):
        NaNGuard(**arguments)
