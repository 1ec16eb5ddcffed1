"""`tfgenai train`: from flags or a recipe to a run folder, and what it refuses."""

import json

import pytest
from click.testing import CliRunner

from tfgenai.cli.main import cli
from tfgenai.train import Recipe, Run


@pytest.fixture
def asked(monkeypatch, tmp_path):
    """Stands in for the run itself and notes what was asked of it."""
    calls = []

    def run(recipe, folder=None, **options):
        calls.append((recipe, folder, options))
        figure = {"value": 1.25, "interval": [1.0, 1.5], "n": 100, "seed": 0}
        report = {"metrics": {"fid": figure, "loss": {**figure, "interval": None}}}
        return Run(folder or tmp_path, recipe, report)

    monkeypatch.setattr("tfgenai.train.run", run)
    return calls


def invoke(*arguments):
    return CliRunner().invoke(cli, ["train", *map(str, arguments)])


def test_flags_and_settings_change_the_recipe(asked, tmp_path):
    result = invoke(
        "vae_digits",
        *("--epochs", 3, "--batch-size", 32, "--seed", 9, "--data", "mnist"),
        *("--set", "optimizers.optimizer.learning_rate=1e-4"),
        *("--set", "model.hidden_units=[8, 4]", "--set", "export=served"),
        *("--output", tmp_path / "run", "--resume"),
    )
    assert result.exit_code == 0, result.output
    ((recipe, folder, options),) = asked
    assert (recipe.fit.epochs, recipe.data.batch_size, recipe.seed) == (3, 32, 9)
    assert recipe.data.name == "mnist"
    assert recipe.optimizers["optimizer"].learning_rate == 1e-4
    assert recipe.model.arguments["hidden_units"] == [8, 4]
    assert recipe.export == "served"
    assert folder == tmp_path / "run"
    assert options["resume"] is True
    assert options["command"].startswith("tfgenai")
    assert result.stdout.splitlines() == [
        "fid: 1.25 [1, 1.5] (n=100, seed=0)",
        "loss: 1.25 (n=100, seed=0)",
        f"Wrote {tmp_path / 'run'}",
    ]


def test_data_and_model_are_recipe_enough(asked):
    result = invoke(
        "--data", "my/images", "--model", "VAE", "--set", "model.latent_dim=3", "--json"
    )
    assert result.exit_code == 0, result.output
    recipe = asked[0][0]
    assert recipe.name == "vae_images"
    assert recipe.model.arguments == {"latent_dim": 3}
    assert json.loads(result.stdout)["metrics"]["fid"]["value"] == 1.25


def test_the_recipe_is_shown_and_nothing_done(asked, tmp_path):
    result = invoke("gan_digits", "--seed", 4, "--show")
    path = tmp_path / "shown.yaml"
    path.write_text(result.stdout)
    assert Recipe.load(path) == Recipe.load("gan_digits", overrides={"seed": 4})
    shown = json.loads(invoke(path, "--show", "--json").stdout)
    assert shown["seed"] == 4
    assert not asked


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ([], 2, "RECIPE"),
        (["--data", "digits"], 2, "--model"),
        (["vae_digit"], 1, "Did you mean 'vae_digits'?"),
        (["vae_digits", "--set", "fit.epoch=3"], 1, "Did you mean 'epochs'?"),
        (["vae_digits", "--set", "epochs"], 2, "KEY=VALUE"),
        (["vae_digits", "--set", "seed=["], 1, "YAML was expected"),
        (["vae_digits", "--epochs", "0"], 2, "--epochs"),
        (["--data", "digits", "--model", "VEA", "--show"], 0, "VEA"),
    ],
)
def test_mistakes_have_an_exit_code_and_a_way_out(asked, arguments, code, words):
    result = invoke(*arguments)
    assert result.exit_code == code
    assert words in result.output
    assert not asked


def test_an_interruption_says_how_to_go_on(monkeypatch):
    def run(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("tfgenai.train.run", run)
    result = invoke("vae_digits")
    assert result.exit_code == 130
    assert "goes on from the last checkpoint" in result.stderr


def test_a_real_run_writes_its_folder_and_its_report(tmp_path):
    result = invoke(
        *("--data", "digits", "--model", "VAE", "--epochs", 1, "--json"),
        *("--set", "model.latent_dim=2", "--set", "model.hidden_units=[8]"),
        *("--set", "fit.jit_compile=false", "--set", "samples=null"),
        *("--output", tmp_path / "run"),
    )
    assert result.exit_code == 0, result.output
    printed = json.loads(result.stdout)
    written = json.loads((tmp_path / "run" / "report.json").read_text())
    assert printed == {**written, "folder": str(tmp_path / "run")}
    assert printed["metrics"]["test_loss"]["value"] > 0
    assert "vae_digits" in result.stderr  # the bar

    again = invoke("vae_digits", "--output", tmp_path / "run")
    assert again.exit_code == 1
    assert "Choose another --output" in again.stderr
