"""Throughput: images over the time of the steps, against a clock that we turn."""

import pytest
from tiny_training import STEPS, TinyData, compiled_model

from tfgenai.train import Backup, NaNGuard, Throughput, throughput


@pytest.fixture
def clock(monkeypatch):
    class Clock:
        now = 100.0

        def perf_counter(self):
            return self.now

    made = Clock()
    monkeypatch.setattr(throughput, "time", made)
    return made


def epoch(callback, clock, model, *, images, steps, number=0, back_to=None):
    callback.on_epoch_begin(number)
    for step in range(steps):
        clock.now += 0.5
        callback.on_train_batch_end(step)
    if back_to is not None:
        callback.roll_back(back_to)
    model.trackers[0].count.assign(images)
    clock.now += 50.0  # other callbacks
    callback.on_test_begin()
    model.trackers[0].count.assign(7)  # validation counts its own
    clock.now += 50.0
    logs = {}
    callback.on_epoch_end(number, logs)
    return logs


def test_images_a_second_leave_validation_out(clock):
    model, callback = compiled_model(), Throughput()
    callback.set_model(model)
    callback.restore(model)
    clock.now += 3.0  # data and compilation before the first epoch
    logs = epoch(callback, clock, model, images=80, steps=4)
    assert logs == {"images_per_second": 40.0}
    assert callback.seconds_to_first_step == 3.5
    assert (callback.seconds, callback.count) == (2.0, 80)
    assert callback.total_seconds() == 105.0
    callback.on_train_end()
    clock.now += 400.0  # measuring the samples is no part of the fit
    assert callback.total_seconds() == 105.0
    resumed = Throughput()
    resumed.set_model(model)
    resumed.set_backup_state(callback.get_backup_state())
    epoch(resumed, clock, model, images=20, steps=2)
    assert resumed.total_seconds() == 105.0  # its own fit has not been started
    assert (resumed.seconds, resumed.count) == (3.0, 100)


def test_utilization_is_what_is_computed_over_what_the_device_can(clock, monkeypatch):
    model, callback = compiled_model(), Throughput("tokens", sequence_length=5)
    monkeypatch.setattr(throughput, "peak_flops", lambda dtype: 8000.0)
    model.flops_per_token = lambda sequence_length: 10 * sequence_length
    callback.set_model(model)
    callback.restore(model)
    logs = epoch(callback, clock, model, images=80, steps=4)  # 40 a second
    assert logs == {"tokens_per_second": 40.0, "flop_utilization": 40 * 50 / 8000}


def test_it_counts_the_images_of_a_real_run():
    model, callback = compiled_model(jit_compile=True), Throughput()
    history = model.fit(
        TinyData(),
        epochs=2,
        verbose=0,
        callbacks=[callback],
        validation_data=TinyData().for_epochs(0, 1),
    )
    assert callback.count == 2 * 4 * 8
    assert model.steps_per_execution > 1  # listening does not slow training down
    assert all(rate > 0 for rate in history.history["images_per_second"])


def test_steps_that_were_rolled_back_cost_time_but_do_not_count(clock):
    model, callback = compiled_model(), Throughput()
    callback.set_model(model)
    callback.set_backup_state({"seconds": 9.0, "count": 500, "total_seconds": 10.0})
    callback.restore(model)
    for number in (5, 6):
        epoch(callback, clock, model, images=80, steps=4, number=number)
    assert (callback.seconds, callback.count) == (13.0, 660)
    # In epoch 7 back to the beginning of epoch 6; 20 images come after that.
    epoch(callback, clock, model, images=20, steps=4, number=7, back_to=6)
    assert (callback.seconds, callback.count) == (15.0, 600)
    epoch(callback, clock, model, images=80, steps=4, number=8)
    assert (callback.seconds, callback.count) == (17.0, 680)
    # Within the epoch that the checkpoint begins, nothing was counted yet.
    logs = epoch(callback, clock, model, images=30, steps=4, number=9, back_to=9)
    assert (callback.seconds, callback.count) == (19.0, 710)
    assert logs == {"images_per_second": 15.0}
    callback.restore(model)  # another fit, whose epochs have the same numbers
    epoch(callback, clock, model, images=10, steps=4, number=5, back_to=5)
    assert callback.count == 720


@pytest.mark.parametrize("min_interval", [0.0, 1e9])  # a checkpoint an epoch, or one
@pytest.mark.parametrize("guard_first", [True, False])
def test_the_count_is_what_the_model_has_seen_after_a_rollback(
    tmp_path, min_interval, guard_first
):
    model, callback = compiled_model(), Throughput()
    backup = Backup(tmp_path, min_interval=min_interval)
    callbacks = [NaNGuard("rollback", backup=backup), callback, backup]
    with pytest.warns(RuntimeWarning, match="back to"):
        model.fit(
            TinyData(bad=[(2, 1)]),
            epochs=4,
            verbose=0,
            callbacks=callbacks if guard_first else callbacks[::-1],
        )
    lost = 2 if min_interval == 0 else 2 * STEPS + 2
    assert int(model.step.numpy()) == 4 * STEPS - lost
    assert callback.count == 8 * (4 * STEPS - lost)
