"""TFRecord files of `tf.train.Example`s, read without TensorFlow.

A record is its length, the masked CRC-32C of the length, the data, and theirs. The
length's checksum is verified, so that what follows a broken one is not taken for data;
that of the data is not.
"""

import hashlib
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tfgenai.core.errors import DataError, DataNotFoundError
from tfgenai.data.raw.example import Example, Kind, Problem
from tfgenai.data.raw.labels import Known, with_known
from tfgenai.data.raw.reading import to_example
from tfgenai.data.raw.source import Chunk, RawSource

_CONTENTS: dict[str, Kind] = {
    "image": "images",
    "image/encoded": "images",
    "text": "text",
    "audio": "sound",
    "sound": "sound",
}
_LABELS = ("label", "image/class/label", "image/class/text")
_RECORDS_IN_CHUNK = 4096
_BYTES_IN_CHUNK = 16 * 2**20
_POLYNOMIAL = 0x82F63B78  # CRC-32C, reflected
_MASK = 0xA282EAD8


class TFRecordFile(RawSource):
    """Records of encoded images, sounds or texts.

    Args:
        path: the file, not compressed.
        kind: "images", "text" or "sound"; None: by the name of the content's feature.
        content: feature of the content, bytes; None looks for image, image/encoded,
            text, audio, sound.
        label: feature of the class, an integer or bytes; None looks for label.

    Raises:
        DataNotFoundError: if there is no such file.
        DataError: if its first record cannot be read or has no such feature.
    """

    def __init__(
        self,
        path: "str | os.PathLike[str]",
        *,
        kind: Kind | None = None,
        content: str | None = None,
        label: str | None = None,
    ) -> None:
        self._path = Path(path).expanduser()
        self.name = os.fspath(path)
        if not self._path.is_file():
            raise DataNotFoundError(
                f"A file that exists was expected. Received: path={self.name!r}."
            )
        self.origin = f"file {self._path.resolve()}"
        try:
            with open(self._path, "rb") as file:
                data = next(_records(file, 0))[1]
            if data is None:
                raise ValueError("its first record is broken")
            first = parse_example(data)
        except (StopIteration, ValueError) as error:
            raise DataError(
                "A TFRecord file of tf.train.Example was expected. Received: "
                f"path={self.name!r} ({error or 'it is empty'})."
            ) from error
        found = content or next((one for one in _CONTENTS if one in first), None)
        if found is None or found not in first:
            raise DataError(
                f"A feature {content or ' or '.join(_CONTENTS)} was expected. "
                f"Received: {self.name!r} with {sorted(first)}. Name it with "
                "content=..."
            )
        self._content = found
        self._label = label or next((one for one in _LABELS if one in first), None)
        self.kind = kind or _CONTENTS.get(found, "images")

    def chunks(self) -> list[Chunk]:
        """Up to 4,096 records or 16 MiB each; `names` holds the first one's number."""
        chunks: list[Chunk] = []
        start = first = number = place = 0
        with open(self._path, "rb") as file:
            for place, _ in _records(file, 0, skip=True):
                number += 1
                if number - first >= _RECORDS_IN_CHUNK or (
                    place - start >= _BYTES_IN_CHUNK
                ):
                    chunks.append(
                        Chunk(len(chunks), (str(first),), start=start, stop=place)
                    )
                    start, first = place, number
        if place > start:
            chunks.append(Chunk(len(chunks), (str(first),), start=start, stop=place))
        return chunks

    def read(self, chunk: Chunk) -> Iterator[Example]:
        """See `RawSource.read`."""
        number = int(chunk.names[0])
        with open(self._path, "rb") as file:
            for place, data in _records(file, chunk.start):
                yield self._example(number, data)
                number += 1
                if place >= chunk.stop:
                    return

    def fingerprint(self) -> str:
        """Of the file's size and time, and of the features."""
        found = os.stat(self._path)
        words = repr((self._content, self._label, found.st_size, found.st_mtime_ns))
        return hashlib.sha256(f"{self.origin}{words}".encode()).hexdigest()

    def _example(self, number: int, data: bytes | None) -> Example:
        name = f"{self._path.name}#{number:09d}"
        if data is None:
            problem = Problem("truncated", f"record {number} is cut off or broken")
            return Example(name, None, problem=problem)
        try:
            features = parse_example(data)
            content = features[self._content][0]
            if not isinstance(content, bytes):
                raise ValueError(f"{self._content} is no bytes")
        except (ValueError, KeyError, IndexError) as error:
            problem = Problem("unreadable", f"record {number}: {error}")
            return Example(name, None, problem=problem)
        label: Any = features.get(self._label or "", [None])
        label = label[0] if label else None
        if isinstance(label, bytes):
            label = label.decode("utf-8", "replace")
        example = to_example(name, content, self.kind)
        return with_known(example, Known(None if label is None else str(label)))


def _records(
    file: Any, start: int, *, skip: bool = False
) -> Iterator[tuple[int, bytes | None]]:
    """The end of each record and its data; None for one that is broken, the last."""
    size = os.fstat(file.fileno()).st_size
    file.seek(start)
    while (place := file.tell()) < size:
        header = file.read(12)
        if len(header) < 12:
            yield size, None
            return
        length, checksum = struct.unpack("<QI", header)
        if masked_crc32c(header[:8]) != checksum or place + 16 + length > size:
            yield size, None
            return
        if skip:
            file.seek(length + 4, os.SEEK_CUR)
            yield file.tell(), b""
            continue
        data = file.read(length)
        file.seek(4, os.SEEK_CUR)
        yield file.tell(), data


def masked_crc32c(data: bytes) -> int:
    """The checksum that TFRecord files hold.

    Example:
        >>> hex(masked_crc32c(b"123456789"))
        '0xc78ab0e5'
    """
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (_POLYNOMIAL if crc & 1 else 0)
    crc ^= 0xFFFFFFFF
    return (((crc >> 15) | (crc << 17)) + _MASK) & 0xFFFFFFFF


def parse_example(data: bytes) -> dict[str, list[Any]]:
    """The features of a serialized `tf.train.Example`: bytes, floats or integers.

    Raises:
        ValueError: if it is none.
    """
    features: dict[str, list[Any]] = {}
    for number, block in _fields(data):
        if number != 1:
            continue
        for inner, entry in _fields(block):
            if inner != 1:
                continue
            parts = dict(_fields(entry))
            key = _bytes(parts.get(1, b"")).decode("utf-8")
            features[key] = [
                value
                for kind, values in _fields(parts.get(2, b""))
                for value in _values(kind, values)
            ]
    return features


def _bytes(value: Any) -> bytes:
    """What must be bytes; `bytes(n)` of a number would make that many."""
    if not isinstance(value, bytes):
        raise ValueError("no tf.train.Example")
    return value


def _values(kind: int, data: bytes) -> list[Any]:
    values: list[Any] = []
    for _, value in _fields(data):
        if kind == 1:
            values.append(_bytes(value))
        elif kind == 2:
            if len(_bytes(value)) % 4:
                raise ValueError("no tf.train.Example")
            values += [one[0] for one in struct.iter_unpack("<f", value)]
        elif isinstance(value, int):
            values.append(_signed(value))
        else:
            place = 0
            while place < len(value):
                number, place = _varint(value, place)
                values.append(_signed(number))
    return values


def _fields(data: bytes) -> Iterator[tuple[int, Any]]:
    """Numbers and values of a message's fields: bytes, or integers."""
    place = 0
    while place < len(_bytes(data)):
        key, place = _varint(data, place)
        wire = key & 7
        if wire == 0:
            value, place = _varint(data, place)
            yield key >> 3, value
            continue
        if wire == 2:
            size, place = _varint(data, place)
        else:
            size = {1: 8, 5: 4}.get(wire, -1)
        if size < 0 or place + size > len(data):
            raise ValueError("no tf.train.Example")
        yield key >> 3, data[place : place + size]
        place += size


def _varint(data: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while place < len(data) and shift < 70:
        byte = data[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
        shift += 7
    raise ValueError("no tf.train.Example")


def _signed(value: int) -> int:
    return value - 2**64 if value >= 2**63 else value
