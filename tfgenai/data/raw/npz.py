"""Images and labels in an .npz file of NumPy arrays."""

import hashlib
import math
import os
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tfgenai.core.errors import DataError, DataNotFoundError
from tfgenai.data.raw.example import Example, Problem
from tfgenai.data.raw.source import Chunk, RawSource

_IMAGES = ("images", "x", "x_train", "data", "arr_0")
_LABELS = ("labels", "y", "y_train", "targets", "arr_1")
_BYTES_IN_CHUNK = 32 * 2**20
# A RuntimeError tells of a password, NotImplementedError of an unknown compression.
_BROKEN = (OSError, ValueError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error)


class NpzImages(RawSource):
    """Images of one array, a part at a time. Objects, which may hold code, are refused.

    Args:
        path: the file.
        images: name of the array, uint8 `(n, height, width[, channels])`; None looks
            for "images", "x", "x_train", "data", "arr_0".
        labels: name of the array of integers or strings `(n,)`; None likewise; "none"
            for no labels.

    Raises:
        DataNotFoundError: if there is no such file.
        DataError: if it is cut off, or arrays are missing, of another type, or do not
            fit together.
    """

    kind = "images"

    def __init__(
        self,
        path: "str | os.PathLike[str]",
        *,
        images: str | None = None,
        labels: str | None = None,
    ) -> None:
        self._path = Path(path).expanduser()
        self.name = os.fspath(path)
        if not self._path.is_file():
            raise DataNotFoundError(
                f"A file that exists was expected. Received: path={self.name!r}."
            )
        self.origin = f"file {self._path.resolve()}"
        try:
            with zipfile.ZipFile(self._path) as archive:
                names = [name.removesuffix(".npy") for name in archive.namelist()]
                self._images = self._choose(images, _IMAGES, names)
                self._shape, dtype, self._offset = _header(archive, self._images)
                whole = archive.getinfo(f"{self._images}.npy").file_size
                held = whole - self._offset
            self._labels = None
            if labels != "none" and (labels or set(_LABELS) & set(names)):
                chosen = self._choose(labels, _LABELS, names)
                with np.load(self._path, allow_pickle=False) as arrays:
                    self._labels = [str(label) for label in arrays[chosen].tolist()]
        except DataError:
            raise
        except _BROKEN as error:
            raise DataError(
                "A whole .npz file of numbers was expected. Received: "
                f"path={self.name!r} ({error}). Save it again with numpy.savez."
            ) from error
        is_image = len(self._shape) == 3 or (
            len(self._shape) == 4 and self._shape[3] in (1, 3)
        )
        if dtype != np.uint8 or not is_image or min(self._shape) < 1:
            raise DataError(
                "uint8 images (n, height, width) or (n, height, width, 1 or 3) were "
                f"expected. Received: {self._images!r} of {dtype} {self._shape}."
            )
        if math.prod(self._shape) != held:
            raise DataError(
                f"{self._images!r} of {self._shape} was expected. Received: "
                f"{self.name!r} with {held:,} bytes of it."
            )
        if self._labels is not None and len(self._labels) != self._shape[0]:
            raise DataError(
                f"{self._shape[0]} labels were expected. Received: "
                f"{len(self._labels)} in {self.name!r}."
            )

    def chunks(self) -> list[Chunk]:
        """About 32 MiB of pixels each."""
        count = self._shape[0]
        step = max(1, _BYTES_IN_CHUNK // math.prod(self._shape[1:]))
        return [
            Chunk(i, start=a, stop=min(a + step, count))
            for i, a in enumerate(range(0, count, step))
        ]

    def read(self, chunk: Chunk) -> Iterator[Example]:
        """See `RawSource.read`; a stretch that is broken is one example."""
        size = math.prod(self._shape[1:])
        count = chunk.stop - chunk.start
        try:
            with (
                zipfile.ZipFile(self._path) as archive,
                archive.open(f"{self._images}.npy") as file,
            ):
                file.seek(self._offset + chunk.start * size)
                data = file.read(count * size)
            if len(data) != count * size:
                raise EOFError(f"{len(data):,} bytes of {count * size:,}")
        except _BROKEN as error:
            words = f"rows {chunk.start} to {chunk.stop - 1}: {error}"
            name = f"{self._path.name}#{chunk.start:09d}"
            yield Example(name, None, problem=Problem("truncated", words[:200]))
            return
        pixels = np.frombuffer(data, np.uint8).reshape(count, *self._shape[1:])
        if pixels.ndim == 3:
            pixels = pixels[..., np.newaxis]
        for row, image in enumerate(pixels, start=chunk.start):
            label = None if self._labels is None else self._labels[row]
            yield Example(f"{self._path.name}#{row:09d}", image.copy(), label=label)

    def fingerprint(self) -> str:
        """Of the file's size and time."""
        found = os.stat(self._path)
        words = f"{self.origin}\0{found.st_size}\0{found.st_mtime_ns}\0{self._images}"
        return hashlib.sha256(words.encode()).hexdigest()

    def _choose(
        self, given: str | None, usual: tuple[str, ...], names: list[str]
    ) -> str:
        chosen = given or next((name for name in usual if name in names), None)
        if chosen is None or chosen not in names:
            raise DataError(
                f"An array {given or ' or '.join(usual)} was expected. Received: "
                f"{self.name!r} with {names}."
            )
        return chosen


def _header(
    archive: zipfile.ZipFile, name: str
) -> tuple[tuple[int, ...], np.dtype, int]:
    """Shape and type of an array in C order, and where its numbers begin."""
    with archive.open(f"{name}.npy") as file:
        version = np.lib.format.read_magic(file)
        reader = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }.get(version)
        if reader is None:
            raise ValueError(f"array format {version} is unknown")
        shape, is_fortran, dtype = reader(file)
        if is_fortran or dtype.hasobject:
            raise ValueError(f"{name} is in Fortran's order or holds objects")
        return shape, dtype, file.tell()
