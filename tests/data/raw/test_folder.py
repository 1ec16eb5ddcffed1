"""Folders of files: what is found, what is told of, and what is only a problem."""

import builtins
import copy
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tfgenai.core.errors import ConfigError, DataError, DataNotFoundError
from tfgenai.data.raw import open_raw
from tfgenai.data.raw.folder import Folder


def png(value=0, size=(4, 3), mode="L", **options) -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, size, value).save(buffer, options.pop("kind", "PNG"), **options)
    return buffer.getvalue()


def lay(root: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return root


def read(source):
    return {e.id: e for chunk in source.chunks() for e in source.read(chunk)}


def test_folders_name_classes(tmp_path):
    root = lay(tmp_path, {f"{c}/{i}.png": png(i) for c in "ab" for i in range(3)})
    found = read(open_raw(root))
    assert [(e.id, e.label, e.split) for e in found.values()] == [
        (f"{c}/{i}.png", c, None) for c in "ab" for i in range(3)
    ]
    assert found["b/2.png"].content.tolist() == [[[2]] * 4] * 3
    assert found["b/2.png"].data == (root / "b/2.png").read_bytes()


def test_folders_named_as_splits_are_splits(tmp_path):
    root = lay(
        tmp_path, {f"{s}/{c}/0.png": png() for s in ("train", "test") for c in "ab"}
    )
    found = read(open_raw(root))
    assert {(e.label, e.split) for e in found.values()} == {
        (c, s) for s in ("train", "test") for c in "ab"
    }
    plain = read(open_raw(root, splits="none"))
    assert {(e.label, e.split) for e in plain.values()} == {
        ("train", None),
        ("test", None),
    }


def test_names_say_what_is_known(tmp_path):
    root = lay(tmp_path, {"3_anna_0.txt": b"x", "4_bert_1.txt": b"y", "z.txt": b"z"})
    pattern = r"(?P<label>\d)_(?P<group>\w+)_\d"
    found = read(open_raw(root, labels="pattern", pattern=pattern))
    assert [(e.label, e.group) for e in found.values()] == [
        ("3", "anna"),
        ("4", "bert"),
        (None, None),
    ]
    with pytest.raises(ConfigError, match="Named groups"):
        open_raw(root, labels="pattern", pattern=r"(\d)")


def test_a_table_says_what_is_known_and_misses_are_told_of(tmp_path):
    root = lay(tmp_path, {"a.png": png(), "sub/b.png": png(), "c.png": png()})
    table = "file,label,group\na.png,x,g\n./sub/b.png,y,\ngone.png,x,g\n"
    (root / "labels.csv").write_text(table)
    source = open_raw(root, labels="labels.csv")
    found = read(source)
    assert {(e.id, e.label, e.group) for e in found.values()} == {
        ("a.png", "x", "g"),
        ("sub/b.png", "y", None),
        ("c.png", None, None),
        ("gone.png", "x", "g"),
    }
    assert found["gone.png"].problem.code == "missing"
    assert source.notices() == ["1 files without a row in labels.csv, such as c.png"]


def test_other_files_are_counted_and_do_no_harm(tmp_path):
    outside = tmp_path / "outside.png"
    outside.write_bytes(png())
    root = lay(
        tmp_path / "root",
        {"a.png": png(), "b.png": png(), "c.pdf": b"", "d.pdf": b"", ".git/x.png": b""},
    )
    (root / "link.png").symlink_to(outside)
    (root / "inner.png").symlink_to(root / "a.png")
    source = open_raw(root)
    assert set(read(source)) == {"a.png", "b.png", "inner.png"}
    assert source.notices() == [
        "1 hidden files or folders",
        "1 links that lead out of the folder",
        "2 files that are not images: 2 .pdf",
    ]


def test_what_cannot_be_read_is_a_problem_with_a_reason(tmp_path):
    header = b"P6 100000 100000 255\n"
    buffer = io.BytesIO()
    noise = np.arange(64 * 64, dtype=np.uint8).reshape(64, 64)
    Image.fromarray(noise).save(buffer, "JPEG", quality=95)
    jpeg = buffer.getvalue()
    root = lay(
        tmp_path,
        {
            "huge.ppm": header,
            "cut.jpg": jpeg[: len(jpeg) // 2],
            "words.png": b"these are words",
            "empty.png": b"",
            "fine.png": png(),
        },
    )
    codes = {
        name: example.problem and example.problem.code
        for name, example in read(open_raw(root)).items()
    }
    assert codes == {
        "huge.ppm": "too_large",
        "cut.jpg": "truncated",
        "words.png": "unreadable",
        "empty.png": "unreadable",
        "fine.png": None,
    }


def test_a_file_that_may_not_be_read_is_a_problem(tmp_path, monkeypatch):
    root = lay(tmp_path, {"a.txt": b"a", "b.txt": b"b"})
    source = open_raw(root)
    opened = builtins.open

    def refuse(path, *args, **options):
        if str(path).endswith("b.txt"):
            raise PermissionError(13, "Permission denied")
        return opened(path, *args, **options)

    monkeypatch.setattr(io, "open", refuse)
    found = read(source)
    assert found["a.txt"].content == "a"
    assert found["b.txt"].problem.code == "permission"


def test_text_that_is_no_utf8_is_a_problem_at_its_place(tmp_path):
    root = lay(tmp_path, {"a.txt": b"ab\xffcd", "b.txt": b"a\x00b"})
    found = read(open_raw(root))
    assert found["a.txt"].problem.detail == "no UTF-8: byte 0xff at offset 2"
    assert found["b.txt"].content == "a\x00b"


def test_a_turned_photograph_is_turned_back_and_noted(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    data = png(7, kind="JPEG", exif=exif)
    found = read(open_raw(lay(tmp_path, {"a.jpg": data})))["a.jpg"]
    assert found.content.shape == (4, 3, 1)
    assert found.notes["orientation"] == 6


def test_chunks_hold_no_more_than_is_read_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr("tfgenai.data.raw.folder._FILES_IN_CHUNK", 3)
    root = lay(tmp_path, {f"{i:02d}.txt": b"x" * i for i in range(8)})
    source = open_raw(root)
    assert [len(chunk.names) for chunk in source.chunks()] == [3, 3, 2]
    monkeypatch.setattr("tfgenai.data.raw.folder._BYTES_IN_CHUNK", 9)
    assert all(
        len(chunk.names) == 1 or sum(int(n[:2]) for n in chunk.names) <= 9
        for chunk in source.chunks()
    )
    again = copy.deepcopy(source)  # goes the way of pickling
    assert read(again).keys() == read(source).keys()


def test_the_fingerprint_tells_of_every_change(tmp_path):
    root = lay(tmp_path, {"a.txt": b"a", "b.txt": b"b"})
    prints = [open_raw(root).fingerprint()]
    assert open_raw(root).fingerprint() == prints[0]
    (root / "a.txt").write_bytes(b"aa")
    prints.append(open_raw(root).fingerprint())
    (root / "c.txt").write_bytes(b"c")
    prints.append(open_raw(root).fingerprint())
    assert len(set(prints)) == 3


def test_what_is_no_folder_of_one_kind_is_refused(tmp_path):
    with pytest.raises(DataNotFoundError, match="exists"):
        Folder(tmp_path / "gone")
    with pytest.raises(DataError, match="none of them"):
        open_raw(lay(tmp_path / "empty", {"a.pdf": b""}))
    mixed = lay(tmp_path / "mixed", {"a.png": png(), "b.txt": b""})
    with pytest.raises(DataError, match=r"'images': 1, 'text': 1"):
        open_raw(mixed)
    assert set(read(open_raw(mixed, kind="text"))) == {"b.txt"}
    with pytest.raises(DataError, match="Files of sound"):
        open_raw(mixed, kind="sound")
    with pytest.raises(ConfigError, match=r"labels='labels\.csv'"):
        open_raw(mixed, kind="text", labels="labels.csv")


def test_a_file_too_large_for_memory_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr("tfgenai.data.raw.reading.MAX_TEXT_BYTES", 3)
    monkeypatch.setattr("tfgenai.data.raw.reading.to_example", None)
    found = read(open_raw(lay(tmp_path, {"a.txt": b"four"})))["a.txt"]
    assert (found.problem.code, found.data) == ("too_large", None)
    assert found.problem.detail == "4 bytes; at most 3"


def test_a_file_that_goes_while_it_is_wanted_is_a_problem(tmp_path):
    root = lay(tmp_path, {"a.txt": b"a", "b.txt": b"b"})
    source = open_raw(root)
    before = source.fingerprint()
    (root / "a.txt").unlink()
    assert source.fingerprint() != before
    assert [e.problem and e.problem.code for e in read(source).values()] == [
        "missing",
        None,
    ]


def test_names_that_utf8_cannot_write_are_spelt_out(tmp_path):
    lay(tmp_path, {"a/\udcff.txt": b"text"})
    found = read(open_raw(tmp_path))
    assert {n: e.content for n, e in found.items()} == {r"a/\udcff.txt": "text"}
    source = open_raw(f"{tmp_path}/a/*.txt")
    assert {n: e.content for n, e in read(source).items()} == {r"\udcff.txt": "text"}
    assert source.fingerprint() == open_raw(f"{tmp_path}/a/*.txt").fingerprint()
