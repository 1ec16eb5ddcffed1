"""A raw source in memory, for tests of what is done with raw data."""

import dataclasses
import hashlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tfgenai.core.numpy_random import numpy_generator
from tfgenai.data.raw import Chunk, Example, RawSource


class FakeSource(RawSource):
    """Given examples, `chunk_size` in a chunk; reading `dies_at` kills the process."""

    origin = "memory"
    name = "fake"

    def __init__(
        self, examples, *, kind="images", chunk_size=16, dies_at=None, log=None
    ):
        self.kind = kind
        self.examples = list(examples)
        self.chunk_size = chunk_size
        self.dies_at = dies_at
        self.log = log

    def chunks(self) -> list[Chunk]:
        starts = range(0, len(self.examples), self.chunk_size)
        return [
            Chunk(i, start=a, stop=min(a + self.chunk_size, len(self.examples)))
            for i, a in enumerate(starts)
        ]

    def read(self, chunk: Chunk) -> Iterator[Example]:
        if self.dies_at == chunk.number:
            os.kill(os.getpid(), signal.SIGKILL)
        if self.log is not None:
            with open(self.log, "a") as file:
                file.write(f"{chunk.number}\n")
        yield from self.examples[chunk.start : chunk.stop]

    def fingerprint(self) -> str:
        digest = hashlib.sha256(self.origin.encode())
        for example in self.examples:
            digest.update(example.id.encode())
            digest.update(example.sha256())
        return digest.hexdigest()

    def chunks_read(self) -> list[int]:
        return sorted(map(int, Path(self.log).read_text().split()))


def pictures(n: int, *, size: int = 6, seed: int = 0) -> list[Example]:
    """Different random pictures of ten classes, ten of each group."""
    pixels = numpy_generator(seed).integers(0, 256, (n, size, size, 1))
    return [
        Example(
            f"{i:05d}.png",
            image.astype(np.uint8),
            label=str(i % 10),
            group=f"g{i // 10}",
            time=f"2026-01-{i % 28 + 1:02d}",
        )
        for i, image in enumerate(pixels)
    ]


def renamed(example: Example, name: str, **changes) -> Example:
    return dataclasses.replace(example, id=name, **changes)


def tree(folder: Path) -> dict[str, bytes]:
    """All files below a folder, by their names."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
