"""Spoken digits from an archive that is not the one that TFDS registers."""

import gzip
import io
import os
import pathlib
import re
import tarfile
import zlib
from collections.abc import Iterator
from typing import IO, Any

from tfgenai.core import storage
from tfgenai.core.errors import DataError, DataNotFoundError
from tfgenai.data.raw.sound_files import SoundFileError, decode_sound
from tfgenai.data.tfds_builders import cached_path, data_dir_of, default_data_dir

NAME = "spoken_digit"
ARCHIVE = "recordings.tar.gz"

_INSIDE = "free-spoken-digit-dataset-1.0.9/recordings"
_FILE = re.compile(r"[0-9]_[A-Za-z0-9]+_[0-9]+\.wav")
_NOTE = "tfgenai_repacked.json"
_MAX_MEMBERS = 100_000
_MAX_FILE = 8 * 2**20  # bytes of one recording, minutes of it
_MAX_TOTAL = 2**28  # bytes, unpacked


def repack(folder: storage.PathLike, target: storage.PathLike) -> dict[str, Any]:
    """Writes an archive that TFDS's builder can read, out of one that it cannot.

    The recordings `{digit}_{speaker}_{index}.wav` of `recordings.tar.gz` are put, byte
    for byte and in the order of their names, where the builder looks for them. Equal
    recordings give an equal archive.

    Args:
        folder: folder that holds `recordings.tar.gz`.
        target: file to write.

    Returns:
        What to tell of it: `archive`, `archive_sha256`, `num_files` and
        `repacked_sha256`.

    Raises:
        DataNotFoundError: if there is no such file.
        DataError: if the archive is broken, holds links, paths that lead elsewhere,
            more than 256 MiB, or something that is no recording.
        StorageError: if `target` cannot be written.

    Example:
        `repack("downloads", "free-spoken-digit-dataset-1.0.9.tar.gz")`
    """
    source = pathlib.Path(folder).expanduser() / ARCHIVE
    if not source.is_file():
        raise DataNotFoundError(
            f"A folder with the file {ARCHIVE!r} was expected. Received: "
            f"folder={os.fspath(folder)!r}, which holds none. Put it there."
        )
    files = dict(_recordings(source))
    if not files:
        raise _bad(source, "it holds no recording such as '0_george_0.wav'")
    with storage.atomic_file(target) as beside:
        _write(beside, files)
    return {
        "archive": ARCHIVE,
        "archive_sha256": storage.sha256_of_file(source),
        "num_files": len(files),
        "repacked_sha256": storage.sha256_of_file(target),
    }


def register(builder: Any, folder: storage.PathLike) -> dict[str, Any]:
    """Puts a repacked archive where TFDS would look for its own before a download.

    TFDS's registered checksum stays what it is: the archive lies under the name of the
    file that TFDS expects, and a note beside it, which goes into the data card, tells
    its own.

    Args:
        builder: TFDS's builder of "spoken_digit".
        folder: folder that holds `recordings.tar.gz`.

    Returns:
        What `repack` returns.
    """
    (url,) = builder.url_infos
    target = cached_path(builder, url)
    note = repack(folder, target)
    storage.write_json(
        target.with_name(f"{target.name}.INFO"),
        {
            "dataset_names": [builder.name],
            "original_fname": builder.url_infos[url].filename,
            "urls": [url],
        },
    )
    storage.write_json(_note_in(data_dir_of(builder)), note)
    return note


def repacked(name: str, data_dir: Any = None) -> dict[str, Any] | None:
    """What is known of the archive that a set was made of, if it was repacked.

    Args:
        name: TFDS name.
        data_dir: folder of prepared sets; None for TFDS's own.

    Returns:
        What `repack` returned then, or None.
    """
    note = _note_in(pathlib.Path(data_dir) if data_dir else default_data_dir())
    is_repacked = name.partition(":")[0] == NAME and note.is_file()
    return storage.read_json(note) if is_repacked else None


def forget(builder: Any) -> None:
    """Takes back what `register` wrote on a card, before TFDS's archive comes in."""
    if builder.name == NAME:
        _note_in(data_dir_of(builder)).unlink(missing_ok=True)


def origin_of(builder: Any) -> str:
    """What a card adds to the origin of a set that was made of a repacked archive."""
    note = repacked(builder.name, data_dir_of(builder))
    if note is None:
        return ""
    return (
        f"; not from TFDS's archive but from {note['num_files']} recordings of "
        f"{note['archive']} (sha256 {note['archive_sha256']}), repacked by tfgenai "
        f"(sha256 {note['repacked_sha256']})"
    )


def _write(path: pathlib.Path, files: dict[str, bytes]) -> None:
    """Writes the archive without times and names of a machine: always equal bytes."""
    with (
        open(path, "wb") as raw,
        gzip.GzipFile("", "wb", 6, raw, 0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as tar,
    ):
        for name in sorted(files):
            member = tarfile.TarInfo(f"{_INSIDE}/{name}")
            member.size = len(files[name])
            member.mode = 0o644
            tar.addfile(member, io.BytesIO(files[name]))


def _note_in(data_dir: pathlib.Path) -> pathlib.Path:
    return data_dir.expanduser() / "downloads" / NAME / _NOTE


def _recordings(path: pathlib.Path) -> Iterator[tuple[str, bytes]]:
    """Names and bytes of all recordings; refuses an archive that plays tricks."""
    seen: set[str] = set()
    try:
        # As a stream, so that nothing but what is read is unpacked.
        with (
            gzip.open(path) as unpacked,
            tarfile.open(fileobj=_Bounded(unpacked), mode="r|") as tar,  # type: ignore[call-overload]
        ):
            for count, member in enumerate(tar):
                name = member.name
                parts = pathlib.PurePosixPath(name).parts
                if count >= _MAX_MEMBERS:
                    raise _bad(path, f"it has more than {_MAX_MEMBERS:,} members")
                if name.startswith("/") or ".." in parts or "\\" in name:
                    raise _bad(path, f"the member {name!r} leads out of its folder")
                if member.isdir():
                    continue
                if not member.isfile():
                    raise _bad(path, f"the member {name!r} is no file but a link")
                if not parts or not _FILE.fullmatch(parts[-1]):
                    raise _bad(path, f"the member {name!r} is no recording")
                if member.size > _MAX_FILE:
                    raise _bad(path, f"the member {name!r} is too large")
                if parts[-1] in seen:
                    raise _bad(path, f"there are two files {parts[-1]!r}")
                seen.add(parts[-1])
                yield parts[-1], _sound_bytes(path, name, tar.extractfile(member))
    except (OSError, EOFError, tarfile.TarError, zlib.error) as error:
        raise _bad(path, f"it cannot be unpacked ({error})") from error


class _Bounded:
    """A stream that ends with an error where a bomb would go off.

    Args:
        file: what is read.
    """

    def __init__(self, file: Any) -> None:
        self._file = file
        self._left = _MAX_TOTAL

    def read(self, size: int) -> bytes:
        data = self._file.read(size)
        self._left -= len(data)
        if self._left < 0:
            raise OSError(f"more than {_MAX_TOTAL:,} bytes are inside")
        return data


def _sound_bytes(path: pathlib.Path, name: str, file: IO[bytes] | None) -> bytes:
    data = b"" if file is None else file.read()
    try:
        sound = decode_sound(data)
    except SoundFileError as error:
        raise _bad(path, f"{name!r} cannot be decoded ({error})") from error
    if sound.sample_rate != 8000 or sound.samples.shape[1] != 1:
        raise _bad(path, f"{name!r} has not 8000 Hz in one channel")
    return data


def _bad(path: pathlib.Path, why: str) -> DataError:
    return DataError(
        "An archive of recordings '{digit}_{speaker}_{index}.wav' was expected. "
        f"Received: {os.fspath(path)!r}; {why}. Get the archive again."
    )
