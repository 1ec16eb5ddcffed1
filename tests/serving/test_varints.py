"""Variable-length integers, against protobuf's own encoder."""

import numpy as np
from google.protobuf.internal import encoder
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tfgenai.serving.varints import packed_field, packed_varints, varint


def _protobuf(value: int) -> bytes:
    return encoder._VarintBytes(value)


@given(st.integers(0, 2**64 - 1))
def test_varint_is_protobufs(value):
    assert varint(value) == _protobuf(value)


@given(
    st.sampled_from(
        ["int8", "uint8", "int16", "uint16", "int32", "int64", "uint64"]
    ).flatmap(lambda dtype: hnp.arrays(dtype, st.integers(0, 20)))
)
def test_packed_varints_are_protobufs_one_by_one(values):
    expected = b"".join(_protobuf(int(v) % 2**64) for v in values)
    assert packed_varints(values) == expected


def test_a_field_is_tag_length_content():
    assert packed_field(2, b"x" * 300) == b"\x12\xac\x02" + b"x" * 300
    assert packed_field(16, b"") == b"\x82\x01\x00"


def test_booleans_have_no_place_among_integers_but_encode_as_bits():
    assert packed_varints(np.array([0, 1], np.uint8)) == b"\x00\x01"
