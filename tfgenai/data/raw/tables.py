"""Texts in the rows of a .jsonl or .csv file, read in stretches."""

import csv
import hashlib
import io
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tfgenai.core.errors import DataError, DataNotFoundError
from tfgenai.data.raw.example import Example, Problem
from tfgenai.data.raw.labels import Known, with_known
from tfgenai.data.raw.source import Chunk, RawSource

_ROWS_IN_CHUNK = 4096
_BYTES_IN_CHUNK = 32 * 2**20


class TableOfText(RawSource):
    """One document a row, in a column of its own, with what else is known beside it.

    A row that cannot be read is an example with a problem that names its line.

    Args:
        path: a .jsonl file of objects, or a .csv file with a header.
        text: name of the column of the documents.
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
        if self._is_csv:
            with open(self._path, encoding="utf-8-sig", errors="replace") as file:
                self._header = next(csv.reader(file), [])
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
        start = rows = line = 0
        first = place = 0
        is_open = False
        with open(self._path, "rb") as file:
            if self._is_csv:
                place = start = len(file.readline())
                line = first = 1
            for text in file:
                line += 1
                place += len(text)
                if self._is_csv:
                    # A quoted field may hold line breaks: its row is not over yet.
                    is_open ^= text.count(b'"') % 2 == 1
                rows += not is_open
                full = rows >= _ROWS_IN_CHUNK or place - start >= _BYTES_IN_CHUNK
                if full and not is_open:
                    chunks.append(self._chunk(len(chunks), start, place, first))
                    start, rows, first = place, 0, line
        if place > start:
            chunks.append(self._chunk(len(chunks), start, place, first))
        if not chunks:
            raise DataError(f"Rows were expected. Received: {self.name!r}, none.")
        return chunks

    def read(self, chunk: Chunk) -> Iterator[Example]:
        """See `RawSource.read`."""
        with open(self._path, "rb") as file:
            file.seek(chunk.start)
            data = file.read(chunk.stop - chunk.start)
        first = int(chunk.names[0])
        rows = self._csv_rows(data, first) if self._is_csv else _json_rows(data, first)
        for line, row in rows:
            yield self._example(f"{self._path.name}#{line:09d}", line, row)

    def fingerprint(self) -> str:
        """Of the file's size and time, and of the columns."""
        found = os.stat(self._path)
        words = repr((found.st_size, found.st_mtime_ns, self._text, self._beside))
        return hashlib.sha256(f"{self.origin}{words}".encode()).hexdigest()

    @staticmethod
    def _chunk(number: int, start: int, stop: int, first: int) -> Chunk:
        return Chunk(number, (str(first),), start=start, stop=stop)

    def _csv_rows(self, data: bytes, first: int) -> Iterator[tuple[int, Any]]:
        reader = csv.DictReader(
            io.StringIO(data.decode("utf-8", "surrogateescape"), newline=""),
            self._header,
        )
        while True:
            line = first + reader.line_num + 1
            try:
                row = next(reader, None)
            except csv.Error as error:
                yield line, f"line {line}: {error}"
                continue
            if row is None:
                return
            yield line, row

    def _example(self, name: str, line: int, row: Any) -> Example:
        if isinstance(row, str):
            return Example(name, None, problem=Problem("unreadable", row))
        content = row.get(self._text)
        if not isinstance(content, str):
            detail = f"line {line} has no text in {self._text!r}"
            return Example(name, None, problem=Problem("missing", detail))
        if any("\udc80" <= letter <= "\udcff" for letter in content):
            detail = f"line {line} is no UTF-8"
            return Example(name, None, problem=Problem("encoding", detail))
        beside = {
            key: None if row.get(column) in (None, "") else str(row[column])
            for key, column in self._beside.items()
        }
        return with_known(Example(name, content), Known(**beside))


def _json_rows(data: bytes, first: int) -> Iterator[tuple[int, Any]]:
    for number, text in enumerate(data.splitlines(), start=first + 1):
        if not text.strip():
            continue
        try:
            row = json.loads(text.decode("utf-8"))
        except (ValueError, RecursionError) as error:
            yield number, f"line {number}: {' '.join(str(error).split())[:100]}"
            continue
        yield number, row if isinstance(row, dict) else f"line {number}: no object"
