"""Labels of files: from their folders, their names, or a table."""

import csv
import dataclasses
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, overload

from tfgenai.core.errors import ConfigError, DataError
from tfgenai.data.raw.example import Example

_NAME_COLUMNS = ("id", "file", "path", "filename", "file_name")
_GROUPS = ("label", "group", "time", "split")


@dataclasses.dataclass(frozen=True)
class Known:
    """What is known of an example beside its content; all of it may be None.

    Args:
        label: name of its class.
        group: what stays together.
        time: when it was made.
        split: the split it was given.
    """

    label: str | None = None
    group: str | None = None
    time: str | None = None
    split: str | None = None


def with_known(example: Example, known: Known) -> Example:
    """The example with what is known of it."""
    return dataclasses.replace(
        example,
        label=printable(known.label),
        group=printable(known.group),
        time=printable(known.time),
        split=printable(known.split),
    )


@overload
def printable(text: str) -> str: ...
@overload
def printable(text: None) -> None: ...
def printable(text: str | None) -> str | None:
    r"""Text that UTF-8 can write: lone surrogates, as in names of files, are spelt out.

    Example:
        >>> printable("a" + chr(0xDCFF))
        'a\\udcff'
    """
    return text and text.encode("utf-8", "backslashreplace").decode("utf-8")


def read_table(path: Path) -> dict[str, Known]:
    """Reads a table of labels.

    Args:
        path: a .csv file with a header, or a .jsonl file of objects. A column `id` (or
            `file`, `path`, `filename`) names the file, relative to the data; `label`,
            `group`, `time` and `split` are optional.

    Returns:
        What is known of each name.

    Raises:
        DataError: if it cannot be read, or says two things of one file; names the line.
    """
    known: dict[str, Known] = {}
    for line, row in rows_of_table(path):
        column = next((name for name in _NAME_COLUMNS if row.get(name)), None)
        if column is None:
            raise DataError(
                f"A column of {list(_NAME_COLUMNS)} was expected. Received: "
                f"{path.name!r}, line {line}, with {sorted(map(str, row))}."
            )
        name = str(row[column]).replace("\\", "/").removeprefix("./")
        one = Known(**{key: _text(row.get(key)) for key in _GROUPS})
        if known.setdefault(name, one) != one:
            raise DataError(
                f"One row for each file was expected. Received: {path.name!r}, line "
                f"{line}, which says other things of {name!r} than a line before."
            )
    return known


def rows_of_table(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The rows of a .csv or .jsonl file and their lines, one at a time.

    Raises:
        DataError: if the file cannot be read; names the line.
    """
    line = 0
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            if path.suffix.lower() == ".csv":
                reader = csv.DictReader(file, strict=True)
                if not set(_NAME_COLUMNS) & set(reader.fieldnames or ()):
                    raise ValueError(
                        f"no column of {list(_NAME_COLUMNS)}, but {reader.fieldnames}"
                    )
                for row in reader:
                    line = reader.line_num
                    yield line, row
                return
            for line, text in enumerate(file, start=1):
                if text.strip():
                    row = json.loads(text)
                    if not isinstance(row, dict):
                        raise ValueError("no JSON object")
                    yield line, row
    except (OSError, ValueError, RecursionError, csv.Error) as error:
        raise DataError(
            f"A table that can be read was expected. Received: {str(path)!r}, line "
            f"{line}: {error}. Correct it there."
        ) from error


def compile_pattern(pattern: str) -> re.Pattern[str]:
    r"""A pattern of file names with groups that say what is known.

    Args:
        pattern: a regular expression with named groups `label`, `group`, `time` or
            `split`, for example `(?P<label>\d)_(?P<group>[a-z]+)_\d+`.

    Raises:
        ConfigError: if it is none, or has other groups.
    """
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise ConfigError(
            f"A regular expression was expected. Received: pattern={pattern!r} "
            f"({error})."
        ) from error
    names = set(compiled.groupindex)
    if not names or not names <= set(_GROUPS):
        raise ConfigError(
            f"Named groups among {list(_GROUPS)} were expected. Received: "
            f"pattern={pattern!r} with {sorted(names)}. Write (?P<label>...)."
        )
    return compiled


def by_pattern(pattern: re.Pattern[str], name: str) -> Known:
    """What a file's name says; nothing if it does not match."""
    match = pattern.search(Path(name).stem)
    return Known() if match is None else Known(**match.groupdict())


def _text(value: Any) -> str | None:
    if value is None or value == "":
        return None
    return str(value)
