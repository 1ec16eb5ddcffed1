"""Runs from recipes, through the command line as well, on small models."""

import json

import keras
import numpy as np
import pytest
from click.testing import CliRunner

import tfgenai as tg
from tfgenai.cli.main import cli
from tfgenai.core.errors import CheckpointError, ConfigError, DataError, StorageError
from tfgenai.finetune.adapter_files import load_adapter
from tfgenai.finetune.preferences import Preference, write_preferences
from tfgenai.finetune.recipe import FinetuneRecipe
from tfgenai.finetune.run import finetune

TEXT = "the cat sat on the mat. the dog sat on the log. " * 40


@pytest.fixture(scope="module")
def language_model(tmp_path_factory):
    model = tg.GPT(
        tokenizer=tg.data.tokenizers.ByteTokenizer(),
        max_sequence_length=16,
        num_layers=1,
        num_heads=2,
        hidden_dim=16,
    )
    path = tmp_path_factory.mktemp("base") / "lm.keras"
    model.save(path)
    return path


def _recipe(base, **sections):
    return {"name": "tuned", "base": str(base), "epochs": 2, **sections}


@pytest.mark.slow
def test_an_adapter_on_other_text_by_the_command_line(language_model, tmp_path):
    (tmp_path / "texts").mkdir()
    for name in ("train", "validation"):
        (tmp_path / "texts" / name).mkdir()
        (tmp_path / "texts" / name / "a.txt").write_text(TEXT)
    arguments = [
        "finetune",
        *("--base", str(language_model)),
        *("--data", str(tmp_path / "texts" / "train" / "*.txt")),
        *("--rank", "4"),
        *("--export-to", str(tmp_path / "served")),
        *("--set", "data.validation_split=train[90%:]"),
        *("--set", "data.split=train[:90%]"),
        *("--set", "data.batch_size=8"),
        *("--set", "learning_rate=0.01"),
        *("--output", str(tmp_path / "run")),
        "--json",
    ]
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout.splitlines()[-1])
    assert report["after"]["loss"] < report["before"]["loss"]
    assert report["num_trainable_parameters"] < 4000
    assert report["export"] == str(tmp_path / "served" / "1")
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert {"config.yaml", "model.keras", "adapter.safetensors"} <= names
    # The adapter by itself, on the base, is the model.
    base = tg.load_model(language_model)
    load_adapter(base, tmp_path / "run" / "adapter.safetensors")
    tuned = tg.load_model(tmp_path / "run" / "model.keras")
    tokens = np.arange(97, 113, dtype=np.int32)[np.newaxis]
    np.testing.assert_array_equal(base(tokens), tuned(tokens))
    # A finished run says what it said.
    again = CliRunner().invoke(cli, arguments)
    assert json.loads(again.stdout.splitlines()[-1]) == report


@pytest.mark.slow
def test_feedback_in_one_command(language_model, tmp_path):
    pairs = [
        Preference(prompt=p, chosen="aaa", rejected="zzz") for p in "abcdefghijklmnop"
    ]
    file = write_preferences(tmp_path / "feedback.jsonl", pairs)
    command = [
        "finetune",
        *("--base", str(language_model), "--feedback", str(file)),
        *("--export-to", str(tmp_path / "served")),
        *("--epochs", "8", "--set", "learning_rate=0.01"),
        *("--set", "feedback.max_new_tokens=4", "--set", "feedback.batch_size=4"),
        *("--output", str(tmp_path / "run")),
    ]
    result = CliRunner().invoke(cli, command)
    assert result.exit_code == 0, result.output
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    assert report["after"]["accuracy"] == 1.0
    assert report["after"]["margin"] > report["before"]["margin"]
    assert (tmp_path / "served" / "1" / "saved_model.pb").is_file()
    assert "kl to the base" in result.output
    # The same again trains nothing; feedback that came in since is not passed over.
    again = CliRunner().invoke(cli, command)
    assert "finished before" in again.output
    write_preferences(file, pairs[:-1])
    late = CliRunner().invoke(cli, command)
    assert late.exit_code != 0
    assert "has changed since" in late.output
    assert [each.name for each in (tmp_path / "served").iterdir()] == ["1"]


@pytest.mark.slow
def test_a_classifier_on_few_labels(tmp_path):
    base = tg.VAE((8, 8, 1), 16, hidden_units=(64,))
    base.compile(keras.optimizers.Adam(2e-3))
    base.fit(tg.data.load("digits", batch_size=64), epochs=8, verbose=0)
    base.save(tmp_path / "vae.keras")
    report = finetune(
        _recipe(
            tmp_path / "vae.keras",
            data={"name": "digits"},
            classifier={"examples_per_class": 10, "unfreeze": ["encoder"]},
        ),
        tmp_path / "run",
        verbose=False,
    )
    figures = report["classifier"]
    assert figures["accuracy"] > 0.6 > figures["majority_accuracy"]
    head = tg.load_model(tmp_path / "run" / "model.keras")
    assert head.class_names == [str(i) for i in range(10)]


def test_mistakes_stop_before_a_folder_is_made(language_model, tmp_path):
    pairs = {"file": str(tmp_path / "none.jsonl")}
    for sections, error, words in (
        ({"feedback": pairs}, DataError, r"none\.jsonl"),
        (
            {"base": "missing.keras", "data": {"name": "digits"}},
            CheckpointError,
            "miss",
        ),
        ({}, ConfigError, "section 'data'"),
        ({"task": "classifier", "data": {"name": "digits"}}, ConfigError, "classifier"),
        ({"data": {"name": "x"}, "adaptor": {}}, ConfigError, "adapter"),
        (
            {"data": {"name": "x"}, "task": "adapter", "feedback": pairs},
            ConfigError,
            "One task",
        ),
    ):
        with pytest.raises(error, match=words):
            finetune(_recipe(language_model) | sections, tmp_path / "run")
        assert not (tmp_path / "run").exists()


def test_a_folder_of_others_is_refused(language_model, tmp_path):
    recipe = _recipe(language_model, data={"name": "digits"})
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "thesis.txt").write_text("mine")
    with pytest.raises(StorageError, match="foreign"):
        finetune(recipe, tmp_path / "foreign")
    (tmp_path / "other").mkdir()
    config = FinetuneRecipe.from_dict({**recipe, "seed": 3}).to_yaml()
    (tmp_path / "other" / "config.yaml").write_text(config)
    (tmp_path / "other" / "model.keras").write_bytes(b"learned")
    with pytest.raises(ConfigError, match="another"):
        finetune(recipe, tmp_path / "other")


def test_what_failed_before_it_learned_stands_in_nobodys_way(language_model, tmp_path):
    for name in ("missing_one", "missing_two"):
        recipe = _recipe(language_model, data={"name": name})
        with pytest.raises(DataError, match=name):
            finetune(recipe, tmp_path / "run")


def test_names_of_runs_tell_what_was_learned():
    for flags, name in (
        (["--data", "my/texts"], "lm_texts"),
        (["--data", "texts/*.txt"], "lm_finetuned"),
        (["--feedback", "f.jsonl"], "lm_feedback"),
    ):
        shown = CliRunner().invoke(
            cli, ["finetune", "--base", "runs/lm", *flags, "--show"]
        )
        assert f"name: {name}\n" in shown.output


def test_the_command_asks_for_what_it_needs():
    result = CliRunner().invoke(cli, ["finetune", "--base", "x"])
    assert result.exit_code == 2
    assert "--data and --feedback" in result.output
    shown = CliRunner().invoke(
        cli, ["finetune", "--base", "x", "--data", "y", "--rank", "4", "--show"]
    )
    assert "rank: 4" in shown.output
    assert "task: adapter" in shown.output
