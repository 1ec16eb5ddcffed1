"""JSON requests: what TensorFlow Serving takes is taken, the rest refused in words."""

import base64
import contextlib
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tfgenai.core.errors import ServingError
from tfgenai.serving import json_tensors
from tfgenai.serving.tensors import KINDS

KIND = {kind.dtype: kind for kind in KINDS}

_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.just({"b64": "YQ=="}),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=12,
)


@given(
    st.sampled_from([d for d in KIND if d != "string"]).flatmap(
        lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, max_dims=3))
    )
)
def test_nested_lists_become_the_array_that_they_show(array):
    value = json.loads(json.dumps(array.tolist()))
    read = json_tensors.to_array(value, KIND[array.dtype.name])
    assert read.dtype == array.dtype
    np.testing.assert_array_equal(read, array)


@given(st.lists(st.binary(max_size=9), min_size=1, max_size=5))
def test_base64_objects_become_bytes(items):
    value = [{"b64": base64.b64encode(item).decode()} for item in items]
    assert json_tensors.to_array(value, KIND["string"]).tolist() == items
    bare = [{"b64": base64.b64encode(item).decode().rstrip("=")} for item in items]
    assert json_tensors.to_array(bare, KIND["string"]).tolist() == items


def test_text_becomes_utf8():
    assert json_tensors.to_array("é", KIND["string"]).item() == "é".encode()


@pytest.mark.parametrize(
    ("dtype", "value", "words"),
    [
        ("int32", [1, 2.5], "2.5 Type: Number is not of expected type: int32"),
        ("int32", [True], "Type: True is not of expected type: int32"),
        ("float32", ["1"], '"1" Type: String is not of expected type: float'),
        ("float32", [None], "Type: Null"),
        ("float32", [True], "Type: True"),
        ("bool", [1], "Type: Number is not of expected type: bool"),
        ("string", [1], "Type: Number is not of expected type: string"),
        ("int64", [{"b64": "YQ=="}], "Type: Object"),
        ("int8", [128], "range of type int8"),
        ("uint8", [-1], "range of type uint8"),
        ("int64", [2**63], "range of type int64"),
        ("float64", [10**400], "range of type double"),
        ("int32", [[1], [2, 3]], "unexpected size: 2 at level: 1 expected size: 1"),
        ("int32", [[1], 2], "as deep as each other"),
        ("int32", [1, [2]], "list at unexpected level"),
        ("string", [{"b64": "%"}], "Unable to base64 decode"),
        ("string", [{"b64": 1}], "not formatted correctly for base64 data"),
        ("string", [{"b64": "YQ==", "x": 1}], "not formatted correctly for base64"),
        ("string", ["\ud800"], "surrogate"),
    ],
)
def test_values_that_do_not_fit_are_named(dtype, value, words):
    with pytest.raises(ServingError) as caught:
        json_tensors.to_array(value, KIND[dtype])
    assert words in str(caught.value)
    assert caught.value.code == "INVALID_ARGUMENT"


@given(_JSON, st.sampled_from(KINDS))
def test_any_json_is_converted_or_refused(value, kind):
    with contextlib.suppress(ServingError):
        assert json_tensors.to_array(value, kind).dtype == kind.numpy


@given(_JSON, st.lists(st.sampled_from("abc"), min_size=1, unique=True))
def test_any_json_is_sorted_into_columns_or_refused(value, names):
    for sort in (json_tensors.rows_to_columns, json_tensors.columns):
        with contextlib.suppress(ServingError):
            assert set(sort(value, names)) == set(names)


def test_rows_become_columns():
    rows = [{"a": 1, "b": [2]}, {"b": [4], "a": 3}]
    assert json_tensors.rows_to_columns(rows, ["a", "b"]) == {
        "a": [1, 3],
        "b": [[2], [4]],
    }
    assert json_tensors.rows_to_columns([5, 6], ["a"]) == {"a": [5, 6]}
    assert json_tensors.rows_to_columns([{"b64": "YQ=="}], ["a"]) == {
        "a": [{"b64": "YQ=="}]
    }


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ({"a": 1}, "to be an list/array"),
        ([], "No values in 'instances' array"),
        ([1, 2], "plain list, but expecting list of objects"),
        ([{"a": 1, "b": 1}, 2], "Expecting object but got list at item 1"),
        ([{"a": 1}], "keys must be equal to: a,b"),
        ([{"a": 1, "b": 1, "c": 1}], "element: 0 of 'instances' list"),
    ],
)
def test_rows_that_do_not_fit_are_named(rows, words):
    with pytest.raises(ServingError) as caught:
        json_tensors.rows_to_columns(rows, ["a", "b"])
    assert words in str(caught.value)


def test_a_missing_column_is_named():
    with pytest.raises(ServingError, match="Missing named input: b in 'inputs' object"):
        json_tensors.columns({"a": 1}, ["a", "b"])


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[1]", b"1", b"\xff", b'{"a": 1}}', b"[" * 100_000, b"1" * 10_000],
)
def test_what_is_no_json_object_is_refused(body):
    with pytest.raises(ServingError, match=r"JSON (Parse error|Value)"):
        json_tensors.parse(body)


def test_not_a_number_is_a_number():
    values = json_tensors.parse(b'{"x": [NaN, Infinity, -Infinity]}')["x"]
    array = json_tensors.to_array(values, KIND["float32"])
    np.testing.assert_array_equal(array, np.array([np.nan, np.inf, -np.inf], "f4"))
