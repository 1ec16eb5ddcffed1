"""Searches over runs: what a folder holds, how one goes on, what is refused."""

import csv
import json
import math
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from click.testing import CliRunner

import tfgenai as tg
from tfgenai.cli.main import cli
from tfgenai.core.errors import (
    CheckpointError,
    ConfigError,
    NonFiniteLossError,
    StorageError,
)
from tfgenai.core.folder_lock import locked_folder
from tfgenai.train.recipe import Recipe
from tfgenai.tune import run as module
from tfgenai.tune.recipe import TuneRecipe

RATE = "optimizers.optimizer.learning_rate"
RANGE = {"kind": "float", "min": 1e-4, "max": 1e-1, "sampling": "log"}


def values(**tune):
    return {
        "name": "tiny",
        "data": {
            "name": "digits",
            "split": "train[:300]",
            "validation_split": "train[300:400]",
            "batch_size": 100,
        },
        "model": {"family": "VAE", "latent_dim": 2, "hidden_units": [8]},
        "fit": {"epochs": 3, "jit_compile": False},
        "tune": {"space": {RATE: RANGE}, "max_trials": 4, **tune},
    }


@pytest.fixture
def trained(monkeypatch):
    """Runs that train nothing: a rate's score is its distance to 0.01."""
    calls = []

    def run(recipe, folder, *, resume, verbose):
        calls.append((recipe, folder, resume))
        rate = recipe.optimizers["optimizer"].learning_rate
        folder.mkdir(parents=True, exist_ok=resume)
        lines = ["epoch,loss,val_loss"]
        for epoch in range(recipe.fit.epochs):
            score = abs(math.log10(rate) + 2) + abs(epoch - 1)  # best at epoch 1
            lines.append(f"{epoch},9,{score!r}")
        (folder / "log.csv").write_text("\n".join(lines) + "\n")

    monkeypatch.setattr(module, "run", run)
    return calls


def test_a_folder_holds_table_records_picture_and_best_recipe(trained, tmp_path):
    found = tg.tune.search(values(), tmp_path / "s", verbose=False)
    scores = [abs(math.log10(trial.values[RATE]) + 2) for trial in found.trials]
    assert [trial.score for trial in found.trials] == pytest.approx(scores)
    assert found.best.score == min(trial.score for trial in found.trials)
    with open(tmp_path / "s" / "trials.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["val_loss"]) for row in rows] == sorted(scores)
    records = json.loads((tmp_path / "s" / "trials.json").read_text())
    assert records["best"] == found.best.number
    assert len(records["trials"]) == 4
    assert (tmp_path / "s" / "trials.png").read_bytes()[:4] == b"\x89PNG"
    best = Recipe.load(tmp_path / "s" / "best.yaml")
    assert best.optimizers["optimizer"].learning_rate == found.best.values[RATE]
    assert (best.name, best.fit.epochs) == ("tiny_best", 3)
    assert best.samples is not None  # what trials leave out is in the recipe again


def test_trials_measure_and_draw_nothing(trained, tmp_path):
    tg.tune.search(values(), tmp_path / "s", verbose=False)
    for recipe, _, resume in trained:
        assert recipe.samples is None
        assert recipe.export is None
        assert recipe.evaluate.loss is False
        assert (recipe.monitor.log, resume) == ("val_loss", False)


def test_the_objective_may_be_a_maximum(trained, tmp_path):
    objective = {"log": "val_loss", "mode": "max"}
    found = tg.tune.search(values(objective=objective), tmp_path / "s", verbose=False)
    assert found.best.score == max(trial.score for trial in found.trials)
    # 1 more than at its best epoch: the worst epoch counts
    assert found.best.score == pytest.approx(
        abs(math.log10(found.best.values[RATE]) + 2) + 1
    )


def test_a_search_that_was_stopped_goes_on(trained, tmp_path, monkeypatch):
    whole = tg.tune.search(values(), tmp_path / "whole", verbose=False)
    inner, left = module.run, [2]

    def interrupted(*args, **kwargs):
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        inner(*args, **kwargs)

    monkeypatch.setattr(module, "run", interrupted)
    with pytest.raises(KeyboardInterrupt):
        tg.tune.search(values(), tmp_path / "s", verbose=False)
    monkeypatch.setattr(module, "run", inner)
    trained.clear()
    resumed = tg.tune.search(values(), tmp_path / "s", verbose=False)
    assert resumed.trials == whole.trials
    assert len(trained) == 2
    for name in ("trials.csv", "trials.json", "best.yaml"):
        first, second = (tmp_path / f / name for f in ("whole", "s"))
        assert first.read_text() == second.read_text()


def test_a_finished_search_may_be_given_more_trials(trained, tmp_path):
    tg.tune.search(values(), tmp_path / "s", verbose=False)
    trained.clear()
    more = tg.tune.search(values(max_trials=6), tmp_path / "s", verbose=False)
    assert len(more.trials) == 6
    assert len(trained) == 2


def test_hyperband_copies_the_run_that_goes_on(trained, tmp_path):
    made = values(search="hyperband", max_trials=None)
    found = tg.tune.search(made, tmp_path / "s", verbose=False)
    going_on = [t for t in found.trials if t.went_on_from is not None]
    assert going_on
    resumed = {folder.name for _, folder, resume in trained if resume}
    assert resumed == {trial.folder for trial in going_on}
    assert {trial.epochs for trial in going_on} == {3}


def test_failed_trials_are_recorded_and_passed_over(trained, tmp_path, monkeypatch):
    inner = module.run

    def sometimes(recipe, folder, **options):
        if recipe.optimizers["optimizer"].learning_rate > 0.01:
            raise NonFiniteLossError("loss became NaN", step=3, loss_name="loss")
        inner(recipe, folder, **options)

    monkeypatch.setattr(module, "run", sometimes)
    made = values(max_trials=12, max_failures=12)
    found = tg.tune.search(made, tmp_path / "s", verbose=False)
    failed = [trial for trial in found.trials if trial.status == "failed"]
    assert failed
    assert len(failed) < 12
    for trial in found.trials:
        assert (trial.status == "failed") == (trial.values[RATE] > 0.01)
        assert (trial.score is None) == (trial.status == "failed")
    assert "NaN" in failed[0].error
    assert "NaN" in (tmp_path / "s" / "trials.csv").read_text()


def test_a_search_of_failures_stops_and_says_why(trained, tmp_path, monkeypatch):
    def never(*_, **__):
        raise ValueError("no such layer")

    monkeypatch.setattr(module, "run", never)
    with pytest.raises(ConfigError, match=r"2 that failed.*no such layer"):
        tg.tune.search(values(max_failures=2), tmp_path / "s", verbose=False)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"space": {"model.latent_dims": {**RANGE}}}, "latent_dim"),
        ({"space": {"data.batch_size": {"kind": "int", "min": 0, "max": 4}}}, "batch"),
        ({"objective": {"log": "val_los"}}, "val_los"),
    ],
)
def test_mistakes_are_refused_before_any_file(change, words, tmp_path, trained):
    with pytest.raises(ConfigError, match=words):
        tg.tune.search(values(**change), tmp_path / "s", verbose=False)
    if "objective" not in change:  # whose column only a trial's log can show
        assert not (tmp_path / "s").exists()


def test_a_search_without_validation_is_refused(tmp_path):
    made = values()
    del made["data"]["validation_split"]
    with pytest.raises(ConfigError, match="objective"):
        tg.tune.search(made, tmp_path / "s")
    made["tune"]["objective"] = {"log": "val_loss"}
    with pytest.raises(ConfigError, match="validation_split"):
        tg.tune.search(made, tmp_path / "s")
    assert not (tmp_path / "s").exists()


def test_another_search_and_foreign_folders_are_refused(trained, tmp_path):
    tg.tune.search(values(), tmp_path / "s", verbose=False)
    with pytest.raises(ConfigError, match="Choose another --output"):
        tg.tune.search(values(search="bayesian"), tmp_path / "s", verbose=False)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").write_text("")
    (tmp_path / "file").write_text("")
    for name in ("other", "file"):
        with pytest.raises(StorageError, match="Choose another --output"):
            tg.tune.search(values(), tmp_path / name, verbose=False)
    with locked_folder(tmp_path / "s"), pytest.raises(StorageError, match="no other"):
        tg.tune.search(values(), tmp_path / "s", verbose=False)


def test_records_of_other_values_are_refused(trained, tmp_path):
    tg.tune.search(values(), tmp_path / "s", verbose=False)
    record = tmp_path / "s" / "trials" / "0001.json"
    there = json.loads(record.read_text())
    record.write_text(json.dumps({**there, "values": {RATE: 0.5}}))
    with pytest.raises(CheckpointError, match="0001"):
        tg.tune.search(values(), tmp_path / "s", verbose=False)
    record.write_text(json.dumps({"number": 1}))
    with pytest.raises(CheckpointError, match="runs again"):
        tg.tune.search(values(), tmp_path / "s", verbose=False)


@pytest.mark.slow
def test_a_killed_search_finds_what_it_would_have_found(tmp_path):
    recipe = tmp_path / "tiny.yaml"
    made = values(search="hyperband", max_trials=None)
    made["fit"]["checkpoint_seconds"] = 0
    recipe.write_text(TuneRecipe.from_dict(made).to_yaml())
    command = [sys.executable, "-m", "tfgenai", "tune", str(recipe), "--output"]
    whole = subprocess.run([*command, str(tmp_path / "whole")], check=False)
    assert whole.returncode == 0
    process = subprocess.Popen([*command, str(tmp_path / "s")])
    second = tmp_path / "s" / "trials" / "0001" / "log.csv"
    while process.poll() is None and not second.exists():
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "s" / "trials.json").exists()
    assert subprocess.run([*command, str(tmp_path / "s")], check=False).returncode == 0
    first, second = (
        json.loads((tmp_path / f / "trials.json").read_text()) for f in ("whole", "s")
    )
    assert first == second
    assert any(trial["went_on_from"] is not None for trial in first["trials"])


@pytest.mark.slow
def test_going_on_is_one_longer_training(tmp_path):
    made = values(search="hyperband", max_trials=None)
    found = tg.tune.search(made, tmp_path / "s", verbose=False)
    trial = next(t for t in found.trials if t.went_on_from is not None)
    folder = tmp_path / "s" / "trials" / trial.folder
    tg.train.run(folder / "config.yaml", tmp_path / "direct", verbose=False)

    def losses(path):
        with open(path / "log.csv", newline="") as file:
            return [(r["loss"], r["val_loss"]) for r in csv.DictReader(file)]

    assert len(losses(folder)) == 3
    assert losses(folder) == losses(tmp_path / "direct")
    for name in ("best.keras", "last.keras"):
        went_on, direct = (
            tg.load_model(f / name) for f in (folder, tmp_path / "direct")
        )
        for left, right in zip(went_on.weights, direct.weights, strict=True):
            np.testing.assert_array_equal(left.numpy(), right.numpy())


@pytest.mark.slow
def test_the_command_line_prints_the_best_first(tmp_path):
    recipe = tmp_path / "tiny.yaml"
    recipe.write_text(TuneRecipe.from_dict(values()).to_yaml())
    arguments = ["tune", str(recipe), "--max-trials", "2", "--output"]
    shown = CliRunner().invoke(cli, [*arguments, str(tmp_path / "s"), "--show"])
    assert "max_trials: 2" in shown.output
    assert not (tmp_path / "s").exists()
    result = CliRunner().invoke(cli, [*arguments, str(tmp_path / "s")])
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    header = next(n for n, line in enumerate(lines) if line.startswith("trial"))
    scores = [float(line.split()[1]) for line in lines[header + 1 : header + 3]]
    assert scores == sorted(scores)
    as_json = CliRunner().invoke(cli, [*arguments, str(tmp_path / "s"), "--json"])
    assert len(json.loads(as_json.stdout)["trials"]) == 2
