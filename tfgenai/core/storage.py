"""Files and folders that are complete or absent: write beside, fsync, rename."""

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tfgenai.core.errors import StorageError

PathLike = str | os.PathLike[str]

_PARTIAL = ".partial-"


def write_bytes(path: PathLike, data: bytes) -> Path:
    """Writes `data` to `path` so that a crash leaves the old file or the new one.

    Args:
        path: file to write; its folder is made if it does not exist.
        data: the whole content.

    Returns:
        The path written.

    Raises:
        StorageError: if the folder cannot be written to.

    Example:
        >>> import tempfile
        >>> folder = tempfile.mkdtemp()
        >>> write_bytes(f"{folder}/a.bin", b"abc").read_bytes()
        b'abc'
    """
    with atomic_file(path) as beside:
        beside.write_bytes(data)
    return Path(path)


def write_text(path: PathLike, text: str) -> Path:
    """Writes UTF-8 `text` to `path` atomically; see `write_bytes`."""
    return write_bytes(path, text.encode("utf-8"))


def write_json(path: PathLike, value: Any) -> Path:
    """Writes `value` as indented JSON to `path` atomically; see `write_bytes`."""
    return write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def read_json(path: PathLike) -> Any:
    """Reads a JSON file.

    Raises:
        StorageError: if the file cannot be read or is not JSON.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise StorageError(
            f"A readable JSON file was expected. Received: path={os.fspath(path)!r} "
            f"({error}). Restore the file or make it again."
        ) from error


@contextlib.contextmanager
def atomic_file(path: PathLike) -> Iterator[Path]:
    """Yields a path beside `path`; on success it is flushed and takes its place.

    Args:
        path: the file that is to appear. On an exception it is left as it was.

    Yields:
        A path in the same folder to write the content to.

    Raises:
        StorageError: if the folder cannot be written to.
    """
    target = Path(path)
    parent = require_writable_folder(target.parent)
    # The suffix is kept because writers such as Keras choose the format by it.
    beside = parent / f"{_PARTIAL}{os.getpid()}-{target.name}"
    try:
        yield beside
        _fsync_file(beside)
        os.replace(beside, target)
        _fsync_folder(parent)
    finally:
        with contextlib.suppress(FileNotFoundError):
            beside.unlink()


@contextlib.contextmanager
def atomic_folder(path: PathLike, *, replace: bool = False) -> Iterator[Path]:
    """Yields a folder beside `path`; on success it is flushed and takes its place.

    Args:
        path: the folder that is to appear.
        replace: whether an existing folder gives way. The swap is two renames, so a
            reader may find no folder for a moment, but never a mixed one.

    Yields:
        An empty folder on the same file system.

    Raises:
        StorageError: if `path` exists and `replace` is false, or if the parent
            cannot be written to.
    """
    target = Path(path)
    if target.exists() and not replace:
        raise StorageError(
            f"A new folder was expected. Received: path={str(target)!r}, which "
            "exists. Remove it or choose another path."
        )
    parent = require_writable_folder(target.parent)
    beside = Path(tempfile.mkdtemp(prefix=f"{_PARTIAL}{target.name}-", dir=parent))
    try:
        beside.chmod(0o755)  # mkdtemp makes it private; a server runs as another user
        yield beside
        for folder, _, names in os.walk(beside):
            for name in names:
                _fsync_file(Path(folder) / name)
            _fsync_folder(Path(folder))
        if target.exists():
            old = Path(tempfile.mkdtemp(prefix=f"{_PARTIAL}old-", dir=parent))
            os.replace(target, old / "was")
            os.replace(beside, target)
            shutil.rmtree(old, ignore_errors=True)
        else:
            os.rename(beside, target)
        _fsync_folder(parent)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def is_partial(path: PathLike) -> bool:
    """Whether `path` is left over from a write that was killed."""
    return Path(path).name.startswith(_PARTIAL)


def remove_partials(folder: PathLike) -> list[Path]:
    """Removes what killed writes left behind in `folder`; returns what it removed."""
    removed = []
    for entry in Path(folder).glob(f"{_PARTIAL}*"):
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry, ignore_errors=True)
        else:
            entry.unlink(missing_ok=True)
        removed.append(entry)
    return removed


def require_writable_folder(path: PathLike) -> Path:
    """Makes the folder `path` if needed and checks that files can be made in it.

    Returns:
        The folder as a `Path`.

    Raises:
        StorageError: if it cannot be made, is not a folder, or is read-only.
    """
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise StorageError(
            f"A folder that can be written to was expected. Received: "
            f"path={str(folder)!r} ({error.strerror or error}). Choose another folder "
            "or change its permissions."
        ) from error
    return folder


def safe_join(folder: PathLike, name: str) -> Path:
    """Joins `name`, which may come from outside, below `folder`.

    Raises:
        StorageError: if the result would lie outside of `folder`.
    """
    root = Path(folder).resolve()
    inside = "\0" not in name and (root / name).resolve().is_relative_to(root)
    if not inside:
        raise StorageError(
            f"A name that stays inside its folder was expected. Received: "
            f"name={name!r}. Use a relative name without '..'."
        )
    return root / name


def sha256_of_file(path: PathLike) -> str:
    """SHA-256 of a file's content, as 64 hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _fsync_file(path: Path) -> None:
    with open(path, "rb") as file:
        os.fsync(file.fileno())


def _fsync_folder(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
