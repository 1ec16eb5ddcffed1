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


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_long_texts_come_whole_and_longer_ones_are_problems(
    tmp_path, monkeypatch, kind
):
    path = tmp_path / f"a.{kind}"
    long = "x" * 200_000  # the csv module stops at 131,072 unless told otherwise
    rows = [long, "short"]
    if kind == "csv":
        path.write_text("".join(f"{text}\n" for text in ["text", *rows]))
    else:
        path.write_text("".join(f'{{"text": "{text}"}}\n' for text in rows))
    assert [e.content for e in read(open_raw(path))] == rows
    monkeypatch.setattr(tables, "_MAX_BYTES", 1000)
    found = read(open_raw(path))
    assert [e.content for e in found] == [None, "short"]
    assert "1,000 bytes" in found[0].problem.detail
    assert len({e.id for e in found}) == 2


def test_a_quote_that_never_ends_costs_no_more_than_its_row(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "_MAX_BYTES", 100)
    path = tmp_path / "a.csv"
    path.write_text('text\n"open\n' + "filler\n" * 20 + "last\n")
    found = read(open_raw(path))
    assert found[0].problem.code == "unreadable"
    assert found[-1].content == "last"
    assert all(e.content == "filler" for e in found[1:-1])


def test_rows_are_cut_where_the_csv_module_ends_them(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "_ROWS_IN_CHUNK", 1)
    path = tmp_path / "a.csv"
    # A quote within a field opens nothing; a header may go over two lines.
    path.write_text('"n\nm",text\n1,5" disk\n2,"two\nlines"\n3,end\n')
    found = read(open_raw(path))
    assert [e.content for e in found] == ['5" disk', "two\nlines", "end"]
    assert [int(e.id.split("#")[1]) for e in found] == [3, 4, 6]


def test_marks_of_byte_order_are_no_content(tmp_path):
    mark = b"\xef\xbb\xbf"
    (tmp_path / "a.jsonl").write_bytes(mark + b'{"text": "a"}\n')
    (tmp_path / "a.csv").write_bytes(mark + b'"text"\na\n')
    for name in ("a.jsonl", "a.csv"):
        assert [e.content for e in read(open_raw(tmp_path / name))] == ["a"]


def test_a_return_within_a_json_line_does_not_shift_the_lines_behind_it(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(tables, "_ROWS_IN_CHUNK", 1)
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"text":\r\r"a"}\n{"text": "b"}\n')
    found = read(open_raw(path))
    assert [(e.id[-1], e.content) for e in found] == [("1", "a"), ("2", "b")]


def test_labels_that_utf8_cannot_write_are_spelt_out(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"text,label\na,\xff\n")
    (tmp_path / "a.jsonl").write_text('{"text": "a", "label": "\\udcff"}\n')
    assert read(open_raw(tmp_path / "a.csv"))[0].label == r"\xff"
    assert read(open_raw(tmp_path / "a.jsonl"))[0].label == r"\udcff"
