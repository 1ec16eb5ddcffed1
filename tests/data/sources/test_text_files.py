"""Text files: one, those of a pattern, or a folder's; and splits that would leak."""

import pytest

from tfgenai.core.errors import DataError, DataNotFoundError
from tfgenai.data import describe, load
from tfgenai.data.sources.text_files import TextFiles


@pytest.fixture
def write(tmp_path):
    """Writes files whose text is their path; returns the folder."""

    def write(*names):
        for name in names:
            path = tmp_path / "texts" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(name, encoding="utf-8")
        return tmp_path / "texts"

    return write


def test_a_file_of_any_name_is_one_document(write):
    source = TextFiles(write("notes.md", "other.txt") / "notes.md")
    assert source.split_names() == ["train"]
    assert source.read("train") == ["notes.md"]


def test_bytes_come_back_as_they_are(tmp_path):
    text = "\ufeffone\r\ntwo\rthree\n né \U0001f600\x00"
    (tmp_path / "a.txt").write_bytes(text.encode("utf-8"))
    assert TextFiles(tmp_path / "a.txt").read("train") == [text]


def test_a_pattern_finds_files_of_any_name_in_their_order(write):
    folder = write("2.md", "10.md", "1.md", "sub/0.md", "0.txt")
    (folder / "9.md").mkdir()  # a folder is no document
    assert TextFiles(f"{folder}/*.md").read("train") == ["1.md", "10.md", "2.md"]
    nested = TextFiles(f"{folder}/**/*.md").read("train")
    assert nested == ["1.md", "10.md", "2.md", "sub/0.md"]


def test_a_folder_is_read_to_its_depth_in_the_order_of_paths(write):
    folder = write("b.txt", "a/z.txt", "a/b/c.txt", "c.md")
    (folder / "d.txt").mkdir()
    assert TextFiles(folder).read("train") == ["a/b/c.txt", "a/z.txt", "b.txt"]


def test_of_a_folder_every_spelling_of_txt_counts_and_nothing_hidden(write):
    folder = write("A.TXT", "b.txt", ".ipynb_checkpoints/b.txt", "sub/.git/c.txt")
    (folder / "._b.txt").write_bytes(b"\xb0")
    assert TextFiles(folder).read("train") == ["A.TXT", "b.txt"]


def test_a_folder_in_a_hidden_one_is_not_hidden(write):
    folder = write(".cache/texts/a.txt")
    assert len(TextFiles(folder / ".cache" / "texts").read("train")) == 1


def test_the_home_folder_may_be_a_tilde(write, monkeypatch):
    monkeypatch.setenv("HOME", str(write("a.txt")))
    assert TextFiles("~/a.txt").read("train") == TextFiles("~").read("train")


def test_folders_may_name_splits_and_nothing_beside_them_counts(write):
    folder = write("test/a.txt", "train/b.txt", "train/c/d.txt", "e.txt", "dev/f.txt")
    source = TextFiles(folder)
    assert source.split_names() == ["train", "test"]
    assert source.read("train") == ["train/b.txt", "train/c/d.txt"]
    assert source.read("test") == ["test/a.txt"]
    with pytest.raises(DataError, match=r"\['train', 'test'\].*split='validation'"):
        source.read("validation")


@pytest.mark.parametrize(
    "held_out", [("test",), ("validation",), ("validation", "test")]
)
def test_text_for_testing_is_not_trained_on_where_there_is_no_training_folder(
    write, held_out
):
    folder = write("a.txt", *(f"{name}/b.txt" for name in held_out))
    for read in (TextFiles, load, describe):
        with pytest.raises(DataError, match="would be trained on") as e:
            read(folder)
        assert f"name_or_path={str(folder)!r} with {list(held_out)}" in str(e.value)
        assert f"into {str(folder / 'train')!r}" in str(e.value)
    (folder / "train").mkdir()  # the way out
    (folder / "a.txt").rename(folder / "train" / "a.txt")
    assert TextFiles(folder).read("train") == ["a.txt"]


def test_a_folder_for_testing_that_holds_no_text_is_any_folder(write):
    folder = write("a.txt", "test/data.bin", "sub/test/b.txt")
    assert TextFiles(folder).read("train") == ["a.txt", "sub/test/b.txt"]


def test_a_file_that_is_no_utf8_is_named(write):
    folder = write("a.txt", "b.txt")
    (folder / "b.txt").write_bytes(b"caf\xe9")
    with pytest.raises(DataError, match=r"b\.txt' with the byte 0xe9 at offset 3"):
        TextFiles(folder).read("train")
    source = TextFiles(folder, encoding_errors="replace")
    assert source.read("train") == ["a.txt", "caf\ufffd"]


@pytest.mark.parametrize("name", ["none.txt", "*.txt", "", "train"])
def test_where_there_is_no_text_nothing_is_opened(write, name):
    folder = write("train/a.bin", "b.bin")
    with pytest.raises(DataNotFoundError, match="where there is none"):
        TextFiles(folder / name)


def test_the_card_has_the_path(write):
    source = TextFiles(write("a.txt"))
    assert source.name == str(write())
    assert source.origin.endswith(source.name)
