"""Protocol buffers' integers of variable length, one at a time and by the array."""

import numpy as np

_SHORT = tuple(bytes((value,)) for value in range(0x80))


def varint(value: int) -> bytes:
    r"""Encodes one non-negative integer.

    Example:
        >>> varint(300)
        b'\xac\x02'
    """
    if value < 0x80:
        return _SHORT[value]
    groups = bytearray()
    while value > 0x7F:
        groups.append(value & 0x7F | 0x80)
        value >>= 7
    groups.append(value)
    return bytes(groups)


def packed_field(number: int, content: bytes) -> bytes:
    """Encodes a field of bytes, text, a message or packed numbers.

    Args:
        number: the field's number.
        content: its bytes.
    """
    return varint(number << 3 | 2) + varint(len(content)) + content


def packed_varints(values: np.ndarray) -> bytes:
    r"""Encodes an array of integers; negative ones take ten bytes each.

    Args:
        values: integers `(n,)` of any width.

    Example:
        >>> packed_varints(np.array([1, 300]))
        b'\x01\xac\x02'
    """
    if values.dtype == np.uint64:
        bits = values
    else:
        bits = values.astype(np.int64).view(np.uint64)
    largest = int(bits.max(initial=0))
    if largest < 0x80:
        return bits.astype(np.uint8).tobytes()
    groups = -(-largest.bit_length() // 7)
    shifts = np.arange(groups, dtype=np.uint64) * np.uint64(7)
    rest = bits[:, None] >> shifts
    encoded = (rest & np.uint64(0x7F)).astype(np.uint8)
    # A group is followed by another where something is left above it.
    more = rest > np.uint64(0x7F)
    encoded |= more.astype(np.uint8) << 7
    used = np.ones(encoded.shape, bool)
    used[:, 1:] = more[:, :-1]
    return encoded[used].tobytes()
