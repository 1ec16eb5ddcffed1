"""A folder of sound files, with one folder for each class or none at all."""

import collections
import concurrent.futures
import os
import pathlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tfgenai.core.errors import DataError, DataNotFoundError
from tfgenai.data.raw.example import Sound
from tfgenai.data.raw.sound_files import (
    EXTENSIONS,
    SoundHeader,
    header_of_sound,
    read_sound,
)
from tfgenai.data.sources.sound_records import SoundRecords, converted
from tfgenai.data.sources.sound_source import SOUND_SOURCES, SoundSource
from tfgenai.data.split import cut, stratified_order

_SPLIT_NAMES = frozenset(("train", "test", "val", "valid", "validation"))
_TEST_SHARE = 0.1
_SPLIT_SEED = 0  # fixed, so that nobody's test split is another's training split
_LISTED = 5  # offenders that an error names
_THREADS = 2
_READ_BATCH = 64
_SYSTEM_FILES = frozenset(("thumbs.db", "desktop.ini", "__macosx"))


@SOUND_SOURCES.register("folder")
class SoundFolder(SoundSource):
    """Sound files in a folder: .wav, .flac and .ogg.

    Laid out in one of these ways, with folders for classes or without:

        DIR/train/CLASS/*.wav  DIR/test/CLASS/*.wav    given splits
        DIR/CLASS/*.wav                                no splits

    Without given splits, "train" is 90 % and "test" 10 %, stratified, exact copies on
    one side, chosen once and for all; "all" is both. Classes are numbered in the
    order of their sorted names. Hidden files are ignored; anything else that is not
    sound is an error, before training starts.

    Args:
        path: the folder.
        data_dir: not used.

    Raises:
        DataNotFoundError: if it does not exist.
        DataError: if it holds no sound, or other things too.
    """

    def __init__(self, path: str, *, data_dir: Any = None) -> None:
        self._folder = pathlib.Path(path).expanduser()
        if not self._folder.is_dir():
            raise DataNotFoundError(
                "A folder of sound that exists was expected. Received: "
                f"path={os.fspath(path)!r}. Check the path, or give the name of a set."
            )
        self.name = os.fspath(path)
        self.origin = f"folder {self._folder.resolve()}"
        inside = [entry for entry in sorted(self._folder.iterdir()) if _visible(entry)]
        self._has_splits = bool(inside) and all(
            entry.is_dir() and entry.name in _SPLIT_NAMES for entry in inside
        )
        roots = (
            {entry.name: entry for entry in inside}
            if self._has_splits
            else {"all": self._folder}
        )
        self._files = {name: _list_sounds(root) for name, root in roots.items()}
        names = {key for files in self._files.values() for key, _ in files}
        if None in names and len(names) > 1:
            raise DataError(
                "Either a folder for each class or none was expected. Received: "
                f"path={self.name!r}, in which sounds lie beside the folders "
                f"{sorted(filter(None, names))[:_LISTED]}. Move them into one."
            )
        self.class_names = None if None in names else sorted(filter(None, names))
        self._headers: dict[pathlib.Path, SoundHeader] = {}
        self._read: dict[Any, SoundRecords] = {}

    def split_names(self) -> list[str]:
        """See `SoundSource.split_names`."""
        return list(self._files) if self._has_splits else ["train", "test", "all"]

    def read(
        self,
        split: str,
        *,
        sample_rate: int | None = None,
        channels: int | None = None,
        memory_limit: int | None = None,
    ) -> SoundRecords:
        """See `SoundSource.read`; all files are decoded once, to find broken ones."""
        self.require_split(split)
        if self._has_splits:
            return self._read_files(split, sample_rate, channels, memory_limit)
        key = (sample_rate, channels, memory_limit)
        if key not in self._read:
            self._read = {key: self._read_files("all", *key)}
        records = self._read[key]
        if split == "all":
            return records
        groups = records.groups()
        order = stratified_order(records.labels, groups, seed=_SPLIT_SEED)
        place = cut(order, groups, round(len(order) * (1 - _TEST_SHARE)))
        rows = np.sort(order[:place] if split == "train" else order[place:])
        if not len(rows):
            raise DataError(
                f"Sounds were expected. Received: split={split!r} of {self.name!r}, "
                f"which has {len(order)}, too few to part. Use split='all'."
            )
        return records.take(rows)

    def _read_files(
        self,
        split: str,
        sample_rate: int | None,
        channels: int | None,
        memory_limit: int | None,
    ) -> SoundRecords:
        """Decodes all files of a split once; they are kept if the limit allows it."""
        sample_rate = self._common("sample_rate", sample_rate, "Hz")
        channels = self._common("channels", channels, "channels")
        paths = [path for _, path in self._files[split]]
        labels = None
        if self.class_names is not None:
            numbers = {name: i for i, name in enumerate(self.class_names)}
            labels = np.array(
                [numbers[str(name)] for name, _ in self._files[split]], np.int32
            )
        total = sum(
            max(1, round(header.num_samples * sample_rate / header.sample_rate))
            for header in map(self._headers.__getitem__, paths)
        )
        in_memory = memory_limit is None or 4 * total * channels <= memory_limit

        def load(path: pathlib.Path) -> Sound:
            return converted(read_sound(path), sample_rate, channels)

        return SoundRecords.of(
            self._whole_ones(paths, load),
            labels,
            [self._id(path) for path in paths],
            total=total,
            fetch=None if in_memory else _fetcher(paths, load),
        )

    def _whole_ones(
        self, paths: list[pathlib.Path], load: Callable[[pathlib.Path], Sound]
    ) -> Iterator[Sound]:
        """All sounds in order; raises after the last if some were broken."""
        broken: list[str] = []

        def attempt(path: pathlib.Path) -> Sound | str:
            try:
                return load(path)
            except ValueError as error:
                return f"{self._id(path)} ({error})"

        with concurrent.futures.ThreadPoolExecutor(_THREADS) as pool:
            for start in range(0, len(paths), _READ_BATCH):
                found = list(pool.map(attempt, paths[start : start + _READ_BATCH]))
                broken += [each for each in found if isinstance(each, str)]
                if not broken:
                    yield from (each for each in found if isinstance(each, Sound))
        self._refuse_broken(broken, len(paths))

    def _common(self, field: str, wanted: int | None, unit: str) -> int:
        """The rate, or number of channels, of all files, by their headers."""
        headers = self._all_headers()
        if wanted is not None:
            return wanted
        values = collections.Counter(getattr(h, field) for h in headers.values())
        most = values.most_common(1)[0][0]
        if len(values) > 1:
            others = [
                f"{self._id(path)} ({getattr(header, field)})"
                for path, header in headers.items()
                if getattr(header, field) != most
            ]
            raise DataError(
                f"Sounds of one {field} were expected, or {field}. Received: path="
                f"{self.name!r} with {sorted(values)}; most have {most} {unit}, but "
                f"not {_listing(others)}. Give {field}={most}, for example."
            )
        return most

    def _all_headers(self) -> dict[pathlib.Path, SoundHeader]:
        if not self._headers:
            broken, headers = [], {}
            for path in (path for files in self._files.values() for _, path in files):
                try:
                    headers[path] = header_of_sound(path)
                except (OSError, ValueError) as error:
                    broken.append(f"{self._id(path)} ({error})")
            self._refuse_broken(broken, len(broken) + len(headers))
            self._headers = headers
        return self._headers

    def _refuse_broken(self, broken: list[str], count: int) -> None:
        if broken:
            raise DataError(
                f"Whole sound files were expected. Received: path={self.name!r}, in "
                f"which {len(broken)} of {count} cannot be decoded: "
                f"{_listing(broken)}. Replace or remove them."
            )

    def _id(self, path: pathlib.Path) -> str:
        return path.relative_to(self._folder).as_posix()


def _list_sounds(root: pathlib.Path) -> list[tuple[str | None, pathlib.Path]]:
    """Names of classes and paths of all sound files under a folder, sorted."""
    sounds: list[tuple[str | None, pathlib.Path]] = []
    others, empty = [], []

    def refuse(error: OSError) -> None:
        raise DataError(
            "A folder that may be read was expected. Received: "
            f"path={error.filename!r} ({error.strerror}). Change its permissions."
        ) from error

    for folder, folders, files in os.walk(root, onerror=refuse):
        folders[:] = sorted(n for n in folders if _visible(pathlib.Path(n)))
        names = sorted(name for name in files if _visible(pathlib.Path(name)))
        if not folders and not names and pathlib.Path(folder) != root:
            empty.append(pathlib.Path(folder).relative_to(root).as_posix())
        for name in names:
            path = pathlib.Path(folder, name)
            inside = path.relative_to(root)
            if path.suffix.lower() in EXTENSIONS:
                is_inside = len(inside.parts) > 1
                sounds.append((inside.parts[0] if is_inside else None, path))
            else:
                others.append(inside.as_posix())
    problem = ""
    if others:
        problem = f"{len(others)} files that are no sound: {_listing(others)}"
    elif empty:
        problem = f"{len(empty)} empty folders: {_listing(empty)}"
    elif not sounds:
        problem = "no sound"
    if problem:
        raise DataError(
            "A folder that holds sound and nothing else was expected. Received: "
            f"path={os.fspath(root)!r} with {problem}. Sounds end in "
            f"{', '.join(sorted(EXTENSIONS))}; remove or move what is none."
        )
    return sounds


def _fetcher(
    paths: list[pathlib.Path], load: Callable[[pathlib.Path], Sound]
) -> Callable[[int], np.ndarray]:
    def fetch(number: int) -> np.ndarray:
        path = paths[number]
        try:
            return load(path).samples
        except ValueError as error:
            raise DataError(
                f"A whole sound file was expected. Received: {str(path)!r} ({error}), "
                "which was whole when training began. Restore it and resume."
            ) from error

    return fetch


def _visible(path: pathlib.Path) -> bool:
    return not path.name.startswith(".") and path.name.lower() not in _SYSTEM_FILES


def _listing(names: list[str]) -> str:
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more
