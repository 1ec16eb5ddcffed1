"""Parquet files of a preparation: written beside and renamed, the same bytes always."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tfgenai.core import storage
from tfgenai.core.errors import DataError

_ROWS_IN_GROUP = 1024  # so that a reader need not hold a whole file


def write_table(path: Path, table: pa.Table) -> None:
    """Writes a table so that it is there completely or not at all.

    Raises:
        StorageError: if the folder cannot be written to.
    """
    with storage.atomic_file(path) as beside:
        pq.write_table(table, beside, compression="zstd", row_group_size=_ROWS_IN_GROUP)


def read_table(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """Reads a table.

    Raises:
        DataError: if the file is missing, cut off, or no Parquet.
    """
    try:
        # One thread: memory stays that of one column at a time.
        return pq.ParquetFile(path, memory_map=False).read(
            columns=None if columns is None else list(columns), use_threads=False
        )
    except (OSError, pa.ArrowException) as error:
        raise DataError(
            f"A whole Parquet file was expected. Received: path={str(path)!r} "
            f"({error}). Prepare the data again."
        ) from error


def to_column(values: Sequence[Any]) -> pa.Array:
    """An Arrow column of facts: numbers, strings, bytes, or vectors.

    Vectors of one length become lists of fixed size; uint64 vectors, whose lengths may
    differ, become lists.
    """
    first = values[0]
    if not isinstance(first, np.ndarray):
        return pa.array(
            [
                value.item() if isinstance(value, np.generic) else value
                for value in values
            ]
        )
    flat = pa.array(np.concatenate(values))
    if first.dtype == np.uint64:
        ends = np.cumsum([0, *map(len, values)]).astype(np.int32)
        return pa.ListArray.from_arrays(pa.array(ends), flat)
    return pa.FixedSizeListArray.from_arrays(flat, len(first))


def from_columns(parts: Iterable[pa.ChunkedArray]) -> "np.ndarray | list[Any]":
    """What `to_column` was given, over all parts: arrays, or lists where they must be.

    Vectors of one length come back as `(n, k)`; numbers as `(n,)`; strings and bytes
    as a list; vectors of differing lengths as a list of arrays.
    """
    chunks = [chunk for part in parts for chunk in part.chunks]
    kind = chunks[0].type
    if pa.types.is_fixed_size_list(kind):
        vectors = [chunk.flatten().to_numpy(zero_copy_only=False) for chunk in chunks]
        return np.concatenate(vectors).reshape(-1, kind.list_size)
    if pa.types.is_list(kind):
        return [
            vector
            for chunk in chunks
            for vector in np.split(
                chunk.flatten().to_numpy(zero_copy_only=False),
                (chunk.offsets.to_numpy()[1:-1] - chunk.offsets[0].as_py()),
            )
        ]
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return np.concatenate(
            [chunk.to_numpy(zero_copy_only=False) for chunk in chunks]
        )
    if pa.types.is_boolean(kind):
        return np.concatenate(
            [chunk.to_numpy(zero_copy_only=False) for chunk in chunks]
        )
    return [value for chunk in chunks for value in chunk.to_pylist()]
