"""Prepared: a folder that `prepare` made, to read and to look at."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tfgenai.core.errors import DataError, DataNotFoundError
from tfgenai.data.card import DatasetCard
from tfgenai.data.preparation.contents import decode_content
from tfgenai.data.preparation.files import read_table
from tfgenai.data.raw.example import Example, Kind

_FILES = ("card.json", "ledger.parquet", "recipe.yaml", "data")
_NAME = re.compile(r"(?P<split>.+)-\d{6}\.parquet")


def is_prepared(path: "str | os.PathLike[str]") -> bool:
    """Whether a folder is one that `prepare` made."""
    return all((Path(path) / name).exists() for name in _FILES)


class Prepared:
    """A prepared set.

    Args:
        path: the folder.

    Attributes:
        path: the folder.
        card: its `DatasetCard`.
        kind: "images", "text" or "sound".

    Raises:
        DataNotFoundError: if it is no such folder.
    """

    def __init__(self, path: "str | os.PathLike[str]") -> None:
        self.path = Path(path)
        if not is_prepared(self.path):
            raise DataNotFoundError(
                "A folder that `tfgenai data prepare` made was expected. Received: "
                f"path={str(path)!r}. Prepare the data first."
            )
        self.card = DatasetCard.load(self.path / "card.json")
        self.kind: Kind = (self.card.preparation or {})["kind"]

    def split_names(self) -> list[str]:
        """Names of the splits, training first."""
        return list(self.card.splits)

    def ledger(self) -> pa.Table:
        """The fate of every raw example; see `make_ledger`."""
        return read_table(self.path / "ledger.parquet")

    def previews(self) -> pa.Table:
        """Some examples of what each rule found; see `choose_previews`."""
        return read_table(self.path / "previews.parquet")

    def files(self, split: str) -> list[Path]:
        """The Parquet files of a split, in order."""
        if split not in self.card.splits:
            raise DataError(
                f"A split of {str(self.path)!r} was expected, one of "
                f"{self.split_names()}. Received: split={split!r}."
            )
        found = []
        for path in sorted((self.path / "data").iterdir()):
            match = _NAME.fullmatch(path.name)
            if match and match["split"] == split:
                found.append(path)
        return found

    def columns(self, split: str, *names: str) -> pa.Table:
        """Columns of a split beside its contents: `id`, `label`, `group`, ..."""
        tables = [read_table(path, names) for path in self.files(split)]
        return pa.concat_tables(tables) if tables else pa.table({n: [] for n in names})

    def read(self, split: str) -> Iterator[Example]:
        """The examples of a split, one by one, never more than a group in memory."""
        for path in self.files(split):
            for batch in pq.ParquetFile(path).iter_batches(256):
                for row in batch.to_pylist():
                    yield self._example(row, split)

    def _example(self, row: dict[str, Any], split: str) -> Example:
        content, data = row["content"], None
        if self.kind != "text":
            data = content
            content = decode_content(data, self.kind)
        return Example(
            row["id"],
            content,
            label=row["label"],
            group=row["group"],
            time=row["time"],
            split=split,
            data=data,
            synthetic=row["synthetic"],
        )
