"""Columns of facts in Parquet: what goes in comes out, in the same bytes."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfgenai.core.errors import DataError
from tfgenai.data.preparation.files import (
    from_columns,
    read_table,
    to_column,
    write_table,
)

_INTEGERS = st.integers(-(2**63), 2**63 - 1)
_FLOATS = st.floats(allow_nan=False)


def through(columns):
    return from_columns([pa.chunked_array([to_column(column)]) for column in columns])


@given(st.lists(st.lists(_INTEGERS, min_size=1), min_size=1))
def test_integers(parts):
    assert through(parts).tolist() == [x for part in parts for x in part]


@given(st.lists(st.lists(_FLOATS, min_size=1), min_size=1))
def test_floats(parts):
    assert through(parts).tolist() == [x for part in parts for x in part]


@given(st.lists(st.lists(st.text(), min_size=1), min_size=1))
def test_strings(parts):
    wanted = [x for part in parts for x in part]
    try:
        "".join(wanted).encode()
    except UnicodeEncodeError:
        return
    assert through(parts) == wanted


@given(st.integers(1, 5), st.integers(1, 4), st.sampled_from("BHIfd"))
def test_vectors_of_one_length(rows, length, kind):
    vectors = np.arange(rows * length).astype(kind).reshape(rows, length)
    back = through([list(vectors[:1]), list(vectors)])
    np.testing.assert_array_equal(back, np.concatenate([vectors[:1], vectors]))
    assert back.dtype == vectors.dtype


@given(st.lists(st.lists(st.lists(st.integers(0, 2**64 - 1)), min_size=1), min_size=1))
def test_vectors_of_any_length(parts):
    columns = [[np.array(v, np.uint64) for v in part] for part in parts]
    back = through(columns)
    assert [v.tolist() for v in back] == [v for part in parts for v in part]


def test_the_same_table_gives_the_same_bytes(tmp_path):
    table = pa.table({"a": list(range(5000)), "b": ["x"] * 5000})
    for name in ("1", "2"):
        write_table(tmp_path / name, table)
    assert (tmp_path / "1").read_bytes() == (tmp_path / "2").read_bytes()
    assert read_table(tmp_path / "1", ["a"]).equals(table.select(["a"]))


def test_a_file_that_is_cut_off_is_told_of(tmp_path):
    path = tmp_path / "a.parquet"
    write_table(path, pa.table({"a": [1, 2, 3]}))
    path.write_bytes(path.read_bytes()[:-9])
    for broken in (path, tmp_path / "gone.parquet"):
        with pytest.raises(DataError, match="whole Parquet file"):
            read_table(broken)
