"""RawSource: where examples come from one by one, whether they can be read or not."""

import abc
import dataclasses
import os
import pathlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from tfgenai.core.errors import DataError, DataNotFoundError
from tfgenai.core.registry import Registry
from tfgenai.data.raw.example import Example, Kind

RAW_SOURCES: Registry[Callable[..., "RawSource"]] = Registry("source")


@dataclasses.dataclass(frozen=True)
class Chunk:
    """A stretch of a source that is read in one go; small enough for memory.

    Chunks depend on the source alone, not on who reads them: work that is divided by
    chunks has one result however many share it.

    Args:
        number: place among the chunks of the source, from 0.
        names: the ids of its examples if they are known beforehand (files), in order.
        file: the file that its rows are in, relative to the source; "" of files.
        start: first row.
        stop: row behind the last.
    """

    number: int
    names: tuple[str, ...] = ()
    file: str = ""
    start: int = 0
    stop: int = 0


class RawSource(abc.ABC):
    """A set of examples as they came. Cheap to pickle; opens nothing before `read`.

    Attributes:
        kind: "images", "text" or "sound".
        name: name of the set, or path.
        origin: where it comes from, with versions, for the card.
        licence: licence of the data.
        homepage: address to read more at, or "".
    """

    kind: Kind
    name: str
    origin: str
    licence: str = "unknown; ask whoever made the data"
    homepage: str = ""

    @abc.abstractmethod
    def chunks(self) -> Sequence[Chunk]:
        """All stretches, in an order that is always the same.

        Raises:
            DataError: if there is nothing to read.
        """

    @abc.abstractmethod
    def read(self, chunk: Chunk) -> Iterator[Example]:
        """The examples of one stretch, in order.

        What cannot be read is an `Example` with a `problem`, never an exception.
        """

    def notices(self) -> list[str]:
        """What was passed over, in words with counts: files of other kinds, say."""
        return []

    def fingerprint(self) -> str:
        """Changes when the files do: what a restarted run compares.

        By default the names, sizes and times of what `chunks` lists are not known;
        sources override this.
        """
        return self.origin


def open_raw(
    name_or_path: "str | os.PathLike[str] | RawSource",
    *,
    kind: Kind | None = None,
    **options: Any,
) -> RawSource:
    """Finds the raw source that a name or a path stands for.

    Args:
        name_or_path: an embedded set ("digits", "pydoc_topics", "plucked_strings"),
            "tfds:NAME", a folder, a pattern ("texts/*.txt"), or a file: .npz, .parquet,
            .tfrecord, .jsonl, .csv, .txt.
        kind: "images", "text" or "sound"; None: by what is found.
        **options: arguments of the source, such as `labels`.

    Raises:
        DataNotFoundError: if there is no such set or file; names the nearest.
        DataError: if what is found is not of the kind, or of no known one.
    """
    from tfgenai.data.raw.opening import find

    if isinstance(name_or_path, RawSource):
        return name_or_path
    if not isinstance(name_or_path, (str, pathlib.PurePath)) or not str(name_or_path):
        raise DataNotFoundError(
            "The name of a set or a path was expected. Received: "
            f"name_or_path={name_or_path!r}. Give a folder such as './photos'."
        )
    source = find(str(name_or_path), kind=kind, **options)
    if kind is not None and source.kind != kind:
        raise DataError(
            f"A source of {kind} was expected. Received: "
            f"name_or_path={str(name_or_path)!r}, which holds {source.kind}. Give "
            f"kind={source.kind!r}, or another path."
        )
    return source
