"""Tensors on the wire, against TensorFlow's own conversions."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from tensorflow.core.framework import tensor_pb2

from tfgenai.core.errors import ServingError
from tfgenai.serving import tensors
from tfgenai.serving.codes import OversizedError
from tfgenai.serving.wire import messages_pb2

LIMIT = 2**20

_NUMBERS = [kind.dtype for kind in tensors.KINDS if kind.dtype != "string"]
_SHAPES = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5)


@st.composite
def _arrays(draw):
    dtype = draw(st.sampled_from([*_NUMBERS, "string"]))
    shape = draw(_SHAPES)
    if dtype != "string":
        return draw(hnp.arrays(dtype, shape))
    items = draw(st.lists(st.binary(max_size=9), min_size=0, max_size=5))
    size = int(np.prod(shape, dtype=int))
    array = np.empty(size, object)
    array[:] = [items[i % len(items)] if items else b"" for i in range(size)]
    return array.reshape(shape)


def _same(left, right):
    assert left.shape == right.shape
    assert left.dtype == right.dtype
    np.testing.assert_array_equal(left, right)


@given(_arrays())
def test_read_what_tensorflow_wrote(array):
    proto = tf.make_tensor_proto(array)
    _same(tensors.to_array(proto, max_bytes=LIMIT), array)


@given(_arrays())
def test_tensorflow_reads_packed_bytes(array):
    proto = messages_pb2.TensorProto()
    tensors.fill(proto, array)
    official = tensor_pb2.TensorProto.FromString(proto.SerializeToString())
    _same(tf.make_ndarray(official), array)
    _same(tensors.to_array(proto, max_bytes=LIMIT), array)


@given(_arrays())
def test_tensorflow_and_the_client_read_typed_values(array):
    encoded = tensors.encode_typed(array)
    official = tensor_pb2.TensorProto.FromString(encoded)
    assert not official.tensor_content
    ours = messages_pb2.TensorProto.FromString(encoded)
    _same(tensors.to_array(ours, max_bytes=LIMIT), array)
    if array.size:  # TensorFlow repeats a last value that is not there
        _same(tf.make_ndarray(official), array)


def test_typed_values_are_the_bytes_that_protobuf_writes():
    array = np.array([[1.5, -2.0]], np.float32)
    official = tensor_pb2.TensorProto(dtype=1, float_val=[1.5, -2.0])
    official.tensor_shape.dim.add(size=1)
    official.tensor_shape.dim.add(size=2)
    assert tensors.encode_typed(array) == official.SerializeToString()


def test_many_floats_take_the_fast_way_and_arrive_whole():
    array = np.linspace(-1, 1, 1000, dtype=np.float32).reshape(10, 100)
    proto = tensor_pb2.TensorProto(dtype=1, float_val=array.ravel().tolist())
    proto.tensor_shape.dim.add(size=10)
    proto.tensor_shape.dim.add(size=100)
    _same(tensors.to_array(proto, max_bytes=LIMIT), array)


def test_unknown_fields_cannot_hide_other_values():
    """A group with a field of the same number stands before the real values."""
    array = np.arange(100, dtype=np.float32)
    decoy = b"\x9b\x06" + b"\x2a\x04" + b"\x00\x00\x80\x3f" + b"\x9c\x06"
    body = decoy + tensors.encode_typed(array)
    proto = tensor_pb2.TensorProto.FromString(body)
    _same(tensors.to_array(proto, max_bytes=LIMIT), array)


def test_too_few_values_repeat_the_last_as_in_tensorflow():
    proto = tensor_pb2.TensorProto(dtype=9, int64_val=[4, 7])
    proto.tensor_shape.dim.add(size=4)
    _same(tensors.to_array(proto, max_bytes=LIMIT), tf.make_ndarray(proto))
    del proto.int64_val[:]
    np.testing.assert_array_equal(
        tensors.to_array(proto, max_bytes=LIMIT), np.zeros(4, np.int64)
    )


def _proto(dtype, dims, **values):
    proto = tensor_pb2.TensorProto(dtype=dtype, **values)
    for size in dims:
        proto.tensor_shape.dim.add(size=size)
    return proto


def test_a_claimed_shape_takes_no_memory():
    for dims in ([2**40], [2**31, 2**31, 2**31], [2**62] * 3):
        with pytest.raises(OversizedError, match="Received: shape="):
            tensors.to_array(_proto(1, dims, float_val=[0.0]), max_bytes=LIMIT)


@pytest.mark.parametrize(
    ("proto", "words"),
    [
        (_proto(1, [-1], float_val=[0.0]), "fully defined"),
        (_proto(1, [1] * 65, float_val=[0.0]), "at most 64 axes"),
        (_proto(1, [2], tensor_content=b"12345"), "8 bytes of tensor_content"),
        (_proto(1, [1], float_val=[0.0, 1.0]), "At most 1 values"),
        (_proto(6, [1], int_val=[1000]), "outside of its range"),
        (_proto(7, [1], tensor_content=b"\x01a"), "string_val"),
        (_proto(21, [1], string_val=[b"x"]), "dtype=21"),
        (_proto(0, [1]), "dtype=0"),
    ],
)
def test_what_does_not_hold_together_is_refused(proto, words):
    with pytest.raises(ServingError, match=words) as caught:
        tensors.to_array(proto, max_bytes=LIMIT)
    assert caught.value.code == "INVALID_ARGUMENT"


def test_unknown_rank_is_refused():
    proto = tensor_pb2.TensorProto(dtype=1)
    proto.tensor_shape.unknown_rank = True
    with pytest.raises(ServingError, match="shape=unknown"):
        tensors.to_array(proto, max_bytes=LIMIT)


def test_bytes_that_are_no_booleans_become_booleans():
    proto = _proto(10, [3], tensor_content=b"\x00\x01\xff")
    assert tensors.to_array(proto, max_bytes=LIMIT).tolist() == [False, True, True]


def test_arrays_without_a_place_on_the_wire_are_refused():
    for write in (
        tensors.encode_typed,
        lambda array: tensors.fill(messages_pb2.TensorProto(), array),
    ):
        with pytest.raises(ServingError, match="complex64"):
            write(np.zeros(1, np.complex64))
