import json
import sys

import numpy as np
import pytest
from click.testing import CliRunner

from tfgenai.cli.evaluate import command


@pytest.fixture
def run():
    def invoke(*arguments: str):
        return CliRunner().invoke(command, [str(argument) for argument in arguments])

    return invoke


@pytest.fixture
def spy(monkeypatch, tmp_path):
    """Replaces the work by a record of its arguments; gives a run folder."""
    import tfgenai.evaluate
    import tfgenai.families

    calls = []

    class FakeReport:
        def save(self, path):
            path.write_text("")
            return path

        def to_json(self):
            return {"metrics": {}}

        def __str__(self):
            return "Fréchet distance: 1"

    def evaluate_samples(model, data, **arguments):
        calls.append({"model": model, "data": data, **arguments})
        return FakeReport()

    monkeypatch.setattr(tfgenai.evaluate, "evaluate_samples", evaluate_samples)
    monkeypatch.setattr(
        tfgenai.families, "load_model", lambda path, *, compile: path.name
    )
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "last.keras").write_text("")
    return calls, folder


@pytest.mark.parametrize("verb", [(), ("samples",)])
def test_both_forms_evaluate_and_write_both_files(run, spy, tmp_path, verb) -> None:
    calls, folder = spy
    output = tmp_path / "out" / "r.html"
    result = run(
        *verb,
        "--data", "mnist", folder, "--metrics", "fid, kid", "--num-samples", 500,
        "--seed", 3, "--features", "mine", "--test-split", "train[90%:]",
        "--batch-size", 50, "--output", output,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert calls == [
        {
            "model": "last.keras",
            "data": "mnist",
            "num_samples": 500,
            "seed": 3,
            "metrics": ["fid", "kid"],
            "features": "mine",
            "splits": ("train", "train[90%:]"),
            "batch_size": 50,
            "verbose": True,
        }
    ]
    assert sorted(path.name for path in output.parent.iterdir()) == ["r.html", "r.json"]
    assert result.stdout.splitlines()[0] == "Fréchet distance: 1"


def test_json_is_one_object_on_standard_output(run, spy, tmp_path) -> None:
    _, folder = spy
    output = tmp_path / "r.json"
    result = run(folder, "--data", "mnist", "--json", "--output", output)
    assert json.loads(result.stdout) == {"metrics": {}, "files": [str(output)]}


def test_the_best_model_of_a_run_comes_first(run, spy, tmp_path) -> None:
    calls, folder = spy
    (folder / "best.keras").write_text("")
    run(folder, "--data", "mnist", "--output", tmp_path / "r.json")
    run(folder / "last.keras", "--data", "mnist", "--output", tmp_path / "r.json")
    assert [call["model"] for call in calls] == ["best.keras", "last.keras"]


def test_usage_errors_exit_with_2_and_write_nothing(run, spy, tmp_path) -> None:
    calls, folder = spy
    empty = tmp_path / "empty"
    empty.mkdir()
    for arguments, words in [
        ((folder,), "--data"),
        ((empty, "--data", "mnist"), "best.keras"),
        ((tmp_path / "missing.keras", "--data", "mnist"), "does not exist"),
        ((folder, "--data", "mnist", "--output", tmp_path / "r.pdf"), ".html or .json"),
        ((folder, "--data", "mnist", "--num-samples", 0), "num-samples"),
    ]:
        result = run(*arguments)
        assert result.exit_code == 2
        assert words in result.stderr
    assert calls == []
    assert not list(empty.iterdir())


def test_help_names_both_forms(run) -> None:
    for flag in ("--help", "-h"):
        page = run(flag).stdout
        assert "fit-extractor" in page
        assert "MODEL" in page
    assert "--num-samples" in run("samples", "--help").stdout
    assert "--epochs" in run("fit-extractor", "--help").stdout


def test_fit_extractor_reports_accuracy_and_hash(
    run, monkeypatch, tmp_path, digits
) -> None:
    import tfgenai.data

    monkeypatch.setenv("TFGENAI_HOME", str(tmp_path))
    splits = dict(zip(("train", "test"), digits, strict=True))
    monkeypatch.setattr(
        tfgenai.data, "load_arrays", lambda name, *, split: splits[split]
    )
    result = run("fit-extractor", "mine", "--epochs", 2, "--seed", 1, "--json")
    assert result.exit_code == 0, result.output
    printed = json.loads(result.stdout)
    assert printed["path"] == str(tmp_path / "extractors" / "mine_classifier")
    assert (printed["epochs"], printed["seed"]) == (2, 1)
    assert len(printed["sha256"]) == 64
    assert printed["test_accuracy"] > 0.5
    assert "extractor" in result.stderr  # the progress bar


@pytest.fixture
def digits():
    from types import SimpleNamespace

    from sklearn.datasets import load_digits

    source = load_digits()
    images = np.rint(source.images * 255 / 16).astype(np.uint8)[..., None]
    labels = source.target.astype(np.int32)
    return [
        SimpleNamespace(images=images[rows], labels=labels[rows], class_names=None)
        for rows in (slice(0, 1400), slice(1400, None))
    ]


def test_module_imports_nothing_heavy() -> None:
    import subprocess

    code = (
        "import sys, tfgenai.cli.evaluate; "
        "heavy = {'tensorflow', 'keras', 'numpy', 'matplotlib', 'PIL'}; "
        "sys.exit(','.join(heavy & set(sys.modules)) or 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_a_sampler_and_conditions_are_passed_on(run, spy, tmp_path) -> None:
    calls, folder = spy
    given = ("--sampler", "ddim", "--condition", "guidance_scale=2.5")
    given += ("--set", "num_steps=8", "--output", tmp_path / "r.json")
    result = run(folder, "--data", "mnist", *given)
    assert result.exit_code == 0, result.output
    (call,) = calls
    assert (call["sampler"], call["guidance_scale"]) == ("ddim", 2.5)
    assert call["num_steps"] == 8
    assert isinstance(call["num_steps"], int)
    result = run(folder, "--data", "mnist", "--condition", "guidance_scale")
    assert result.exit_code == 2
