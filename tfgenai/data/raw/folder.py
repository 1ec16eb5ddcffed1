"""A folder of files, one example each: images, texts or sounds."""

import collections
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from tfgenai.core.errors import ConfigError, DataError, DataNotFoundError
from tfgenai.data.raw.example import Example, Kind, Problem
from tfgenai.data.raw.labels import (
    Known,
    by_pattern,
    compile_pattern,
    printable,
    read_table,
    with_known,
)
from tfgenai.data.raw.reading import EXTENSIONS, MAX_PIXELS, of_file
from tfgenai.data.raw.source import Chunk, RawSource

_SPLITS = frozenset(("train", "test", "val", "valid", "validation"))
_HIDDEN = frozenset(("thumbs.db", "desktop.ini", "__macosx"))
_FILES_IN_CHUNK = 2048
_BYTES_IN_CHUNK = 16 * 2**20
_LISTED = 3


class Folder(RawSource):
    """Files of one kind below a folder, sorted by their paths.

    Files of other kinds, hidden files and links out of the folder are passed over and
    counted in `notices`. What cannot be read is an example with a problem.

    Args:
        path: the folder.
        kind: "images", "text" or "sound"; None: the kind of most files.
        labels: "folders": the folder that a file lies in names its class; "none";
            "pattern"; the path of a .csv or .jsonl table relative to the folder; or
            "auto": folders, if files lie in folders.
        pattern: regular expression for names, with groups `label`, `group`, `time`.
        splits: "auto": folders named train and test at the top are splits; "none".
        max_pixels: pixels of an image above which it is not decoded.

    Raises:
        DataNotFoundError: if there is no such folder.
        DataError: if it holds no file of the kind.
        ConfigError: if arguments do not fit together.
    """

    def __init__(
        self,
        path: "str | os.PathLike[str]",
        *,
        kind: Kind | None = None,
        labels: str = "auto",
        pattern: str | None = None,
        splits: str = "auto",
        max_pixels: int = MAX_PIXELS,
    ) -> None:
        self._root = Path(path).expanduser()
        if not self._root.is_dir():
            raise DataNotFoundError(
                "A folder that exists was expected. Received: "
                f"path={os.fspath(path)!r}. Check the path."
            )
        self.name = os.fspath(path)
        self.origin = f"folder {self._root.resolve()}"
        self._max_pixels = max_pixels
        files, self._notices = _list(self._root)
        table = self._root / labels
        is_table = labels not in ("auto", "folders", "none", "pattern")
        if is_table and not table.is_file():
            raise ConfigError(
                "'auto', 'folders', 'none', 'pattern' or the path of a table in the "
                f"folder was expected. Received: labels={labels!r}."
            )
        if (labels == "pattern") != (pattern is not None) and pattern is None:
            raise ConfigError("A pattern was expected with labels='pattern'.")
        known = read_table(table) if is_table else {}
        self.kind = kind or _kind_of(files, self.name)
        wanted = EXTENSIONS[self.kind]
        chosen = {
            name: size
            for name, size in files.items()
            if os.path.splitext(name)[1].lower() in wanted
            and not (is_table and self._root / name == table)
        }
        self._count_others(files, chosen, {labels} if is_table else set())
        for name in known:
            chosen.setdefault(name, -1)
        if not chosen:
            raise DataError(
                f"Files of {self.kind} were expected ({', '.join(sorted(wanted))}). "
                f"Received: path={self.name!r} with {len(files)} other files."
            )
        self._sizes = dict(sorted(chosen.items()))
        tops = {name.split("/")[0] for name in chosen if "/" in name}
        has_splits = splits == "auto" and bool(tops) and tops <= _SPLITS
        has_splits &= all("/" in name for name in chosen)
        depth = 1 if has_splits else 0
        by_folder = labels == "folders" or (labels == "auto" and pattern is None)
        self._rules = (
            has_splits,
            depth if by_folder else None,
            None if pattern is None else compile_pattern(pattern),
        )
        self._known = known
        if is_table:
            without = [name for name in chosen if name not in known]
            if without:
                self._notices.append(
                    f"{len(without)} files without a row in {labels}, such as "
                    f"{', '.join(without[:_LISTED])}"
                )

    def chunks(self) -> list[Chunk]:
        """Up to 2,048 files or 16 MiB each."""
        chunks: list[Chunk] = []
        names: list[str] = []
        held = 0
        for name, size in self._sizes.items():
            if names and (
                len(names) >= _FILES_IN_CHUNK or held + size > _BYTES_IN_CHUNK
            ):
                chunks.append(Chunk(len(chunks), tuple(names)))
                names, held = [], 0
            names.append(name)
            held += max(size, 0)
        chunks.append(Chunk(len(chunks), tuple(names)))
        return chunks

    def read(self, chunk: Chunk) -> Iterator[Example]:
        """See `RawSource.read`."""
        for name in chunk.names:
            known = self._know(name)
            yield with_known(self._read(name), known)

    def notices(self) -> list[str]:
        """See `RawSource.notices`."""
        return list(self._notices)

    def fingerprint(self) -> str:
        """Of the names, sizes and times of all files, and of what labels say."""
        digest = hashlib.sha256(repr((self.kind, self._rules[0])).encode())
        for name, size in self._sizes.items():
            digest.update(f"{name}\0{size}\0".encode("utf-8", "surrogateescape"))
            if size >= 0:
                digest.update(f"{_changed(self._root / name)}\0".encode())
            digest.update(repr(self._know(name)).encode("utf-8", "surrogateescape"))
        return digest.hexdigest()

    def _read(self, name: str) -> Example:
        if self._sizes[name] < 0:
            detail = "a table names it, and there is no such file"
            problem = Problem("missing", detail)
            return Example(printable(name), None, problem=problem)
        path = self._root / name
        return of_file(name, path, self.kind, max_pixels=self._max_pixels)

    def _know(self, name: str) -> Known:
        has_splits, depth, pattern = self._rules
        parts = name.split("/")
        split = parts[0] if has_splits else None
        found = self._known.get(name)
        if found is not None:
            return Known(found.label, found.group, found.time, found.split or split)
        if pattern is not None:
            found = by_pattern(pattern, name)
            return Known(found.label, found.group, found.time, found.split or split)
        if depth is not None and len(parts) > depth + 1:
            return Known(parts[depth], split=split)
        return Known(split=split)

    def _count_others(
        self, files: dict[str, int], chosen: dict[str, int], tables: set[str]
    ) -> None:
        others = [name for name in files if name not in chosen and name not in tables]
        if others:
            kinds = collections.Counter(
                os.path.splitext(name)[1].lower() or "no ending" for name in others
            )
            listed = ", ".join(f"{n} {end}" for end, n in kinds.most_common(_LISTED))
            self._notices.append(
                f"{len(others)} files that are not {self.kind}: {listed}"
            )


def _changed(path: Path) -> int:
    """Time of the last change, ns; -1 of a file that has gone since it was listed."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return -1


def _list(root: Path) -> tuple[dict[str, int], list[str]]:
    """Sizes of all files below `root` by their relative path, and what was left out."""
    files: dict[str, int] = {}
    hidden = links = 0
    closed: list[str] = []
    base = root.resolve()
    stack = [("", root)]
    while stack:
        prefix, folder = stack.pop()
        try:
            entries = list(os.scandir(folder))
        except OSError:
            closed.append(prefix or ".")
            continue
        for entry in entries:
            name = f"{prefix}{entry.name}"
            if entry.name.startswith(".") or entry.name.lower() in _HIDDEN:
                hidden += 1
            elif entry.is_symlink() and not _is_inside(Path(entry.path), base):
                links += 1
            elif entry.is_dir(follow_symlinks=False):
                stack.append((f"{name}/", Path(entry.path)))
            elif entry.is_file():
                files[name] = entry.stat().st_size
    notices = []
    if hidden:
        notices.append(f"{hidden} hidden files or folders")
    if links:
        notices.append(f"{links} links that lead out of the folder")
    if closed:
        listed = ", ".join(closed[:_LISTED])
        notices.append(f"{len(closed)} folders that may not be read: {listed}")
    return files, notices


def _is_inside(link: Path, base: Path) -> bool:
    target = link.resolve()
    return target.is_file() and target.is_relative_to(base)


def _kind_of(files: dict[str, int], name: str) -> Kind:
    """The kind of the files that can be read; an error if there are several."""
    counts: dict[Kind, int] = {}
    for kind, endings in EXTENSIONS.items():
        n = sum(os.path.splitext(file)[1].lower() in endings for file in files)
        if n:
            counts[kind] = n
    if len(counts) != 1:
        found = {str(kind): n for kind, n in counts.items()} or "none of them"
        raise DataError(
            "A folder with files of images, text or sound was expected. Received: "
            f"path={name!r} with {found}. Give kind='images', 'text' or 'sound'."
        )
    return next(iter(counts))
