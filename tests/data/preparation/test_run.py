"""`prepare` as a whole: one result however it was come by, and no half of one."""

import fcntl
import importlib.util
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest
from fake_source import FakeSource, pictures, renamed, tree

from tfgenai.core.errors import ConfigError, DataError, StorageError
from tfgenai.data.preparation import Prepared, PrepareRecipe, prepare
from tfgenai.data.raw import Example, Problem


def dirty(n=100):
    """Pictures, with ten exact copies and one that cannot be read."""
    clean = pictures(n)
    copies = [renamed(clean[i], f"copy-{i}.png") for i in range(10)]
    broken = Example("broken.png", None, problem=Problem("truncated", "cut off"))
    return [*clean, *copies, broken]


def test_every_example_is_accounted_for_and_comes_back_to_the_last_bit(prepare_source):
    examples = dirty()
    prepared = prepare_source(FakeSource(examples))
    ledger = prepared.ledger().to_pylist()
    assert [row["id"] for row in ledger] == sorted(e.id for e in examples)
    dropped = {row["id"]: row["findings"] for row in ledger if row["fate"] == "dropped"}
    assert set(dropped) == {f"{i:05d}.png" for i in ()} | {
        "broken.png",
        *(f"copy-{i}.png" for i in range(10)),
    }
    assert dropped["broken.png"][0]["reason"] == "truncated: cut off"
    assert dropped["copy-3.png"] == [
        {
            "rule": "exact_duplicate",
            "action": "drop",
            "reason": "same content as 00003.png",
        }
    ]
    by_id = {example.id: example for example in examples}
    read = [e for name in prepared.split_names() for e in prepared.read(name)]
    assert len(read) == 100
    for example in read:
        was = by_id[example.id]
        np.testing.assert_array_equal(example.content, was.content)
        assert (example.label, example.group) == (was.label, was.group)
    sizes = {name: split.num_examples for name, split in prepared.card.splits.items()}
    assert sizes == {"train": 80, "validation": 10, "test": 10}
    assert prepared.card.splits["train"].label_histogram == [8] * 10


def test_twice_and_in_other_order_gives_the_same_bytes(prepare_source):
    examples = dirty()
    first = prepare_source(FakeSource(examples), "first")
    again = prepare_source(FakeSource(examples), "again")
    assert tree(first.path) == tree(again.path)
    # In another order on disk the files are cut elsewhere; what they say is the same.
    other = prepare_source(FakeSource(examples[::-1], chunk_size=7), "other")
    assert other.ledger().equals(first.ledger())
    assert other.card == first.card


def test_shards_and_beam_change_nothing(prepare_source):
    examples = dirty(60)
    alone = prepare_source(FakeSource(examples), "alone")
    shared = prepare_source(FakeSource(examples), "shared", how={"num_shards": 4})
    beam = prepare_source(FakeSource(examples), "beam", how={"runner": "direct"})
    assert tree(alone.path) == tree(shared.path) == tree(beam.path)


def _killed(source, output):
    PrepareRecipe.open_source = lambda *_: source
    prepare(
        {
            "name": "fake",
            "source": {"path": "fake"},
            "clean": ["exact_duplicate"],
            "leaks": {"near": False},
        },
        output,
    )


def test_a_run_that_was_killed_goes_on_and_ends_with_the_same_bytes(
    prepare_source, tmp_path
):
    examples = dirty()
    whole = prepare_source(FakeSource(examples), "whole")
    log = tmp_path / "log"
    dying = FakeSource(examples, dies_at=4, log=log)
    process = multiprocessing.get_context("spawn").Process(
        target=_killed, args=(dying, tmp_path / "out")
    )
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert not (tmp_path / "out").exists()
    assert dying.chunks_read() == [0, 1, 2, 3]
    resumed = prepare_source(FakeSource(examples, log=log))
    assert FakeSource([], log=log).chunks_read() == [0, 1, 2, 3, 4, 5, 6]
    assert tree(resumed.path) == tree(whole.path)
    assert [path.name for path in tmp_path.iterdir() if path.name[0] == "."] == []


def test_other_rules_or_other_data_begin_anew(prepare_source, tmp_path):
    log = tmp_path / "log"
    source = FakeSource(pictures(40), log=log)
    # Fails after the first pass: no group is there to split by.
    for example in source.examples:
        object.__setattr__(example, "group", None)
    for seed in (0, 0, 1):
        with pytest.raises(DataError, match="group of the examples was expected"):
            prepare_source(source, split={"by": "group", "seed": seed})
    assert source.chunks_read() == [0, 0, 1, 1, 2, 2]
    source.origin = "memory, changed"
    with pytest.raises(DataError):
        prepare_source(source, split={"by": "group", "seed": 1})
    assert source.chunks_read() == [0, 0, 0, 1, 1, 1, 2, 2, 2]


def test_nothing_is_written_where_something_is(prepare_source, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("mine")
    with pytest.raises(StorageError, match="exists"):
        prepare_source(FakeSource(pictures(40)))
    with pytest.raises(StorageError, match="move it away"):
        prepare_source(FakeSource(pictures(40)), how={"replace": True})
    assert tree(tmp_path) == {"out/mine": b"mine"}
    made = prepare_source(FakeSource(pictures(40)), "made")
    with pytest.raises(StorageError, match="replace=True"):
        prepare_source(FakeSource(pictures(50)), "made")
    prepare_source(FakeSource(pictures(50)), "made", how={"replace": True})
    assert len(Prepared(made.path).ledger()) == 50


@pytest.mark.parametrize("output", ["raw", "raw/inside", "."])
def test_raw_data_are_never_written_over(tmp_path, output):
    (tmp_path / "raw").mkdir()
    for i in range(30):
        (tmp_path / "raw" / f"{i}.txt").write_text(f"text {i}")
    before = tree(tmp_path)
    recipe = {"name": "texts", "source": {"path": str(tmp_path / "raw")}}
    for replace in (False, True):
        with pytest.raises(StorageError, match="expected"):
            prepare(recipe, tmp_path / output, replace=replace)
    assert tree(tmp_path) == before


def test_a_relative_path_means_the_same_everywhere(tmp_path, monkeypatch):
    texts = tmp_path / "home" / "texts"
    texts.mkdir(parents=True)
    for i in range(30):
        (texts / f"{i}.txt").write_text(f"text {i}")
    recipe = tmp_path / "home" / "recipe.yaml"
    for path in ("texts", "./texts", "texts/*.txt", "../home/texts"):
        recipe.write_text(
            f"name: t\nsource: {{path: '{path}'}}\nleaks: {{near: false}}"
        )
        made = prepare(recipe, tmp_path / "made")
        monkeypatch.chdir("/")
        again = prepare(made.path / "recipe.yaml", tmp_path / "again")
        assert again.ledger().equals(made.ledger())
        assert len(made.ledger()) == 30
        for one in (made, again):
            shutil.rmtree(one.path)


def test_personal_data_are_nowhere_in_the_set(prepare_source):
    secrets = ["jo@example.org", "+1 650-253-0000", "AKIAIOSFODNN7EXAMPLE"]
    texts = [
        Example(f"{i:02d}", f"text {i}\0 {secrets[i % 3]} and {'x' * i}")
        for i in range(30)
    ]
    prepared = prepare_source(
        FakeSource(texts, kind="text"),
        clean=["control_characters", "personal_data"],
        split={"shares": {"train": 1.0}},
        leaks={"near": False, "ngrams": False},
    )
    words = [str(e.content) for e in prepared.read("train")]
    words.append((prepared.path / "report.html").read_text())
    words += [str(row) for row in prepared.previews().to_pylist()]
    words += [str(row) for row in prepared.ledger().to_pylist()]
    assert len(words) > 60
    for secret in secrets:
        assert not any(secret in one for one in words)


def test_what_has_no_content_is_counted_before_examples_are_compared(prepare_source):
    rules = prepare_source(FakeSource(dirty(30))).card.preparation["rules"]
    assert [(r["rule"], r["before"], r["after"]) for r in rules] == [
        ("no_content", 41, 40),
        ("exact_duplicate", 40, 30),
    ]


def test_a_runner_that_cannot_be_is_refused_before_anything_is_made(
    prepare_source, tmp_path, monkeypatch
):
    with pytest.raises(ConfigError, match="runner='clouds'"):
        prepare_source(FakeSource(pictures(40)), how={"runner": "clouds"})
    with pytest.raises(ConfigError, match="Beam only"):
        prepare_source(FakeSource(pictures(40)), how={"runner_options": {"a": "b"}})
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"tfgenai\[beam\]"):
        prepare_source(FakeSource(pictures(40)), how={"runner": "direct"})
    assert list(tmp_path.iterdir()) == []


def test_two_runs_do_not_share_an_output(prepare_source, tmp_path):
    work = tmp_path / ".out.preparing"
    work.mkdir()
    with open(work / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(StorageError, match="nobody else"):
            prepare_source(FakeSource(pictures(40)))


def test_a_rule_may_stop_the_run(prepare_source, tmp_path):
    rules = [{"rule": "exact_duplicate", "action": "fail"}]
    with pytest.raises(DataError, match=r"copy-0.png: exact_duplicate, same content"):
        prepare_source(FakeSource(dirty()), clean=rules)
    assert not (tmp_path / "out").exists()


def test_what_is_kept_is_told_and_stays_on_one_side(prepare_source):
    rules = [{"rule": "exact_duplicate", "action": "keep"}]
    prepared = prepare_source(FakeSource(dirty()), clean=rules)
    rows = {row["id"]: row for row in prepared.ledger().to_pylist()}
    for i in range(10):
        copy, first = rows[f"copy-{i}.png"], rows[f"{i:05d}.png"]
        assert copy["findings"][0]["action"] == "keep"
        assert copy["split"] == first["split"] is not None


def test_a_process_that_dies_is_told_of(prepare_source):
    source = FakeSource(pictures(64), dies_at=2)
    with pytest.raises(DataError, match="was killed"):
        prepare_source(source, how={"num_shards": 2})


def test_preparing_needs_no_tensorflow():
    code = (
        "import sys\n"
        "from tfgenai.data.preparation import prepare\n"
        "from tfgenai.data.clean.all_rules import rule_class\n"
        "from tfgenai.data.clean.all_rules import MODULES\n"
        "import importlib\n"
        "for m in MODULES: importlib.import_module('tfgenai.data.clean.' + m)\n"
        "assert rule_class('exact_duplicate')\n"
        "assert not {'tensorflow', 'keras'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env=dict(os.environ))
