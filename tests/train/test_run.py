"""Runs: what a folder holds, and that a killed run is the run that was not killed."""

import csv
import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest

import tfgenai as tg
from tfgenai.core.errors import CheckpointError, ConfigError
from tfgenai.data import DatasetCard
from tfgenai.evaluate import Extractor
from tfgenai.train import Recipe, run

VOLATILE = {"images_per_second"}

RECIPE = {
    "name": "tiny",
    "data": {
        "name": "digits",
        "split": "train[:90%]",
        "validation_split": "train[90%:]",
        "batch_size": 128,
        "augment": ["shift"],
        "binarize": "dynamic",
    },
    "model": {
        "family": "VAE",
        "latent_dim": 2,
        "hidden_units": [16],
        "num_classes": "auto",
        "ema_decay": 0.9,
    },
    "fit": {"epochs": 4, "checkpoint_seconds": 0, "jit_compile": False},
    "samples": {"num_samples": 10, "every": 2},
}


def rows(folder):
    with open(folder / "log.csv", newline="") as file:
        found = list(csv.DictReader(file))
    return [{k: v for k, v in row.items() if k not in VOLATILE} for row in found]


def weights(path):
    model = tg.load_model(path)
    variables = [*model.weights, *model.optimizer.variables]
    return [variable.numpy() for variable in variables]


def assert_same_run(a, b):
    assert rows(a) == rows(b)
    for name in ("best.keras", "last.keras"):
        for left, right in zip(weights(a / name), weights(b / name), strict=True):
            np.testing.assert_array_equal(left, right)
    first, second = (json.loads((f / "report.json").read_text()) for f in (a, b))
    assert first["metrics"] == second["metrics"]
    assert first["num_images"] == second["num_images"]
    for picture in (a / "samples").iterdir():
        assert picture.read_bytes() == (b / "samples" / picture.name).read_bytes()


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "whole"
    return run({**RECIPE, "export": "served/tiny"}, folder, verbose=False)


def test_the_folder_holds_what_it_should(whole):
    folder = whole.folder
    assert sorted(entry.name for entry in folder.iterdir()) == [
        "backup",
        "best.keras",
        "config.yaml",
        "data_card.json",
        "environment.json",
        "last.keras",
        "log.csv",
        "logs",
        "report.json",
        "samples",
        "served",
    ]
    assert Recipe.load(folder / "config.yaml") == whole.recipe
    assert whole.recipe.model.arguments["num_classes"] == 10
    card = DatasetCard.load(folder / "data_card.json")
    assert list(card.splits) == ["train[:90%]", "train[90%:]", "test"]
    pictures = sorted(entry.name for entry in (folder / "samples").iterdir())
    assert pictures == ["epoch-0000.png", "epoch-0002.png", "epoch-0004.png"]
    assert (folder / "served" / "tiny" / "1" / "saved_model.pb").is_file()


def test_the_report_says_what_was_found_and_how(whole):
    report = json.loads((whole.folder / "report.json").read_text())
    assert report == whole.report
    logged = rows(whole.folder)
    assert [row["epoch"] for row in logged] == ["1", "2", "3", "4"]
    best = min(logged, key=lambda row: float(row["val_loss"]))
    model = whole.load_model()
    assert int(model.step.numpy()) == int(best["step"])
    assert report["monitor"] == "val_loss"
    assert report["metrics"]["test_loss"]["n"] == 297
    assert report["num_images"] == 4 * 10 * 128
    assert report["seconds"]["fit"] >= report["seconds"]["training_steps"] > 0
    assert report["command"] == "tfgenai.train.run('tiny')"
    assert report["export"] == "served/tiny/1"


def test_a_finished_run_is_not_run_again(whole):
    before = (whole.folder / "last.keras").stat().st_mtime_ns
    again = run({**RECIPE, "export": "served/tiny"}, whole.folder, verbose=False)
    assert again.report == whole.report
    assert (whole.folder / "last.keras").stat().st_mtime_ns == before
    assert not (whole.folder / "served" / "tiny" / "2").exists()


def test_two_epochs_and_two_more_are_a_run_of_four(whole, tmp_path):
    fit = {**RECIPE["fit"], "epochs": 2}
    run({**RECIPE, "fit": fit}, tmp_path, verbose=False)
    run(RECIPE, tmp_path, resume=True, verbose=False)
    assert_same_run(whole.folder, tmp_path)


@pytest.mark.slow
def test_a_killed_run_goes_on_as_the_unbroken_one(whole, tmp_path):
    folder = tmp_path / "killed"
    script = f"""
import os, signal
from tfgenai.train import RunLog, run
log = RunLog.on_epoch_end
def killed(self, epoch, logs=None):
    log(self, epoch, logs)
    if epoch == 2:
        os.kill(os.getpid(), signal.SIGKILL)
RunLog.on_epoch_end = killed
run({RECIPE!r}, {str(folder)!r}, verbose=False)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], env={**os.environ}, check=False
    )
    assert done.returncode == -signal.SIGKILL
    assert len(rows(folder)) == 3  # logged, but its checkpoint was not written
    assert not (folder / "report.json").exists()
    run(RECIPE, folder, verbose=False)
    assert_same_run(whole.folder, folder)
    assert not list(folder.rglob(".partial-*"))


def test_checkpoints_of_another_model_are_refused(whole, tmp_path):
    other = {**RECIPE, "model": {**RECIPE["model"], "latent_dim": 3}}
    (tmp_path / "run").mkdir()
    os.symlink(whole.folder / "backup", tmp_path / "run" / "backup")
    (tmp_path / "run" / "config.yaml").write_text(
        Recipe.from_dict(other)
        .to_yaml()
        .replace("num_classes: auto", "num_classes: 10")
    )
    recipe = Recipe.load(tmp_path / "run" / "config.yaml")
    with pytest.raises(ConfigError, match=r"model\."):
        run(recipe, tmp_path / "run", verbose=False)
    filled = recipe.to_dict()
    filled["model"] |= {"seed": 0, "image_shape": [8, 8, 1]}
    (tmp_path / "run" / "config.yaml").write_text(Recipe.from_dict(filled).to_yaml())
    with pytest.raises(CheckpointError, match=r"latent_dim \(2 there, 3 here\)"):
        run(recipe, tmp_path / "run", verbose=False)


def test_mistakes_are_found_before_anything_is_written(tmp_path):
    for change, words in (
        ({"data": {"name": "digitz"}}, "digit"),
        ({"model": {"family": "VAE", "latent_dims": 2}}, "latent_dims"),
        ({"model": {"family": "VAE", "latent_dim": 0}}, "latent_dim"),
    ):
        with pytest.raises(ValueError, match=words):
            run({**RECIPE, **change}, tmp_path / "run", verbose=False)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_gan_is_watched_and_chosen_by_its_samples(tmp_path):
    Extractor((8, 8, 1), [str(d) for d in range(10)]).save(tmp_path / "extractor")
    recipe = {
        **RECIPE,
        "data": {**RECIPE["data"], "binarize": None, "augment": []},
        "model": {
            "family": "GAN",
            "latent_dim": 4,
            "network": "mlp",
            "num_classes": "auto",
        },
        "fit": {"epochs": 2, "on_non_finite": "rollback", "jit_compile": False},
        "sample_metrics": {"metrics": ["class_histogram"], "num_samples": 150},
        "evaluate": {"loss": False, "features": str(tmp_path / "extractor")},
    }
    done = run(recipe, tmp_path / "run", verbose=False)
    assert done.report["monitor"] == "val_class_histogram"
    assert done.report["model_file"] == "best.keras"
    logged = rows(tmp_path / "run")
    for name in ("val_class_histogram", "num_modes", "generator_gradient_norm"):
        assert all(float(row[name]) >= 0 for row in logged)
