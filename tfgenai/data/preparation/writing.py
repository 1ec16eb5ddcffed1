"""Third pass: what stays, into one Parquet file for each chunk and split."""

import dataclasses
from pathlib import Path
from typing import Any

import pyarrow as pa

from tfgenai.data.preparation.files import read_table, write_table
from tfgenai.data.raw.example import Kind

COLUMNS = ("id", "content", "label", "group", "time", "synthetic")


@dataclasses.dataclass(frozen=True)
class Writing:
    """What every process needs to write the files of chunks.

    Args:
        kind: of the data.
        work: folder of the first pass, with a "plan" beside each "contents".
        folder: where the files of the splits go.
    """

    kind: Kind
    work: Path
    folder: Path

    def work_on(self, number: int) -> int:
        """Writes the files of a chunk that are not there yet; returns its number."""
        plan = read_table(self.work / f"plan-{number:06d}.parquet").to_pylist()
        table = read_table(self.work / f"contents-{number:06d}.parquet")
        places = {name: place for place, name in enumerate(table["id"].to_pylist())}
        rows: dict[str, list[dict[str, Any]]] = {}
        for row in sorted(plan, key=lambda row: places[row["id"]]):
            rows.setdefault(row["split"], []).append(row)
        schema = split_schema(self.kind)
        for split, wanted in rows.items():
            path = self.folder / f"{split}-{number:06d}.parquet"
            if path.exists():
                continue
            contents = table["content"].take([places[row["id"]] for row in wanted])
            columns = {
                name: pa.array([row[name] for row in wanted], schema.field(name).type)
                for name in COLUMNS
                if name != "content"
            }
            columns["content"] = contents.cast(schema.field("content").type)
            table_of_split = {name: columns[name] for name in COLUMNS}
            write_table(path, pa.table(table_of_split, schema=schema))
        return number


def split_schema(kind: Kind) -> pa.Schema:
    """The columns of a split's files; the content of text is a string, else a file."""
    content = pa.large_string() if kind == "text" else pa.large_binary()
    return pa.schema(
        [
            ("id", pa.string()),
            ("content", content, False),
            ("label", pa.string()),
            ("group", pa.string()),
            ("time", pa.string()),
            ("synthetic", pa.bool_()),
        ]
    )
