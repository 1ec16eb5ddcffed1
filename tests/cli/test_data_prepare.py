"""`tfgenai data prepare` and its kin, as they are typed."""

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner
from PIL import Image

from tfgenai.cli.main import cli
from tfgenai.data.preparation import Prepared


def run(*arguments, code=0):
    result = CliRunner().invoke(cli, ["data", *map(str, arguments)])
    assert result.exit_code == code, result.output
    return result.output


@pytest.fixture
def recipe(tmp_path):
    """A recipe beside a folder of forty pictures, of which two are copies."""
    for i in range(40):
        path = tmp_path / "raw" / "ab"[i % 2] / f"{i:02d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (4, 4), 5 * i).save(path)
    for i in (3, 4):
        source = tmp_path / "raw" / "ab"[i % 2] / f"{i:02d}.png"
        shutil.copy(source, source.with_name(f"copy-{i}.png"))
    (tmp_path / "raw" / "a" / "notes.pdf").write_bytes(b"")
    path = tmp_path / "small.yaml"
    path.write_text(
        "source: {path: ./raw}\nclean: [unreadable, exact_duplicate]\n"
        "leaks: {near: false}\n"
    )
    return path


def test_a_set_is_prepared_looked_at_and_loaded(recipe, tmp_path):
    words = run("prepare", recipe, "-o", tmp_path / "out", "--shards", 2)
    assert "42 examples, 2 dropped, 0 repaired" in words
    assert "exact_duplicate: 2 dropped" in words
    assert "1 files that are not images: 1 .pdf" in words
    assert Prepared(tmp_path / "out").card.class_names == ["a", "b"]
    card = json.loads(run("show", tmp_path / "out", "--json"))
    assert card["splits"]["train"]["num_examples"] == 32
    page = tmp_path / "page.html"
    assert str(page) in run("report", tmp_path / "out", "-o", page)
    assert page.read_text() == (tmp_path / "out" / "report.html").read_text()


def test_settings_json_and_differences(recipe, tmp_path):
    one = json.loads(run("prepare", recipe, "-o", tmp_path / "one", "--json"))
    assert one["preparation"]["num_dropped"] == 2
    run("prepare", recipe, "-o", tmp_path / "two", "--set", "clean=[unreadable]")
    assert run("diff", tmp_path / "one", tmp_path / "one") == "No difference.\n"
    found = json.loads(
        run("diff", tmp_path / "one", tmp_path / "two", "--json", code=1)
    )
    assert set(found["fates"]) == {"a/copy-4.png", "b/copy-3.png"}


def test_what_was_dropped_is_had_back(recipe, tmp_path):
    run("prepare", recipe, "-o", tmp_path / "one")
    name = "a/copy-4.png"
    words = run("undo", tmp_path / "one", "--id", name, "-o", tmp_path / "two")
    assert "exact_duplicate: 1 dropped, 1 excepted" in words
    rows = Prepared(tmp_path / "two").ledger().to_pylist()
    assert {row["id"]: row["fate"] for row in rows}[name] == "kept"
    assert "Give what to take back" in run("undo", tmp_path / "one", code=2)


def test_mistakes_are_one_line(recipe, tmp_path):
    words = run("prepare", recipe, "--set", "clean=[blury]", code=1)
    assert "Error: clean[0]: " in words
    words = run("prepare", recipe, "--set", "no", code=2)
    assert "not of the form KEY=VALUE" in words
    words = run("prepare", recipe, "-o", recipe.parent, code=1)
    assert "exists" in words
    words = run("prepare", recipe, "--runner-option", "a=b", code=1)
    assert "for a runner of Beam only" in words
    words = run("diff", tmp_path, tmp_path, code=1)
    assert "`tfgenai data prepare` made was expected" in words


def test_labels_given_so_far_are_written(tmp_path, recipe):
    from tfgenai.data.label import Items, LabelStore
    from tfgenai.data.raw import open_raw

    folder, store = recipe.parent / "raw", tmp_path / "labels.sqlite"
    items = Items(open_raw(folder)).ids()
    with LabelStore(store, items, ["a", "b"], suggestions=None) as opened:
        opened.set("a/00.png", "me", "a", time=0.0)
    target = Path(tmp_path / "labels.jsonl")
    words = run("label", folder, "--store", store, "--export", target)
    assert "Wrote 1 labels" in words
    assert json.loads(target.read_text())["label"] == "a"
