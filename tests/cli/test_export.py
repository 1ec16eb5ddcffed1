"""`tfgenai export MODEL --to FOLDER` and `tfgenai export verify FOLDER`."""

import json
import sys

import pytest
from click.testing import CliRunner

from tfgenai.cli.main import cli
from tfgenai.export import Check, Variant, VariantReport, VerifyReport


class FakeModel:
    """Stands for the model that a file holds."""


@pytest.fixture
def loads(monkeypatch):
    """Lets `load_model` return a stand-in, and records what was asked for."""
    calls = []

    def load_model(path, *, compile=True):
        calls.append((path, compile))
        return FakeModel()

    families = type(sys)("tfgenai.families")
    families.load_model = load_model
    monkeypatch.setitem(sys.modules, "tfgenai.families", families)
    return calls


@pytest.fixture
def exports(monkeypatch):
    """Records the arguments of `export_saved_model` and makes a card for it."""
    calls = []

    def export_saved_model(model, path, **arguments):
        calls.append((model, path, arguments))
        folder = path / str(arguments["version"] or 1)
        folder.mkdir(parents=True)
        card = {
            "format": 1,
            "family": "VAE",
            "signatures": {"generate": {}, "encode": {}},
            "weights": {"sha256": "0", "count": 1, "bytes": 4},
        }
        (folder / "model_card.json").write_text(json.dumps(card))
        return folder

    monkeypatch.setattr("tfgenai.export.export_saved_model", export_saved_model)
    return calls


def report(ok):
    checks = (Check("size", ok, "4 bytes", 1.0),)
    return VerifyReport(path="m/1", version=1, tensorflow="2.20.0", checks=checks)


def invoke(*arguments):
    return CliRunner().invoke(cli, ["export", *map(str, arguments)])


def test_a_run_folder_gives_its_best_model_and_data_card(tmp_path, loads, exports):
    run = tmp_path / "run"
    run.mkdir()
    for name in ("model.keras", "last.keras", "best.keras"):
        (run / name).write_text("")
    (run / "data_card.json").write_text(json.dumps({"class_names": ["a", "b"]}))
    result = invoke(run, "--to", tmp_path / "m", "--licence", "MIT", "--json")
    assert result.exit_code == 0, result.output
    assert loads == [(run / "best.keras", False)]
    ((_, path, arguments),) = exports
    assert path == tmp_path / "m"
    assert arguments["version"] is None
    assert arguments["signatures"] is None
    assert arguments["warmup_batch_sizes"] == (1, 8)
    assert arguments["class_names"] == ["a", "b"]
    assert arguments["licence"] == "MIT"
    printed = json.loads(result.stdout)
    assert printed["path"] == str(tmp_path / "m" / "1")
    assert printed["version"] == 1
    assert printed["signatures"] == ["generate", "encode"]


def test_options_may_come_first_and_repeat(tmp_path, loads, exports):
    (tmp_path / "x.keras").write_text("")
    result = invoke(
        *("--to", tmp_path / "m", "--version", 4, "--signature", "generate"),
        *("--warmup-batch-size", 2, "--warmup-batch-size", 16, tmp_path / "x.keras"),
    )
    assert result.exit_code == 0, result.output
    assert result.stdout == f"{tmp_path / 'm' / '4'}: generate, encode\n"
    ((_, _, arguments),) = exports
    assert arguments["version"] == 4
    assert arguments["signatures"] == ("generate",)
    assert arguments["warmup_batch_sizes"] == (2, 16)
    assert arguments["serving_options"] == {}


def test_options_of_the_sampler(tmp_path, loads, exports):
    (tmp_path / "x.keras").write_text("")
    given = ("--sampler", "ddim", "--max-num-steps", 60, "--step-buckets", "8,20")
    given += ("--num-steps", 9)
    result = invoke(tmp_path / "x.keras", "--to", tmp_path / "m", *given)
    assert result.exit_code == 0, result.output
    result = invoke(tmp_path / "x.keras", "--to", tmp_path / "n", "--step-buckets", "")
    assert result.exit_code == 0, result.output
    assert [arguments["serving_options"] for _, _, arguments in exports] == [
        {
            "sampler": "ddim",
            "num_steps": 9,
            "max_num_steps": 60,
            "step_buckets": (8, 20),
        },
        {"step_buckets": ()},
    ]


def test_options_of_a_language_model(tmp_path, loads, exports):
    (tmp_path / "x.keras").write_text("")
    given = ("--max-prompt-tokens", 9, "--max-new-tokens", 8, "--token-buckets", "2,4")
    given += ("--chunk-tokens", 3, "--quantize", "int8")
    result = invoke(tmp_path / "x.keras", "--to", tmp_path / "m", *given)
    assert result.exit_code == 0, result.output
    ((_, _, arguments),) = exports
    assert arguments["quantize"] == "int8"
    assert arguments["serving_options"] == {
        "max_prompt_tokens": 9,
        "max_new_tokens": 8,
        "token_buckets": (2, 4),
        "chunk_tokens": 3,
    }


def test_what_would_help_is_measured_and_goes_into_the_card(
    tmp_path, loads, exports, monkeypatch
):
    variant = Variant("as it is", 9, {1: 2.5}, 0.0, None)
    asked = []

    def compare_variants(model, *, signature, serving_options):
        asked.append((signature, serving_options))
        return VariantReport((variant,), 1.0)

    def check_export(model, path, **arguments):
        asked.append(arguments)

    monkeypatch.setattr("tfgenai.export.compare_variants", compare_variants)
    monkeypatch.setattr("tfgenai.export.check_export", check_export)
    (tmp_path / "x.keras").write_text("")
    given = ("--to", tmp_path / "m", "--optimize", "--num-steps", 9, "--notes", "Mine.")
    result = invoke(tmp_path / "x.keras", *given, "--json")
    assert result.exit_code == 0, result.output
    ((_, _, arguments),) = exports
    assert arguments["optimize"] is True
    assert arguments["serving_options"] == {"num_steps": 9}
    # First whether it may be done at all, then the minutes of measuring.
    given = {"version": None, "signatures": None, "num_steps": 9}
    assert asked == [given, (None, {"num_steps": 9})]
    assert arguments["notes"].startswith("Mine.\n\n| export ")
    found = json.loads(result.stdout)["optimization"]
    assert found["variants"][0]["milliseconds"] == {"1": 2.5}


@pytest.mark.parametrize(
    "arguments",
    [
        ["missing.keras", "--to", "m"],
        ["{file}"],
        ["{file}", "--to", "m", "--version", "0"],
        ["{file}", "--to", "m", "--version", "one"],
        ["{file}", "--to", "{file}"],
        ["{file}", "--to", "m", "--step-buckets", "8;20"],
        ["{empty}", "--to", "m"],
        ["verify"],
    ],
)
def test_wrong_usage_exits_2(tmp_path, loads, exports, arguments):
    (tmp_path / "x.keras").write_text("")
    (tmp_path / "empty").mkdir()
    places = {"file": tmp_path / "x.keras", "empty": tmp_path / "empty"}
    result = invoke(*(argument.format(**places) for argument in arguments))
    assert result.exit_code == 2, result.output
    assert exports == []


def test_a_typed_error_is_one_line_and_exit_code_1(tmp_path, loads):
    # The stand-in is no GenerativeModel, so the real export refuses it.
    (tmp_path / "x.keras").write_text("")
    result = invoke(tmp_path / "x.keras", "--to", tmp_path / "m")
    assert result.exit_code == 1
    assert "Error: A tfgenai model was expected. Received: model=FakeModel" in (
        result.stderr
    )
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize(("ok", "exit_code"), [(True, 0), (False, 1)])
def test_verify_prints_the_report_and_exits_by_it(
    tmp_path, monkeypatch, loads, ok, exit_code
):
    seen = []
    monkeypatch.setattr(
        "tfgenai.export.verify", lambda *a, **k: seen.append((a, k)) or report(ok)
    )
    (tmp_path / "x.keras").write_text("")
    result = invoke("verify", tmp_path, "--model", tmp_path / "x.keras")
    assert result.exit_code == exit_code
    assert ("FAILED" in result.stdout) is not ok
    (((folder, model), arguments),) = seen
    assert folder == tmp_path
    assert isinstance(model, FakeModel)
    assert str(arguments["python"]) == sys.executable
    printed = json.loads(invoke("verify", tmp_path, "--json").stdout)
    assert printed["ok"] is ok
    assert printed["checks"][0]["figure"] == 1.0


def test_verify_names_what_is_missing(tmp_path):
    (tmp_path / "1").mkdir()
    result = invoke("verify", tmp_path / "1")
    assert result.exit_code == 1
    assert "saved_model.pb" in result.stderr


def test_help_shows_both_commands():
    result = invoke("--help")
    assert result.exit_code == 0
    assert "MODEL --to FOLDER" in result.stdout
    assert "verify" in result.stdout
    assert "--warmup-batch-size" in invoke("model", "--help").stdout
