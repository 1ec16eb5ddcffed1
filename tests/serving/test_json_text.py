"""JSON answers: numbers survive, text and bytes are told apart."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tfgenai.core.errors import ServingError
from tfgenai.serving.json_text import array_text, response


@given(hnp.arrays(np.uint32, hnp.array_shapes(max_dims=3, min_side=0, max_side=6)))
def test_every_float32_comes_back_bit_for_bit(bits):
    array = bits.view(np.float32)
    back = np.array(json.loads(array_text("x", array)), np.float32)
    np.testing.assert_array_equal(back.ravel(), array.ravel())


@given(
    st.sampled_from(["float64", "float16", "int8", "int64", "uint64", "bool"]).flatmap(
        lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, max_dims=3))
    )
)
def test_other_types_come_back(array):
    with np.errstate(invalid="ignore"):
        back = np.array(json.loads(array_text("x", array)), array.dtype)
    np.testing.assert_array_equal(back, array)


def test_floats_are_written_as_tensorflow_serving_writes_them():
    """Six digits where they suffice, else nine; whole numbers keep their point."""
    values = np.array([0.2, 1 / 3, 3.0, -0.0, 1e-20, np.nan, np.inf, -np.inf], "f4")
    assert array_text("x", values) == (
        "[0.2, 0.333333343, 3.0, -0.0, 1e-20, NaN, Infinity, -Infinity]"
    )


def test_rows_of_one_output_and_of_several():
    y = np.array([3.0, 3.5], np.float32)
    assert json.loads(response({"y": y}, by_row=True)) == {"predictions": [3.0, 3.5]}
    assert json.loads(response({"y": y}, by_row=False)) == {"outputs": [3.0, 3.5]}
    both = {"y": y, "n": np.array([[1], [2]])}
    assert json.loads(response(both, by_row=True)) == {
        "predictions": [{"y": 3.0, "n": [1]}, {"y": 3.5, "n": [2]}]
    }
    assert json.loads(response(both, by_row=False)) == {
        "outputs": {"y": [3.0, 3.5], "n": [[1], [2]]}
    }


def test_base64_exactly_where_the_name_ends_in_bytes():
    value = np.array([b"a\xff", b""], object)
    assert json.loads(array_text("image_bytes", value)) == [
        {"b64": "Yf8="},
        {"b64": ""},
    ]
    text = np.array(["é".encode()], object)
    assert json.loads(array_text("bytes_text", text)) == ["é"]
    with pytest.raises(ServingError, match="UTF-8 text in output 'text'"):
        array_text("text", value)


def test_rows_need_as_many_rows_each():
    uneven = {"a": np.zeros(2), "b": np.zeros(3)}
    with pytest.raises(ServingError, match="inconsistent batch size: 3 expecting: 2"):
        response(uneven, by_row=True)
    assert json.loads(response(uneven, by_row=False))["outputs"]["b"] == [0.0] * 3
    with pytest.raises(ServingError, match="no shape information"):
        response({"a": np.zeros(())}, by_row=True)
