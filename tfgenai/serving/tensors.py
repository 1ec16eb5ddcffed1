"""Arrays to and from `TensorProto`, in packed bytes wherever the type allows it.

The functions take the official messages and our own alike: only field names are used.
"""

import dataclasses
import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tfgenai.serving.codes import OversizedError, invalid
from tfgenai.serving.varints import packed_field, packed_varints, varint

# More axes than NumPy can hold.
_MAX_RANK = 64

# Field numbers of TensorProto and its shape.
_DTYPE, _SHAPE, _SHAPE_DIM, _DIM_SIZE = 1, 2, 2, 1


@dataclasses.dataclass(frozen=True)
class Kind:
    """A tensor type: its number, its names, and where a proto keeps its values.

    Args:
        number: `tensorflow.DataType`.
        name: TensorFlow's word for it in messages, for example `"float"`.
        dtype: NumPy's word for it; `"string"` stands for objects of type bytes.
        field: the repeated field of its values.
        field_number: that field's number.
    """

    number: int
    name: str
    dtype: str
    field: str
    field_number: int

    @property
    def numpy(self) -> np.dtype[Any]:
        """The type of arrays of this kind."""
        return np.dtype(object if self.dtype == "string" else self.dtype)

    @property
    def item_bytes(self) -> int:
        """Bytes of one element in memory; of a string, its pointer."""
        return self.numpy.itemsize


KINDS = (
    Kind(1, "float", "float32", "float_val", 5),
    Kind(2, "double", "float64", "double_val", 6),
    Kind(3, "int32", "int32", "int_val", 7),
    Kind(4, "uint8", "uint8", "int_val", 7),
    Kind(5, "int16", "int16", "int_val", 7),
    Kind(6, "int8", "int8", "int_val", 7),
    Kind(7, "string", "string", "string_val", 8),
    Kind(9, "int64", "int64", "int64_val", 10),
    Kind(10, "bool", "bool", "bool_val", 11),
    Kind(17, "uint16", "uint16", "int_val", 7),
    Kind(19, "half", "float16", "half_val", 13),
    Kind(22, "uint32", "uint32", "uint32_val", 16),
    Kind(23, "uint64", "uint64", "uint64_val", 17),
)
_BY_NUMBER = {kind.number: kind for kind in KINDS}
_BY_DTYPE = {kind.numpy: kind for kind in KINDS}


def kind_of(number: int) -> Kind:
    """The kind of a `tensorflow.DataType`.

    Raises:
        ServingError: INVALID_ARGUMENT if it cannot go over the wire.
    """
    kind = _BY_NUMBER.get(number)
    if kind is None:
        raise invalid(
            f"A tensor of one of the types {[k.name for k in KINDS]} was expected. "
            f"Received: dtype={number}. Convert it first."
        )
    return kind


def shape_of(proto: Any) -> tuple[int, ...]:
    """The shape that a tensor claims; nothing is allocated.

    Args:
        proto: a `TensorProto`.

    Raises:
        ServingError: INVALID_ARGUMENT if it is not fully defined.
    """
    dims = [dim.size for dim in proto.tensor_shape.dim]
    if proto.tensor_shape.unknown_rank or any(size < 0 for size in dims):
        raise invalid(
            "A tensor of a fully defined shape was expected. Received: "
            f"shape={'unknown' if proto.tensor_shape.unknown_rank else dims}. "
            "Give every axis its size."
        )
    if len(dims) > _MAX_RANK:
        raise invalid(
            f"A tensor of at most {_MAX_RANK} axes was expected. Received: "
            f"{len(dims)} axes. Reshape it."
        )
    return tuple(dims)


def to_array(proto: Any, *, max_bytes: int) -> np.ndarray:
    """Reads a `TensorProto`.

    As in TensorFlow, too few values mean that the last one is repeated. That is why
    the claimed size is held against a limit before anything is allocated.

    Args:
        proto: a `TensorProto`, with packed bytes or with typed values.
        max_bytes: largest size in memory that is accepted.

    Returns:
        Array of the claimed shape; strings are objects of type bytes. It may be
        read-only.

    Raises:
        ServingError: INVALID_ARGUMENT if the tensor does not hold together,
            RESOURCE_EXHAUSTED if it claims more than `max_bytes`.
    """
    kind = kind_of(proto.dtype)
    shape = shape_of(proto)
    size = math.prod(shape)
    if size * kind.item_bytes > max_bytes:
        raise OversizedError(
            f"A tensor of at most {max_bytes} bytes was expected. Received: "
            f"shape={list(shape)} of type {kind.name}, {size * kind.item_bytes} "
            "bytes. Send fewer rows at a time."
        )
    if proto.tensor_content:
        return _from_content(proto.tensor_content, kind, size).reshape(shape)
    values = getattr(proto, kind.field)
    if len(values) > size:
        raise invalid(
            f"At most {size} values for shape {list(shape)} were expected. Received: "
            f"{len(values)} in {kind.field}. Make shape and values agree."
        )
    flat = _from_values(proto, values, kind)
    if len(flat) < size:
        last = flat[-1] if len(flat) else (b"" if kind.dtype == "string" else 0)
        rest = np.full(size - len(flat), last, kind.numpy)
        flat = np.concatenate([flat, rest])
    return flat.reshape(shape)


def fill(proto: Any, array: np.ndarray) -> None:
    """Writes an array into an empty `TensorProto`, numbers as packed bytes.

    Args:
        proto: a `TensorProto`.
        array: of one of the wire's types; strings are objects of type bytes or str.

    Raises:
        ServingError: INVALID_ARGUMENT for a type that has no place on the wire.
    """
    kind = _kind_of_array(array)
    proto.dtype = kind.number
    for size in array.shape:
        proto.tensor_shape.dim.add().size = size
    if kind.dtype == "string":
        proto.string_val.extend(_as_bytes(item) for item in array.ravel().tolist())
    else:
        proto.tensor_content = array.tobytes()


def encode_typed(array: np.ndarray) -> bytes:
    """The bytes of a `TensorProto` with typed values, as TensorFlow Serving answers.

    Args:
        array: of one of the wire's types; strings are objects of type bytes or str.

    Raises:
        ServingError: INVALID_ARGUMENT for a type that has no place on the wire.
    """
    kind = _kind_of_array(array)
    parts = [_encode_head(kind.number, array.shape)]
    if kind.dtype == "string":
        for item in array.ravel().tolist():
            parts.append(packed_field(kind.field_number, _as_bytes(item)))
    elif array.size:
        parts.append(packed_field(kind.field_number, _packed_values(array, kind)))
    return b"".join(parts)


def _kind_of_array(array: np.ndarray) -> Kind:
    kind = _BY_DTYPE.get(array.dtype)
    if kind is None:
        raise invalid(
            f"An array of one of the types {[k.name for k in KINDS]} was expected. "
            f"Received: an array of type {array.dtype}. Convert it first."
        )
    return kind


# Nearly all answers are of the same few shapes.
@functools.lru_cache(maxsize=256)
def _encode_head(kind_number: int, shape: tuple[int, ...]) -> bytes:
    dims = (
        packed_field(_SHAPE_DIM, varint(_DIM_SIZE << 3) + varint(size) if size else b"")
        for size in shape
    )
    kind = varint(_DTYPE << 3) + varint(kind_number)
    return kind + packed_field(_SHAPE, b"".join(dims))


def _packed_values(array: np.ndarray, kind: Kind) -> bytes:
    if kind.dtype in ("float32", "float64", "bool"):
        return array.tobytes()
    if kind.dtype == "float16":
        array = array.view(np.uint16)
    return packed_varints(array.ravel())


def _from_content(content: bytes, kind: Kind, size: int) -> np.ndarray:
    if kind.dtype == "string":
        raise invalid(
            "Strings in string_val were expected. Received: strings in "
            "tensor_content. Use string_val."
        )
    if len(content) != size * kind.item_bytes:
        raise invalid(
            f"{size * kind.item_bytes} bytes of tensor_content were expected, {size} "
            f"values of type {kind.name}. Received: {len(content)} bytes. Make shape "
            "and content agree."
        )
    if kind.dtype == "bool":
        # Any other byte than 0 and 1 would be a broken bool.
        return np.frombuffer(content, np.uint8) != 0
    return np.frombuffer(content, kind.numpy)


def _from_values(proto: Any, values: Sequence[Any], kind: Kind) -> np.ndarray:
    if kind.dtype in ("float32", "float64") and len(values) > 64:
        # One copy of the packed bytes costs a hundredth of a walk over the values.
        packed = _find_packed(proto.SerializeToString(), kind.field_number)
        # Hostile unknown fields could lead the search astray, but not unnoticed.
        if len(packed) == len(values) * kind.item_bytes:
            return np.frombuffer(packed, kind.numpy)
    if kind.dtype == "string":
        flat = np.empty(len(values), object)
        flat[:] = list(values)
        return flat
    bits = np.dtype(np.uint16) if kind.dtype == "float16" else kind.numpy
    try:
        numbers = np.fromiter(values, bits, len(values))
    except OverflowError as error:
        raise invalid(
            f"Values of type {kind.name} were expected in {kind.field}. Received: one "
            "outside of its range. Change it."
        ) from error
    return numbers.view(kind.numpy)


def _find_packed(message: bytes, field_number: int) -> memoryview:
    """The bytes of a length-delimited field of a message that is known to be whole."""
    view, position = memoryview(message), 0
    while position < len(message):
        tag, position = _read_varint(message, position)
        wire_type = tag & 7
        if wire_type == 0:
            _, position = _read_varint(message, position)
        elif wire_type == 2:
            length, position = _read_varint(message, position)
            if tag >> 3 == field_number:
                return view[position : position + length]
            position += length
        else:
            position += {1: 8, 5: 4}.get(wire_type, 0)
    return view[:0]


def _read_varint(message: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[position]
        value |= (byte & 0x7F) << shift
        position, shift = position + 1, shift + 7
        if byte < 0x80:
            return value, position


def _as_bytes(item: Any) -> bytes:
    return item.encode() if isinstance(item, str) else bytes(item)
