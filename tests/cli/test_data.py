"""`tfgenai data`: what is printed, as words and as JSON, and exit codes."""

import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from tfgenai.cli.main import cli

sys.path.insert(0, str(Path(__file__).parent.parent / "data"))


@pytest.fixture
def run(monkeypatch, tmp_path):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "tfds"))
    return lambda *arguments: CliRunner().invoke(cli, ["data", *map(str, arguments)])


def test_a_set_is_imported_and_then_shown(run, tmp_path):
    from tiny_tfds import write_originals

    done = run("import", "tiny_images", "--from", write_originals(tmp_path / "from"))
    assert done.exit_code == 0, done.output
    assert "train: 40 examples\n" in done.stdout
    assert "test: 20 examples\n" in done.stdout
    shown = run("show", "tiny_images")
    assert shown.exit_code == 0
    assert "train: 40 examples" in shown.stdout
    assert "per class 14 13 13" in shown.stdout
    assert (tmp_path / "tfds/tiny_images/1.0.0").is_dir()


def test_json_is_all_that_is_on_standard_output(run, tmp_path):
    from tiny_tfds import write_originals

    folder = write_originals(tmp_path / "from")
    options = ("--data-dir", tmp_path / "other", "--json")
    imported = run("import", "tiny_images", "--from", folder, *options)
    assert json.loads(imported.stdout) == {
        "name": "tiny_images",
        "data_dir": str(tmp_path / "other"),
        "splits": {"test": 20, "train": 40},
    }
    card = json.loads(run("show", "tiny_images", *options).stdout)
    assert card["splits"]["train"]["num_examples"] == 40
    assert not (tmp_path / "tfds").exists()


def test_spoken_digits_are_repacked_and_that_is_said(run, tmp_path):
    from tiny_digits import write_archive

    folder = write_archive(tmp_path / "from")
    refused = run("import", "spoken_digit", "--from", folder)
    assert refused.exit_code == 1
    assert "Give --repack" in refused.stderr
    done = run("import", "spoken_digit", "--from", folder, "--repack")
    assert done.exit_code == 0, done.output
    assert "Not TFDS's archive: 12 recordings of recordings.tar.gz" in done.stdout
    assert "train: 12 examples\n" in done.stdout
    again = run("import", "spoken_digit", "--from", folder, "--repack", "--json")
    note = json.loads(again.stdout)["repacked"]
    assert note["num_files"] == 12
    card = json.loads(run("show", "spoken_digit", "--json").stdout)
    assert note["archive_sha256"] in card["source"]
    assert card["sample_rate"] == 8000


def test_tones_and_rates_are_shown(run):
    shown = run("show", "plucked_strings", "--sample-rate", 4000, "--channels", 2)
    assert "plucked_strings: sound, 4000 Hz stereo\n" in shown.stdout
    assert "train: 960 examples\n  960.0 seconds\n" in shown.stdout


def test_digits_and_sizes_are_shown(run):
    card = json.loads(run("show", "digits", "--image-size", 16, 16, "--json").stdout)
    assert card["image_shape"] == [16, 16, 1]
    assert "train: 1,500 examples" in run("show", "digits").stdout


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("show", "mnits"), 1, "Did you mean 'mnist'"),
        (("show", "./absent"), 1, "folder of images that exists"),
        (("import", "mnist", "--from", "."), 1, "t10k-images-idx3-ubyte.gz"),
        (("import", "mnist"), 2, "--from"),
        (("import", "mnist", "--from", "./absent"), 2, "does not exist"),
        (("show", "digits", "--image-size", 0, 4), 2, "--image-size"),
        (("shaw",), 2, "shaw"),
    ],
)
def test_mistakes_are_said_on_one_line(run, arguments, code, words):
    done = run(*arguments)
    assert done.exit_code == code
    assert done.stdout == ""
    assert words in done.stderr


def test_show_counts_text(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("né né", encoding="utf-8")
    result = CliRunner().invoke(cli, ["data", "show", str(path), "--json"])
    assert result.exit_code == 0, result.output
    split = json.loads(result.stdout)["splits"]["train"]
    assert (split["num_examples"], split["num_characters"]) == (1, 5)
    assert split["num_bytes"] == 7
    words = CliRunner().invoke(cli, ["data", "show", str(path)]).stdout
    assert "text in UTF-8" in words
    assert "train: 1 documents" in words
