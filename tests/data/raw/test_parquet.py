"""Rows of Parquet files."""

import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from tfgenai.core.errors import DataError
from tfgenai.data.raw import open_raw


def read(source):
    return [e for chunk in source.chunks() for e in source.read(chunk)]


def png(value):
    buffer = io.BytesIO()
    Image.new("L", (2, 2), value).save(buffer, "PNG")
    return buffer.getvalue()


def test_texts_and_what_is_known_of_them(tmp_path):
    path = tmp_path / "a.parquet"
    table = pa.table({"text": ["a", None, "c"], "label": [1, 2, None]})
    pq.write_table(table, path, row_group_size=2)
    source = open_raw(path)
    assert source.kind == "text"
    assert len(source.chunks()) == 2
    assert [(e.content, e.label) for e in read(source)] == [
        ("a", "1"),
        (None, "2"),
        ("c", None),
    ]


@pytest.mark.parametrize("is_struct", [False, True])
def test_images_as_bytes_or_as_structs(tmp_path, is_struct):
    path = tmp_path / "a.parquet"
    data = [png(i) for i in range(3)]
    column = [{"bytes": d, "path": None} for d in data] if is_struct else data
    pq.write_table(pa.table({"image": column}), path)
    found = read(open_raw(path))
    assert [int(np.max(e.content)) for e in found] == [0, 1, 2]


def test_a_file_that_is_cut_off_is_refused_and_one_broken_inside_is_told_of(tmp_path):
    path = tmp_path / "a.parquet"
    table = pa.table({"text": [f"text {i} " * 50 for i in range(100)]})
    pq.write_table(table, path, row_group_size=50, compression="zstd")
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    with pytest.raises(DataError, match="whole Parquet"):
        open_raw(path)
    source_path = tmp_path / "b.parquet"
    with pq.ParquetFile(io.BytesIO(whole)) as file:
        start = file.metadata.row_group(0).column(0).dictionary_page_offset
    broken = bytearray(whole)
    broken[start : start + 200] = b"\xff" * 200
    source_path.write_bytes(bytes(broken))
    found = read(open_raw(source_path))
    assert [e.problem and e.problem.code for e in found if e.problem] == ["truncated"]
    assert sum(e.problem is None for e in found) == 50


def test_columns_are_asked_for(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"words": ["a"]}), path)
    with pytest.raises(DataError, match=r"with \['words'\]"):
        open_raw(path)
    assert read(open_raw(path, content="words"))[0].content == "a"


@pytest.mark.parametrize("offsets", [pa.int32(), pa.int64()])
def test_text_that_is_no_utf8_is_a_problem_and_a_label_is_spelt_out(tmp_path, offsets):
    path = tmp_path / "a.parquet"
    type_ = pa.string() if offsets == pa.int32() else pa.large_string()
    places = pa.array([0, 1, 3], offsets).buffers()[1]
    data = pa.py_buffer(b"a\xff\xfe")
    broken = pa.Array.from_buffers(type_, 2, [None, places, data])
    pq.write_table(pa.table({"text": broken, "label": broken}), path)
    found = read(open_raw(path))
    assert [e.content for e in found] == ["a", None]
    assert found[1].problem.code == "encoding"
    assert [e.label for e in found] == ["a", r"\xff\xfe"]


@pytest.mark.parametrize("value", [2**62, [1, 300], {"path": "x"}, {"bytes": 1}])
def test_a_column_that_holds_no_bytes_is_refused(tmp_path, value):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"image": [value]}), path)
    with pytest.raises(DataError, match="Text, bytes, or a struct"):
        open_raw(path)
