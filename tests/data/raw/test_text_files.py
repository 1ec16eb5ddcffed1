"""Text files as documents, and one file as many."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfgenai.core.errors import DataNotFoundError
from tfgenai.data.raw import open_raw, text_files


def read(source):
    return [e for chunk in source.chunks() for e in source.read(chunk)]


def test_a_pattern_gives_its_files(tmp_path):
    for name in ("b.txt", "a.txt", "c.log"):
        (tmp_path / name).write_text(name)
    found = read(open_raw(f"{tmp_path}/*.txt"))
    assert [e.content for e in found] == ["a.txt", "b.txt"]
    with pytest.raises(DataNotFoundError, match="names none"):
        open_raw(f"{tmp_path}/*.md")


@given(
    st.lists(st.text("ab\n", min_size=1, max_size=9), min_size=1, max_size=9),
    st.integers(1, 30),
    st.integers(1, 7),
)
def test_documents_are_cut_at_separators_only(tmp_path_factory, parts, size, block):
    path = tmp_path_factory.mktemp("t") / "a.txt"
    mark = "\n\n"
    text = mark.join(parts)
    path.write_text(text, newline="")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_files, "_BYTES_IN_CHUNK", size)
        patch.setattr(text_files, "_BLOCK", block)
        found = read(open_raw(path, separator=mark))
    for example in found:
        place = int(example.id.split("#")[1])
        assert text[place : place + len(example.content)] == example.content
        assert mark not in example.content
    assert sum(len(e.content.strip()) for e in found) == sum(
        len(part.strip()) for part in text.split(mark)
    )


def test_bytes_that_are_no_text_are_a_problem_of_their_document(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"one--t\xffo--three")
    found = read(open_raw(path, separator="--"))
    assert [e.content for e in found] == ["one", None, "three"]
    assert found[1].problem.code == "encoding"


def test_a_document_too_large_for_memory_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(text_files, "_BYTES_IN_CHUNK", 2)
    monkeypatch.setattr(text_files, "MAX_TEXT_BYTES", 9)
    path = tmp_path / "a.txt"
    path.write_bytes(b"one--" + b"x" * 20 + b"--three")
    found = read(open_raw(path, separator="--"))
    assert [(e.content, e.problem and e.problem.code) for e in found] == [
        ("one", None),
        (None, "too_large"),
        ("three", None),
    ]
