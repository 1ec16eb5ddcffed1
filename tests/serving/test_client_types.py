"""What the client sends in place of values that are left out."""

import numpy as np
import pytest

from tfgenai.serving.client_types import field_from_parts


def _field(number, dims=(-1,)):
    return field_from_parts("x", number, list(dims) if dims is not None else None)


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (3, np.array([-1, -1], np.int32)),
        (9, np.array([-1, -1], np.int64)),
        (1, np.array([np.nan, np.nan], np.float32)),
        (7, np.array([b"", b""], object)),
    ],
)
def test_sentinels_of_the_export_rules(number, expected):
    sentinel = _field(number).sentinel(2)
    assert sentinel.dtype == expected.dtype
    np.testing.assert_array_equal(sentinel, expected)


def test_sentinels_take_the_inputs_width():
    assert _field(3, (-1, 4)).sentinel(2).shape == (2, 4)
    assert _field(3, (-1, -1)).sentinel(2).shape == (2, 1)


def test_a_type_without_a_sentinel_says_so():
    with pytest.raises(ValueError, match="type bool has none"):
        _field(10).sentinel(1)


def test_unknown_types_and_ranks():
    assert _field(14) is None
    field = _field(1, None)
    assert (field.shape, field.rank) == (None, None)


@pytest.mark.parametrize(
    ("number", "value"), [(6, [128]), (4, [-1]), (9, np.array([2**63], np.uint64))]
)
def test_values_out_of_range_are_refused(number, value):
    with pytest.raises(ValueError, match="Received: x="):
        _field(number).to_array(value)


def test_integers_may_be_given_for_floats_but_not_the_other_way():
    assert _field(1).to_array([1, 2]).dtype == np.float32
    with pytest.raises(TypeError):
        _field(9).to_array([1.0])
    with pytest.raises(TypeError):
        _field(9).to_array([True])
    assert _field(9).to_array([]).dtype == np.int64


def test_strings_become_bytes():
    assert _field(7).to_array(["é", b"\xff"]).tolist() == ["é".encode(), b"\xff"]
    assert _field(7).to_array(np.array(["ab"])).tolist() == [b"ab"]
