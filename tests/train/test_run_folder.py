"""Run folders: what may be gone on with, and what is refused before it is touched."""

import os

import pytest

from tfgenai.core.errors import ConfigError, StorageError
from tfgenai.train import Recipe
from tfgenai.train.run_folder import RunFolder


def recipe(**changes):
    values = {
        "name": "tiny",
        "data": {"name": "digits"},
        "model": {"family": "VAE", "latent_dim": 4},
        "fit": {"epochs": 2},
    }
    return Recipe.from_dict({**values, **changes})


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "run"
    with RunFolder(path).opened(recipe()):
        pass
    return path


def test_a_new_folder_gets_its_config(tmp_path):
    target = RunFolder(tmp_path / "a" / "run")
    assert target.recipe is None
    assert not (tmp_path / "a").exists()
    target.require_same(recipe())
    with target.opened(recipe()) as path:
        assert (path / "config.yaml").is_file()
    assert RunFolder(path).recipe == recipe()


def test_what_a_killed_first_write_left_is_no_obstacle(tmp_path):
    (tmp_path / ".partial-1-config.yaml").write_text("na")
    with RunFolder(tmp_path).opened(recipe()) as path:
        assert [entry.name for entry in path.iterdir()] == ["config.yaml"]


def test_the_same_training_may_be_measured_and_exported_otherwise(folder):
    changed = recipe(
        evaluate={"loss": False},
        export="served",
        samples={"every": 9},
        fit={"epochs": 2, "checkpoint_seconds": 1},
    )
    target = RunFolder(folder)
    target.require_same(changed)
    with target.opened(changed):
        pass
    assert RunFolder(folder).recipe == changed


def test_another_training_is_refused_and_says_where(folder):
    other = recipe(seed=1, data={"name": "digits", "batch_size": 7})
    words = r"seed=1 instead of 0; data\.batch_size=7 instead of 128"
    with pytest.raises(ConfigError, match=words):
        RunFolder(folder).require_same(other)


def test_more_epochs_only_on_purpose_and_fewer_never(folder):
    with pytest.raises(ConfigError, match=r"fit\.epochs=3\..*--resume"):
        RunFolder(folder).require_same(recipe(fit={"epochs": 3}))
    RunFolder(folder, resume=True).require_same(recipe(fit={"epochs": 3}))
    with pytest.raises(ConfigError, match=r"fit\.epochs=1"):
        RunFolder(folder, resume=True).require_same(recipe(fit={"epochs": 1}))


def test_a_foreign_folder_is_refused_untouched(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(StorageError, match=r"holds thesis\.txt"):
        RunFolder(tmp_path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_file_and_a_read_only_place_are_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="a file"):
        RunFolder(tmp_path / "file")
    with (
        pytest.raises(StorageError, match="can be written to"),
        RunFolder(tmp_path / "file" / "run").opened(recipe()),
    ):
        pass


@pytest.mark.parametrize("text", ["data: [", "data: {name: digits}", "- 1", "\x00"])
def test_a_damaged_config_is_refused(folder, text):
    (folder / "config.yaml").write_text(text)
    with pytest.raises(ConfigError, match=r"config\.yaml.*cannot be read"):
        RunFolder(folder)


def test_there_must_be_something_to_resume(tmp_path):
    with pytest.raises(ConfigError, match="holds none"):
        RunFolder(tmp_path / "new", resume=True)


def test_two_processes_cannot_train_in_one_folder(folder):
    # A lock belongs to the open file, so that a second opening stands for a process.
    with (
        RunFolder(folder).opened(recipe()),
        pytest.raises(StorageError, match="no other process"),
        RunFolder(folder).opened(recipe()),
    ):
        pass
    with RunFolder(folder).opened(recipe()):  # the lock is gone with its holder
        pass
    assert sorted(os.listdir(folder)) == ["config.yaml"]
