"""Parquet: one example a row, read a row group at a time."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tfgenai.core.errors import DataError, DataNotFoundError
from tfgenai.data.raw.example import Example, Kind, Problem
from tfgenai.data.raw.labels import Known, with_known
from tfgenai.data.raw.reading import to_example
from tfgenai.data.raw.source import Chunk, RawSource

_CONTENTS: dict[str, Kind] = {
    "image": "images",
    "text": "text",
    "audio": "sound",
    "sound": "sound",
    "content": "images",
}
_BATCH = 64


class ParquetFile(RawSource):
    """Rows of a Parquet file.

    Args:
        path: the file.
        kind: "images", "text" or "sound"; None: by the column's name and type.
        content: column of the content: text, or a file's bytes, alone or as the
            `bytes` of a struct; None looks for image, text, audio, sound, content.
        label: column of classes, if there is one; `group`, `time`, `split` likewise.
        group: see `label`.
        time: see `label`.
        split: see `label`.

    Raises:
        DataNotFoundError: if there is no such file.
        DataError: if it is cut off or has no such column.
    """

    def __init__(
        self,
        path: "str | os.PathLike[str]",
        *,
        kind: Kind | None = None,
        content: str | None = None,
        label: str = "label",
        group: str = "group",
        time: str = "time",
        split: str = "split",
    ) -> None:
        self._path = Path(path).expanduser()
        self.name = os.fspath(path)
        if not self._path.is_file():
            raise DataNotFoundError(
                f"A file that exists was expected. Received: path={self.name!r}."
            )
        self.origin = f"file {self._path.resolve()}"
        try:
            with pq.ParquetFile(self._path) as file:
                schema = file.schema_arrow
        except (OSError, pa.ArrowException) as error:
            raise DataError(
                f"A whole Parquet file was expected. Received: path={self.name!r} "
                f"({error}). Its end, which says what is in it, may be missing."
            ) from error
        found = content or next((one for one in _CONTENTS if one in schema.names), None)
        if found is None or found not in schema.names:
            raise DataError(
                f"A column {content or ' or '.join(_CONTENTS)} was expected. Received: "
                f"{self.name!r} with {schema.names}. Name it with content=..."
            )
        self._content = found
        type_ = schema.field(found).type
        if pa.types.is_dictionary(type_):
            type_ = type_.value_type
        is_text = _is_text(type_)
        if not (is_text or _holds_bytes(type_)):
            raise DataError(
                "Text, bytes, or a struct with bytes was expected. Received: "
                f"{self.name!r} with a column {found!r} of {type_}."
            )
        self.kind = kind or ("text" if is_text else _CONTENTS.get(found, "images"))
        beside = {"label": label, "group": group, "time": time, "split": split}
        self._beside = {k: name for k, name in beside.items() if name in schema.names}

    def chunks(self) -> list[Chunk]:
        """One row group each."""
        with pq.ParquetFile(self._path) as file:
            counts = [
                file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)
            ]
        chunks, place = [], 0
        for number, count in enumerate(counts):
            chunks.append(Chunk(number, start=place, stop=place + count))
            place += count
        if not place:
            raise DataError(f"Rows were expected. Received: {self.name!r}, none.")
        return chunks

    def read(self, chunk: Chunk) -> Iterator[Example]:
        """See `RawSource.read`; what is broken in a group is one example."""
        row = chunk.start
        columns = [self._content, *self._beside.values()]
        try:
            with pq.ParquetFile(self._path) as file:
                for batch in file.iter_batches(
                    _BATCH, row_groups=[chunk.number], columns=columns
                ):
                    for values in _rows(batch):
                        yield self._example(row, values)
                        row += 1
        except (OSError, pa.ArrowException) as error:
            words = f"rows {row} to {chunk.stop - 1}: {' '.join(str(error).split())}"
            problem = Problem("truncated", words[:200])
            yield Example(f"{self._path.name}#{row:09d}", None, problem=problem)

    def fingerprint(self) -> str:
        """Of the file's size and time, and of the columns."""
        found = os.stat(self._path)
        words = repr((self._content, self._beside, found.st_size, found.st_mtime_ns))
        return hashlib.sha256(f"{self.origin}{words}".encode()).hexdigest()

    def _example(self, row: int, values: dict[str, Any]) -> Example:
        name = f"{self._path.name}#{row:09d}"
        beside = {key: _words(values[column]) for key, column in self._beside.items()}
        content = values[self._content]
        if isinstance(content, dict):
            content = content.get("bytes")
        if isinstance(content, bytes) and self.kind == "text":
            example = to_example(name, content, "text")
        elif content is None:
            problem = Problem("missing", f"row {row} has no {self._content}")
            example = Example(name, None, problem=problem)
        elif isinstance(content, str):
            example = Example(name, content)
        else:
            example = to_example(name, bytes(content), self.kind)
        return with_known(example, Known(**beside))


def _is_text(type_: pa.DataType) -> bool:
    return pa.types.is_string(type_) or pa.types.is_large_string(type_)


def _holds_bytes(type_: pa.DataType) -> bool:
    if pa.types.is_struct(type_):
        place = type_.get_field_index("bytes")
        return place >= 0 and _holds_bytes(type_.field(place).type)
    return any(
        check(type_)
        for check in (
            pa.types.is_binary,
            pa.types.is_large_binary,
            pa.types.is_fixed_size_binary,
            pa.types.is_null,
        )
    )


def _rows(batch: pa.RecordBatch) -> list[dict[str, Any]]:
    """The rows, with bytes in the place of text that is no UTF-8."""
    try:
        return batch.to_pylist()
    except UnicodeDecodeError:
        columns = [
            column.cast(pa.large_binary()) if _is_text(column.type) else column
            for column in batch.columns
        ]
        return pa.RecordBatch.from_arrays(columns, batch.schema.names).to_pylist()


def _words(value: Any) -> str | None:
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    return None if value is None else str(value)
