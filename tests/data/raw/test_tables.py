"""Rows of text: every one comes, whole, whatever is in it."""

import csv
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfgenai.core.errors import DataError
from tfgenai.data.raw import open_raw, tables

TEXTS = st.lists(
    st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0\r")),
    min_size=1,
    max_size=12,
)


def read(source):
    return [e for chunk in source.chunks() for e in source.read(chunk)]


@given(TEXTS, st.integers(1, 5), st.sampled_from(["csv", "jsonl"]))
def test_texts_come_back_however_they_are_cut(tmp_path_factory, texts, rows, kind):
    path = tmp_path_factory.mktemp("t") / f"a.{kind}"
    if kind == "csv":
        buffer = io.StringIO(newline="")
        writer = csv.writer(buffer)
        writer.writerows([["n", "text"], *([i, t] for i, t in enumerate(texts))])
        path.write_bytes(buffer.getvalue().encode())
    else:
        lines = (json.dumps({"text": t}, ensure_ascii=False) for t in texts)
        path.write_text("".join(f"{line}\n" for line in lines), newline="")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tables, "_ROWS_IN_CHUNK", rows)
        found = read(open_raw(path))
    assert [e.content for e in found] == texts
    assert sorted(e.id for e in found) == [e.id for e in found]
    assert len({e.id for e in found}) == len(texts)


def test_broken_rows_are_problems_at_their_lines(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(
        b'{"text": "one", "label": 3, "group": "g"}\n{"text": 1}\nnonsense\n'
        b'[1]\n{"text": "b\xff"}\n{"text": "last"}\n'
    )
    found = read(open_raw(path))
    assert [(e.content, e.problem and e.problem.code) for e in found] == [
        ("one", None),
        (None, "missing"),
        (None, "unreadable"),
        (None, "unreadable"),
        (None, "unreadable"),
        ("last", None),
    ]
    assert (found[0].label, found[0].group) == ("3", "g")
    assert "line 3" in found[2].problem.detail


def test_csv_that_is_no_utf8_is_a_problem(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(b"text\ngood\nb\xe4d\n")
    assert [e.problem and e.problem.code for e in read(open_raw(path))] == [
        None,
        "encoding",
    ]


def test_a_column_that_is_not_there_is_named(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("words,n\na,1\n")
    with pytest.raises(DataError, match=r"with \['words', 'n'\]"):
        open_raw(path)
    assert [e.content for e in read(open_raw(path, text="words"))] == ["a"]
    (tmp_path / "empty.jsonl").write_text("")
    with pytest.raises(DataError, match="Rows were expected"):
        open_raw(tmp_path / "empty.jsonl").chunks()
