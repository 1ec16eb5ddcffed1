"""Which source of text a name or a path stands for, and bytes that are no text."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfgenai.core.errors import DataError, DataNotFoundError
from tfgenai.data import ArraySource
from tfgenai.data.sources import TextSource, is_text, open_text_source
from tfgenai.data.sources.pydoc_topics import PydocTopics
from tfgenai.data.sources.text_files import TextFiles
from tfgenai.data.sources.text_source import decode_document
from tfgenai.data.sources.tfds_text import TFDSText


class Two(TextSource):
    name, origin = "two", "this test"

    def split_names(self):
        return ["train", "test"]

    def read(self, split):
        self.require_split(split)
        return [f"text for {split}"]


@pytest.fixture
def texts(tmp_path, monkeypatch):
    """A folder `texts` with `a.txt`, in the folder where we are."""
    folder = tmp_path / "texts"
    folder.mkdir()
    (folder / "a.txt").write_text("some text", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return folder


# ---- bytes ---------------------------------------------------------------------------


@given(st.text())
def test_utf8_comes_back_whatever_becomes_of_errors(text):
    for errors in ("strict", "replace"):
        assert decode_document(text.encode("utf-8"), "x", errors) == text


@given(st.text(max_size=8), st.sampled_from([b"\xff", b"\xe9 ", b"\xed\xa0\x80"]))
def test_the_first_bad_byte_is_named_with_its_place(text, bad):
    good = text.encode("utf-8")
    words = f"'a.txt' with the byte 0x{bad[0]:02x} at offset {len(good)} "
    with pytest.raises(DataError) as e:
        decode_document(good + bad + good, "'a.txt'", "strict")
    assert words in str(e.value)
    assert "encoding_errors='replace'" in str(e.value)
    replaced = decode_document(good + bad + good, "'a.txt'", "replace")
    assert replaced.startswith(text + "\ufffd")
    assert replaced.endswith(text)


# ---- names and paths -----------------------------------------------------------------


def test_names_paths_and_sources_are_told_apart(texts):
    assert isinstance(open_text_source("pydoc_topics"), PydocTopics)
    for name in ("tiny_shakespeare", "tfds:tiny_shakespeare", "lm1b:1.1.0"):
        assert isinstance(open_text_source(name, data_dir=texts), TFDSText)
        assert is_text(name, data_dir=texts)
    file = texts / "a.txt"
    for path in (texts, str(texts), "./texts", Path("texts"), "texts", "folder:texts"):
        assert isinstance(open_text_source(path), TextFiles)
        assert open_text_source(path).read("train") == ["some text"]
        assert is_text(path)
    for path in (file, str(file), "texts/a.txt", "texts/*", "t*/?.txt", "[st]exts/*"):
        assert isinstance(open_text_source(path), TextFiles)
        assert is_text(path)
    source = Two()
    assert open_text_source(source) is source
    assert is_text(source)


def test_a_bare_name_is_a_set_before_it_is_a_folder(texts):
    texts.rename("tiny_shakespeare")
    assert isinstance(open_text_source("tiny_shakespeare", data_dir="x"), TFDSText)
    for path in ("./tiny_shakespeare", "folder:tiny_shakespeare"):
        assert isinstance(open_text_source(path), TextFiles)


def test_a_folder_with_a_bracket_in_its_name_is_no_pattern(texts):
    texts.rename("texts [old]")
    assert is_text("texts [old]")
    assert open_text_source("texts [old]").read("train") == ["some text"]
    (Path("texts [old]") / "a.txt").rename("texts [old]/a.md")
    assert not is_text("texts [old]")


def test_one_image_makes_a_folder_one_of_images(texts):
    (texts / "sub").mkdir()
    (texts / "sub" / "a.PNG").write_bytes(b"")
    assert not is_text(texts)
    (texts / "sub" / "a.PNG").rename(texts / "sub" / "a.bin")
    assert is_text(texts)  # whatever else there is
    (texts / "a.txt").unlink()
    assert not is_text(texts)


@pytest.mark.parametrize(
    "value", [None, 3, "", "digits", "mnist", "tfds:mnist", "no_such_set", b"a.txt"]
)
def test_what_is_no_text_is_none(value, tmp_path):
    assert not is_text(value, data_dir=tmp_path)


def test_a_source_of_images_is_no_text():
    import numpy as np

    assert not is_text(ArraySource(np.zeros((2, 4, 4, 1), np.uint8)))


@pytest.mark.parametrize("value", [None, 3, "", b"a.txt"])
def test_what_is_no_name_is_refused(value):
    with pytest.raises(TypeError, match="name_or_path="):
        open_text_source(value)


@pytest.mark.parametrize(
    "path", ["./absent", "/absent/texts", "folder:absent", "a.txt"]
)
def test_paths_that_are_not_there_are_no_names(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataNotFoundError, match="where there is none"):
        open_text_source(path)


@pytest.mark.parametrize("name", ["digits", "mnist", "cifar10"])
def test_sets_of_images_are_refused_with_the_arguments_to_leave_out(name, tmp_path):
    with pytest.raises(DataError, match=f"'{name}', which holds none.*Leave these"):
        open_text_source(name, data_dir=tmp_path)


@pytest.mark.parametrize(
    ("name", "near"),
    [("pydoc_topic", "pydoc_topics"), ("tiny_shakespear", "tiny_shakespeare")],
)
def test_names_that_look_alike_are_proposed(name, near):
    with pytest.raises(DataNotFoundError, match=f"Did you mean .*'{near}'"):
        open_text_source(name)


def test_a_name_like_no_other_gets_no_proposal():
    with pytest.raises(DataNotFoundError) as e:
        open_text_source("xqzxqzxqz")
    assert "Did you mean" not in str(e.value)


def test_what_becomes_of_bad_bytes_is_passed_on(texts):
    (texts / "a.txt").write_bytes(b"caf\xe9")
    source = open_text_source(texts, encoding_errors="replace")
    assert source.read("train") == ["caf\ufffd"]
    assert source.encoding_errors == "replace"
    assert open_text_source(texts).encoding_errors == "strict"
    with pytest.raises(ValueError, match="encoding_errors='ignore'"):
        open_text_source(texts, encoding_errors="ignore")


def test_an_unknown_split_is_refused_with_those_there_are():
    assert Two().read("test") == ["text for test"]
    with pytest.raises(DataError, match=r"'two'.*\['train', 'test'\].*split='dev'"):
        Two().read("dev")
