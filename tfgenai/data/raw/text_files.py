"""Text files: one file in passages, or the files of a pattern."""

import glob
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from tfgenai.core.errors import ConfigError, DataNotFoundError
from tfgenai.data.raw.example import Example
from tfgenai.data.raw.labels import printable
from tfgenai.data.raw.reading import (
    MAX_TEXT_BYTES,
    of_file,
    to_example,
    too_large,
    unreadable,
)
from tfgenai.data.raw.source import Chunk, RawSource

_BLOCK = 2**20
_BYTES_IN_CHUNK = 8 * 2**20


class TextFiles(RawSource):
    """Documents of text files, read in stretches: a file may be larger than memory.

    Args:
        path: a file, or a pattern such as "texts/*.txt".
        separator: what stands between the documents of a file, for example two line
            breaks between paragraphs or speeches; None takes each file as one.

    Raises:
        DataNotFoundError: if there is no such file.
    """

    kind = "text"

    def __init__(
        self, path: "str | os.PathLike[str]", *, separator: str | None = None
    ) -> None:
        self.name = os.fspath(path)
        if separator == "":
            raise ConfigError("A separator, or None, was expected. Received: ''.")
        found = [self.name] if os.path.isfile(self.name) else []
        found = found or sorted(glob.glob(self.name, recursive=True))
        self._files = [name for name in found if os.path.isfile(name)]
        if not self._files:
            raise DataNotFoundError(
                f"Text files were expected. Received: path={self.name!r}, which names "
                "none. Check the path."
            )
        self._separator = separator
        self.origin = f"files {os.path.abspath(self.name)}"

    def chunks(self) -> list[Chunk]:
        """Single files, or stretches of about 8 MiB that end behind a separator."""
        chunks: list[Chunk] = []
        for name in self._files:
            if self._separator is None:
                chunks.append(Chunk(len(chunks), file=name))
                continue
            for start, stop in _stretches(name, self._separator.encode()):
                chunks.append(Chunk(len(chunks), file=name, start=start, stop=stop))
        return chunks

    def read(self, chunk: Chunk) -> Iterator[Example]:
        """See `RawSource.read`; empty documents are no documents."""
        name = Path(chunk.file).name if len(self._files) == 1 else chunk.file
        if self._separator is None:
            yield of_file(name, Path(chunk.file), "text")
            return
        name = printable(name)
        size = chunk.stop - chunk.start
        if size > MAX_TEXT_BYTES:
            yield too_large(f"{name}#{chunk.start:012d}", size, MAX_TEXT_BYTES)
            return
        try:
            with open(chunk.file, "rb") as file:
                file.seek(chunk.start)
                data = file.read(size)
        except OSError as error:
            yield unreadable(f"{name}#{chunk.start:012d}", error)
            return
        mark, place = self._separator.encode(), chunk.start
        for document in data.split(mark):
            if document.strip():
                yield to_example(f"{name}#{place:012d}", document, "text")
            place += len(document) + len(mark)

    def fingerprint(self) -> str:
        """Of the names, sizes and times of the files."""
        digest = hashlib.sha256(repr(self._separator).encode())
        for name in self._files:
            found = os.stat(name)
            words = f"{name}\0{found.st_size}\0{found.st_mtime_ns}\0"
            digest.update(words.encode("utf-8", "surrogateescape"))
        return digest.hexdigest()


def _stretches(name: str, mark: bytes) -> Iterator[tuple[int, int]]:
    """Ranges of bytes that end behind a separator, or with the file."""
    size, start = os.path.getsize(name), 0
    with open(name, "rb") as file:
        while start < size:
            place = start + _BYTES_IN_CHUNK
            stop, tail = size, b""
            while place < size:
                file.seek(place)
                block = tail + file.read(_BLOCK)
                found = block.find(mark)
                if found >= 0:
                    stop = place - len(tail) + found + len(mark)
                    break
                place += len(block) - len(tail)
                tail = block[-(len(mark) - 1) :] if len(mark) > 1 else b""
            yield start, stop
            start = stop
