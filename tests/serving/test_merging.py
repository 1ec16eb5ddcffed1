"""Requests as one and apart again: nothing is lost, nothing goes to somebody else."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfgenai.core.errors import ServingError
from tfgenai.core.random import numpy_generator
from tfgenai.serving.merging import count_rows, merge, split


@given(
    st.lists(st.integers(1, 5), min_size=1, max_size=6),
    st.integers(0, 7),
    st.integers(0, 2**32 - 1),
)
def test_split_takes_back_what_merge_did(sizes, padding, seed):
    generator = numpy_generator(seed)
    requests = [
        {
            "x": generator.normal(size=(size, 3)),
            "text": np.array([bytes([i]) for i in generator.bytes(size)], object),
        }
        for size in sizes
    ]
    rows = sum(sizes) + padding
    merged = merge(requests, rows)
    assert {len(array) for array in merged.values()} == {rows}
    np.testing.assert_array_equal(
        merged["x"][sum(sizes) :], np.repeat(requests[-1]["x"][:1], padding, axis=0)
    )
    for before, after in zip(requests, split(merged, sizes, rows), strict=True):
        for name, array in before.items():
            np.testing.assert_array_equal(after[name], array)


def test_unequal_lengths_are_padded_with_the_tensors_own_first_element():
    merged = merge([{"x": np.array([[5, 6]])}, {"x": np.array([[7, 8, 9]])}], 3)
    assert merged["x"].tolist() == [[5, 6, 5], [7, 8, 9], [7, 8, 9]]
    texts = merge(
        [
            {"x": np.array([[b"a"]], object)},
            {"x": np.zeros((1, 0), object)},
            {"x": np.array([[b"b", b"c"]], object)},
        ],
        3,
    )
    assert texts["x"].tolist() == [[b"a", b"a"], [b"", b""], [b"b", b"c"]]


def test_one_request_that_fills_the_batch_is_not_copied():
    array = np.arange(4)
    assert merge([{"x": array}], 4)["x"] is array


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ({}, "at least one input tensor"),
        ({"x": np.array(1)}, "at least one dimension"),
        ({"x": np.zeros(2), "y": np.zeros(3)}, "equal 0th-dimension size"),
    ],
)
def test_rows_that_do_not_agree_are_refused(inputs, words):
    with pytest.raises(ServingError, match=words) as caught:
        count_rows(inputs)
    assert caught.value.code == "INVALID_ARGUMENT"


def test_rows_are_counted():
    assert count_rows({"x": np.zeros((3, 2)), "y": np.zeros(3)}) == 3


@pytest.mark.parametrize(
    ("output", "words"),
    [(np.array(1.0), "has 0 dimensions"), (np.zeros(2), "does not equal the sum")],
)
def test_outputs_without_a_row_for_each_row_are_refused(output, words):
    with pytest.raises(ServingError, match=words) as caught:
        split({"y": output}, [1, 2], 3)
    assert caught.value.code == "FAILED_PRECONDITION"
