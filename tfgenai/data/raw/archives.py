"""Files in a .zip or .tar archive, after its members have been looked at."""

import hashlib
import lzma
import os
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from tfgenai.core import storage
from tfgenai.core.errors import DataError, DataNotFoundError
from tfgenai.data.raw.example import Example, Kind
from tfgenai.data.raw.folder import Folder
from tfgenai.data.raw.source import Chunk, RawSource

MAX_MEMBERS = 2_000_000
MAX_BYTES = 100 * 2**30
MAX_RATIO = 200  # unpacked over packed; text reaches 10, a bomb thousands
_BLOCK = 2**20
# A RuntimeError tells of a password, NotImplementedError of an unknown compression.
_BROKEN = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    OSError,
    RuntimeError,
)


class Archive(RawSource):
    """A folder in an archive, unpacked beside it once and then read as any folder.

    Every member is checked before the first is written: names that lead out of the
    folder, links, devices, two of one name, and archives that unpack to far more than
    they hold are refused.

    Args:
        path: a .zip, .tar, .tar.gz or .tgz file.
        kind: see `Folder`.
        unpack_to: folder to make; None for `.NAME.unpacked` beside the archive.
        **options: further arguments of `Folder`.

    Raises:
        DataNotFoundError: if there is no such file.
        DataError: if it is broken, or a member is refused.
    """

    def __init__(
        self,
        path: "str | os.PathLike[str]",
        *,
        kind: Kind | None = None,
        unpack_to: "str | os.PathLike[str] | None" = None,
        labels: str = "auto",
        pattern: str | None = None,
        splits: str = "auto",
    ) -> None:
        archive = Path(path).expanduser()
        if not archive.is_file():
            raise DataNotFoundError(
                f"A file that exists was expected. Received: path={os.fspath(path)!r}."
            )
        beside = archive.parent / f".{archive.name}.unpacked"
        target = Path(unpack_to) if unpack_to is not None else beside
        found = os.stat(archive)
        words = f"{found.st_size}\0{found.st_mtime_ns}"
        self._mark = hashlib.sha256(words.encode()).hexdigest()
        mark = target / ".archive"
        if not (mark.is_file() and mark.read_text() == self._mark):
            unpack(archive, target, mark=self._mark)
        folder = _single(target)
        self._folder = Folder(
            folder, kind=kind, labels=labels, pattern=pattern, splits=splits
        )
        self.kind = self._folder.kind
        self.name = os.fspath(path)
        digest = storage.sha256_of_file(archive)
        self.origin = f"archive {archive.resolve()}, sha256 {digest}"

    def chunks(self) -> list[Chunk]:
        """Those of the folder."""
        return self._folder.chunks()

    def read(self, chunk: Chunk) -> Iterator[Example]:
        """See `RawSource.read`."""
        return self._folder.read(chunk)

    def notices(self) -> list[str]:
        """Those of the folder."""
        return self._folder.notices()

    def fingerprint(self) -> str:
        """Of the archive's size and time, and of the labels."""
        return self._mark + self._folder.fingerprint()


def unpack(archive: Path, target: Path, *, mark: str = "") -> None:
    """Unpacks an archive into a folder that appears when all of it is there.

    Args:
        archive: the file.
        target: the folder; one that an archive was unpacked to before gives way.
        mark: words for the file `.archive` in it.

    Raises:
        DataError: if the archive is broken or a member is refused.
        StorageError: if the folder cannot be made, or holds anything else.
    """
    try:
        with _open(archive) as opened:
            members = _members(opened)
            _check(archive, members)
            _require_ours(target)
            with storage.atomic_folder(target, replace=True) as beside:
                for name, size, member in members:
                    path = storage.safe_join(beside, name)
                    path.parent.mkdir(parents=True, exist_ok=True)
                    _write(opened, member, path, size)
                (beside / ".archive").write_text(mark)
    except (DataError, storage.StorageError):
        raise
    except _BROKEN as error:
        raise DataError(
            f"A whole archive was expected. Received: {str(archive)!r} ({error})."
        ) from error


def _open(archive: Path) -> Any:
    if zipfile.is_zipfile(archive):
        return zipfile.ZipFile(archive)
    return tarfile.open(archive)


def _members(opened: Any) -> list[tuple[str, int, Any]]:
    """Name, size and handle of each file; other members are refused."""
    members = []
    if isinstance(opened, zipfile.ZipFile):
        for info in opened.infolist():
            # The upper bits hold the mode under Unix; a link has type 0o12.
            if (info.external_attr >> 28) == 0o12:
                raise _refused(info.filename, "is a link")
            if not info.is_dir():
                members.append((info.filename, info.file_size, info))
        return members
    for member in opened:
        if len(members) > MAX_MEMBERS:
            break
        if member.isfile():
            members.append((member.name, member.size, member))
        elif not member.isdir():
            raise _refused(member.name, "is a link or a device")
    # A compressed file's checksum stands at its end, behind the last member.
    while opened.fileobj.read(_BLOCK):
        pass
    return members


def _require_ours(target: Path) -> None:
    """Nothing that a person put there may give way."""
    if target.exists() and not (target / ".archive").is_file():
        raise storage.StorageError(
            "A new folder, or one that an archive was unpacked to, was expected. "
            f"Received: unpack_to={str(target)!r}. Choose another."
        )


def _check(archive: Path, members: list[tuple[str, int, Any]]) -> None:
    if len(members) > MAX_MEMBERS:
        raise _refused(archive.name, f"has more than {MAX_MEMBERS:,} members")
    total = sum(size for _, size, _ in members)
    packed = max(archive.stat().st_size, 1)
    if total > MAX_BYTES or (total > 2**26 and total > MAX_RATIO * packed):
        raise _refused(archive.name, f"unpacks from {packed:,} to {total:,} bytes")
    seen: set[PurePosixPath] = set()
    for name, _, _ in members:
        path = PurePosixPath(name.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts or ":" in name or "\0" in name:
            raise _refused(name, "leads out of the folder")
        if path in seen:
            raise _refused(name, "is there twice")
        seen.add(path)


def _write(opened: Any, member: Any, path: Path, size: int) -> None:
    if isinstance(opened, zipfile.ZipFile):
        source = opened.open(member)
    else:
        source = opened.extractfile(member)
    with source, open(path, "wb") as file:
        left = size
        while left and (block := source.read(min(_BLOCK, left))):
            file.write(block)
            left -= len(block)
        # What is longer than its header said is a bomb; what is shorter is cut off.
        if left or source.read(1):
            raise _refused(path.name, "is not as long as it says")


def _refused(name: str, why: str) -> DataError:
    return DataError(
        f"An archive of plain files was expected. Received: a member {name!r} that "
        f"{why}. Nothing was unpacked."
    )


def _single(folder: Path) -> Path:
    """The folder itself, or the only folder in it."""
    inside = [entry for entry in folder.iterdir() if not entry.name.startswith(".")]
    return inside[0] if len(inside) == 1 and inside[0].is_dir() else folder
