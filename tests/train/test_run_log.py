"""The log of a run: one row an epoch, right after a resume, and for TensorBoard."""

import csv

import pytest
import tensorflow as tf
from tiny_training import Interrupt, TinyData, compiled_model

from tfgenai.train import Backup, RunLog, SampleGrid, Throughput, WarmupCosine


def fit(folder, *more, learning_rate=0.01):
    log = RunLog(folder / "log.csv", tensorboard=folder / "logs")
    backup = Backup(folder / "backup")
    callbacks = [log, *more, backup]
    backup.companions = callbacks
    model = compiled_model(learning_rate=learning_rate)
    model.fit(TinyData(), epochs=3, verbose=0, callbacks=callbacks)
    return model


def rows(folder):
    with open(folder / "log.csv", newline="") as file:
        return list(csv.DictReader(file))


def test_the_file_of_a_broken_run_is_that_of_the_whole_run(tmp_path):
    schedule = WarmupCosine(0.01, 12)
    fit(tmp_path / "whole", learning_rate=schedule)
    with pytest.raises(KeyboardInterrupt):
        fit(tmp_path / "broken", Interrupt(2), learning_rate=schedule)
    assert len(rows(tmp_path / "broken")) == 2
    fit(tmp_path / "broken", learning_rate=schedule)
    whole = rows(tmp_path / "whole")
    assert rows(tmp_path / "broken") == whole
    assert [row["epoch"] for row in whole] == ["1", "2", "3"]
    assert [row["step"] for row in whole] == ["4", "8", "12"]
    for row in whole:
        expected = float(schedule(int(row["step"])))
        assert float(row["learning_rate"]) == pytest.approx(expected)
        assert float(row["second_learning_rate"]) == pytest.approx(expected)


def test_logs_of_other_callbacks_are_in_it(tmp_path):
    log = RunLog(tmp_path / "log.csv")
    model = compiled_model()
    model.fit(TinyData(), epochs=1, verbose=0, callbacks=[Throughput(), log])
    assert float(rows(tmp_path)[0]["images_per_second"]) > 0
    assert not (tmp_path / "logs").exists()


def test_tensorboard_gets_the_same_values(tmp_path):
    fit(tmp_path, SampleGrid(tmp_path / "samples", num_samples=1))
    (file,) = (tmp_path / "logs").iterdir()
    seen = {
        (value.tag, event.step): float(tf.make_ndarray(value.tensor))
        for event in tf.compat.v1.train.summary_iterator(str(file))
        for value in event.summary.value
    }
    for row in rows(tmp_path):
        logged = seen["epoch/loss", int(row["epoch"])]
        assert logged == pytest.approx(float(row["loss"]), rel=1e-6)
