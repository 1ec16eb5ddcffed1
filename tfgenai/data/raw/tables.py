"""Texts in the rows of a .jsonl or .csv file, read in stretches."""

import contextlib
import csv
import hashlib
import io
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from tfgenai.core.errors import DataError, DataNotFoundError
from tfgenai.data.raw.example import Example, Problem
from tfgenai.data.raw.labels import Known, with_known
from tfgenai.data.raw.source import Chunk, RawSource

_ROWS_IN_CHUNK = 4096
_BYTES_IN_CHUNK = 32 * 2**20
_MAX_BYTES = 32 * 2**20  # of a field, and of a line: what is longer is a problem
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class TableOfText(RawSource):
    """One document a row, in a column of its own, with what else is known beside it.

    A row that cannot be read is an example with a problem that names its line.

    Args:
        path: a .jsonl file of objects, or a .csv file with a header.
        text: name of the column of the documents, of up to 32 MiB each.
        label: name of the column of classes, if there is one.
        group: the same of what stays together.
        time: the same of when it was written.
        split: the same of given splits.

    Raises:
        DataNotFoundError: if there is no such file.
        DataError: if its header has no such column.
    """

    kind = "text"

    def __init__(
        self,
        path: "str | os.PathLike[str]",
        *,
        text: str = "text",
        label: str = "label",
        group: str = "group",
        time: str = "time",
        split: str = "split",
    ) -> None:
        self._path = Path(path).expanduser()
        if not self._path.is_file():
            raise DataNotFoundError(
                f"A file that exists was expected. Received: path={os.fspath(path)!r}."
            )
        self.name = os.fspath(path)
        self.origin = f"file {self._path.resolve()}"
        self._text = text
        self._beside = {"label": label, "group": group, "time": time, "split": split}
        self._is_csv = self._path.suffix.lower() == ".csv"
        self._header: list[str] = []
        self._start, self._first = 0, 1
        with open(self._path, "rb") as file:
            if file.read(3) == _BYTE_ORDER_MARK:
                self._start = 3
        if self._is_csv:
            header = next(self._rows(self._start, 1), None)
            if header is not None and isinstance(header.values, list):
                self._header = [_decoded(name) for name in header.values]
                self._start, self._first = header.stop, header.next_line
            if text not in self._header:
                raise DataError(
                    f"A column {text!r} was expected. Received: {self.name!r} with "
                    f"{self._header}. Name the right one with text=..."
                )

    def chunks(self) -> list[Chunk]:
        """Up to 4,096 rows or 32 MiB each, found in one pass over the file.

        `start` and `stop` are offsets in bytes, `names` holds the first line's number.
        """
        chunks: list[Chunk] = []
        rows, first = 0, self._first
        start = stop = self._start
        for row in self._rows(self._start, self._first):
            rows, stop = rows + 1, row.stop
            if rows >= _ROWS_IN_CHUNK or stop - start >= _BYTES_IN_CHUNK:
                names = (str(first),)
                chunks.append(Chunk(len(chunks), names, start=start, stop=stop))
                start, rows, first = stop, 0, row.next_line
        if rows:
            names = (str(first),)
            chunks.append(Chunk(len(chunks), names, start=start, stop=stop))
        if not chunks:
            raise DataError(f"Rows were expected. Received: {self.name!r}, none.")
        return chunks

    def read(self, chunk: Chunk) -> Iterator[Example]:
        """See `RawSource.read`."""
        for row in self._rows(chunk.start, int(chunk.names[0])):
            yield self._example(row)
            if row.stop >= chunk.stop:
                return

    def fingerprint(self) -> str:
        """Of the file's size and time, and of the columns."""
        found = os.stat(self._path)
        words = repr((found.st_size, found.st_mtime_ns, self._text, self._beside))
        return hashlib.sha256(f"{self.origin}{words}".encode()).hexdigest()

    def _rows(self, start: int, line: int) -> Iterator["_Row"]:
        with open(self._path, "rb") as file:
            file.seek(start)
            yield from (_csv_rows if self._is_csv else _json_rows)(file, start, line)

    def _example(self, row: "_Row") -> Example:
        name = f"{self._path.name}#{row.line:09d}"
        values: Any = row.values
        try:
            if isinstance(values, bytes):
                values = json.loads(values)
                if not isinstance(values, dict):
                    raise ValueError("no object")
            elif isinstance(values, str):
                raise ValueError(values)
            else:
                values = dict(zip(self._header, values, strict=False))
        except (ValueError, RecursionError) as error:
            detail = f"line {row.line}: {' '.join(str(error).split())[:100]}"
            return Example(name, None, problem=Problem("unreadable", detail))
        content = values.get(self._text)
        if not isinstance(content, str):
            detail = f"line {row.line} has no text in {self._text!r}"
            return Example(name, None, problem=Problem("missing", detail))
        if self._is_csv:
            try:
                content = content.encode("latin-1").decode("utf-8")
            except UnicodeDecodeError:
                detail = f"line {row.line} is no UTF-8"
                return Example(name, None, problem=Problem("encoding", detail))
        beside = {key: self._word(values.get(c)) for key, c in self._beside.items()}
        return with_known(Example(name, content), Known(**beside))

    def _word(self, value: Any) -> str | None:
        if value is None or value == "":
            return None
        return _decoded(value) if self._is_csv else str(value)


class _Row(NamedTuple):
    """One row: its bytes end at `stop`, its lines before `next_line`.

    `values` are the bytes of a JSON line; the fields of a CSV row, each byte a letter
    (latin-1); or what is wrong with it, in words.
    """

    stop: int
    line: int
    next_line: int
    values: bytes | list[str] | str


def _json_rows(file: BinaryIO, stop: int, line: int) -> Iterator[_Row]:
    while text := file.readline(_MAX_BYTES):
        stop += len(text)
        values: bytes | str = text
        if len(text) == _MAX_BYTES and not text.endswith(b"\n"):
            while (more := file.readline(_MAX_BYTES)) and not more.endswith(b"\n"):
                stop += len(more)
            stop += len(more)
            values = f"more than {_MAX_BYTES:,} bytes in a line"
        if text.strip():
            yield _Row(stop, line, line + 1, values)
        line += 1


def _csv_rows(file: BinaryIO, start: int, first: int) -> Iterator[_Row]:
    # One letter a byte: so that letters read are bytes read.
    with io.TextIOWrapper(file, encoding="latin-1", newline="") as letters:
        lines = _Lines(letters)
        reader = csv.reader(lines)
        while True:
            line = first + lines.count
            values: list[str] | str
            try:
                with _field_limit(_MAX_BYTES):
                    values = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                values = str(error)
            if values:
                yield _Row(start + lines.length, line, first + lines.count, values)


class _Lines:
    """Lines of a file, none longer than is allowed, with their count and length."""

    def __init__(self, file: io.TextIOWrapper) -> None:
        self._file = file
        self.count = self.length = 0

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        text = self._file.readline(_MAX_BYTES)
        if not text:
            raise StopIteration
        self.count += 1
        self.length += len(text)
        if len(text) < _MAX_BYTES or text[-1] in "\r\n":
            return text
        while (more := self._file.readline(_MAX_BYTES)) and more[-1] not in "\r\n":
            self.length += len(more)
        self.length += len(more)
        raise csv.Error(f"more than {_MAX_BYTES:,} bytes in a line")


@contextlib.contextmanager
def _field_limit(limit: int) -> Iterator[None]:
    """Longer fields than the 131,072 letters that the csv module starts with."""
    before = csv.field_size_limit(limit)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _decoded(field: str) -> str:
    return field.encode("latin-1").decode("utf-8", "backslashreplace")
