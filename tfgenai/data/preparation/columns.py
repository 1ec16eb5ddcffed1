"""Facts of all examples, in columns, given out one rule at a time."""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute

from tfgenai.core.errors import DataError
from tfgenai.data.clean.facts import Facts
from tfgenai.data.clean.rule import SetRule
from tfgenai.data.preparation.files import from_columns, read_table
from tfgenai.data.preparation.survey import Survey


def read_survey(survey: Survey, numbers: Sequence[int]) -> tuple[pa.Table, np.ndarray]:
    """All examples in the order of their ids, and the chunk of each.

    Raises:
        DataError: if two have one id.
    """
    tables = [read_table(survey.path("survey", number)) for number in numbers]
    chunks = np.repeat(np.asarray(numbers, np.int64), [len(table) for table in tables])
    table = pa.concat_tables(tables)
    order = pa.compute.sort_indices(table["id"])
    table, chunks = table.take(order).combine_chunks(), chunks[order.to_numpy()]
    ids = table["id"].to_pylist()
    for one, two in itertools.pairwise(ids):
        if one == two:
            raise DataError(
                f"An id for each example was expected. Received: {survey.source.name!r}"
                f" with {one!r} twice."
            )
    return table, chunks


class FactColumns:
    """The facts of all examples, of which those of one rule are in memory at a time.

    Args:
        survey: the first pass.
        numbers: its chunks.
        table: what `read_survey` returned.
    """

    def __init__(self, survey: Survey, numbers: Sequence[int], table: pa.Table) -> None:
        self._survey, self._numbers = survey, numbers
        self._ids = table["id"].to_pylist()
        self._labels = table["label"].to_pylist()
        self._splits = table["given_split"].to_pylist()
        self._sha256 = table["sha256"].to_pylist()
        self._place: np.ndarray | None = None
        self._loaded: dict[str, dict[str, Any]] = {}

    def of(self, rows: np.ndarray, rule: SetRule | None = None) -> Facts:
        """The facts of some rows; of all rules none, or those of one rule."""
        columns = {} if rule is None else self._columns(rule.name)
        if columns:
            places = self._places()[rows]
            columns = {name: _taken(column, places) for name, column in columns.items()}
        wanted = rows.tolist()
        return Facts(
            [self._ids[row] for row in wanted],
            [self._labels[row] for row in wanted],
            [self._splits[row] for row in wanted],
            [self._sha256[row] for row in wanted],
            columns,
        )

    def _columns(self, rule: str) -> dict[str, Any]:
        if rule not in self._loaded:
            parts: dict[str, list[pa.ChunkedArray]] = {}
            for number in self._numbers:
                table = read_table(self._survey.path("facts", number))
                for name in table.column_names:
                    if name.startswith(f"{rule}.") and len(table):
                        parts.setdefault(name.split(".", 1)[1], []).append(table[name])
            # The facts of one rule at a time: together they would be gigabytes.
            self._loaded = {
                rule: {name: from_columns(part) for name, part in parts.items()}
            }
        return self._loaded[rule]

    def _places(self) -> np.ndarray:
        """For each row its place in the files of facts, -1 if it has none."""
        if self._place is None:
            stored = [
                name
                for number in self._numbers
                for name in read_table(self._survey.path("facts", number), ["id"])[
                    "id"
                ].to_pylist()
            ]
            places = {name: place for place, name in enumerate(stored)}
            self._place = np.array([places.get(name, -1) for name in self._ids])
        return self._place


def _taken(column: Any, places: np.ndarray) -> Any:
    if isinstance(column, np.ndarray):
        return column[places]
    return [column[place] for place in places.tolist()]
