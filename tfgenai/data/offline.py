"""Original files into TFDS's cache: a data set on a machine without a network."""

import gzip
import hashlib
import os
import pathlib
import shutil
import zlib
from collections.abc import Mapping
from typing import Any

from tfgenai.core import storage
from tfgenai.core.errors import DataError, DataNotFoundError
from tfgenai.data import spoken_digit
from tfgenai.data.sources.tfds_sound import use_soundfile
from tfgenai.data.tfds_builders import (
    cached_path,
    data_dir_of,
    get_builder,
    is_prepared,
    prepare,
)

# SHA-256 of what is inside: these sets go round packed anew (Debian's packages among
# them), with the published content in other bytes.
_UNPACKED_SHA256 = {
    "fashion_mnist": {
        "train-images-idx3-ubyte.gz": "c59f468a2f672dc815687fe0f8388776"
        "8d799fd8a3f3276145d20f83aa44d888",
        "train-labels-idx1-ubyte.gz": "bad3541b69d912435c50bb6ba87bec29"
        "4ff4f6a2e1246121d8633921760443d9",
        "t10k-images-idx3-ubyte.gz": "5b4141f0afbad91edebe8549f8fcffe0"
        "87ea10ca49f1dbef5c9a5cd8815ce37b",
        "t10k-labels-idx1-ubyte.gz": "0402a96d92fd2663957122ceb108a494"
        "c5af83dab82d92729df917d7dec38c34",
    },
    "mnist": {
        "train-images-idx3-ubyte.gz": "ba891046e6505d7aadcbbe25680a0738"
        "ad16aec93bde7f9b65e87a2fc25776db",
        "train-labels-idx1-ubyte.gz": "65a50cbbf4e906d70832878ad85ccda5"
        "333a97f0f4c3dd2ef09a8a9eef7101c5",
        "t10k-images-idx3-ubyte.gz": "0fa7898d509279e482958e8ce81c8e77"
        "db3f2f8254e26661ceb7762c4d494ce7",
        "t10k-labels-idx1-ubyte.gz": "ff7bcfd416de33731a308c3f266cc351"
        "222c34898ecbeaf847f06e48f7ec33f2",
    },
}


def import_files(
    name: str, folder: storage.PathLike, *, data_dir: Any = None, repack: bool = False
) -> dict[str, int]:
    """Prepares a TFDS set from its original files, without a network.

    The files are checked against the checksums that TFDS registers (MNIST's and
    Fashion-MNIST's also by their unpacked content), copied to where TFDS looks before
    it downloads, and prepared by TFDS itself: the result is what a download would have
    made.

    Spoken digits go round in an archive, `recordings.tar.gz`, that is not the one that
    TFDS registers. With `repack` its recordings are packed as TFDS's builder expects
    them, and the data card says so, with the hashes of both archives.

    Args:
        name: TFDS name, for example "mnist".
        folder: folder that holds the files under their original names.
        data_dir: folder of prepared sets; None for `TFDS_DATA_DIR` or
            `~/tensorflow_datasets`.
        repack: of "spoken_digit": whether another archive may take the place of the
            one that TFDS registers.

    Returns:
        Number of examples in each split.

    Raises:
        DataNotFoundError: if there is no such set or folder, or a file is missing.
        DataError: if a file is not the original, or TFDS registers no file names; or
            if `repack` is needed and not given, or given for another set.
        StorageError: if `data_dir` cannot be written to.
    """
    source = pathlib.Path(folder).expanduser()
    if not source.is_dir():
        raise DataNotFoundError(
            "A folder with the original files was expected. Received: "
            f"folder={os.fspath(folder)!r}, which is not a folder. Check the path."
        )
    builder = get_builder(name, data_dir)
    _check_repack(builder.name, source, repack)
    use_soundfile(builder)
    if repack and not is_prepared(builder):
        storage.require_writable_folder(data_dir_of(builder))
        spoken_digit.register(builder, source)
        prepare(builder)
    elif not is_prepared(builder):
        files = _find_originals(builder, source)
        root = storage.require_writable_folder(data_dir_of(builder))
        free, needed = (
            shutil.disk_usage(root).free,
            sum(path.stat().st_size for path in files.values()),
        )
        if free < 2 * needed:
            raise DataError(
                f"At least {2 * needed:,} bytes of free space were expected. Received: "
                f"data_dir={os.fspath(root)!r} with {free:,}. Choose another data_dir."
            )
        spoken_digit.forget(builder)
        for url, path in files.items():
            _put(builder, url, path)
        prepare(builder)
    return {split: info.num_examples for split, info in builder.info.splits.items()}


def _check_repack(name: str, source: pathlib.Path, repack: bool) -> None:
    if repack and name != spoken_digit.NAME:
        raise DataError(
            f"repack for {spoken_digit.NAME!r} alone was expected. Received: {name=}, "
            f"{repack=}. Leave it out: the original files are needed."
        )
    is_other = name == spoken_digit.NAME and (source / spoken_digit.ARCHIVE).is_file()
    if is_other and not repack and not list(source.glob("free-spoken-digit-*.tar.gz")):
        raise DataError(
            f"The archive that TFDS registers for {name!r} was expected, "
            "'free-spoken-digit-dataset-1.0.9.tar.gz'. Received: "
            f"folder={os.fspath(source)!r} with {spoken_digit.ARCHIVE!r}, which is "
            "another one, of other recordings and another hash. Give --repack "
            "(repack=True) to take these recordings nevertheless: they are packed as "
            "TFDS expects them, and the data card says so."
        )


def _find_originals(builder: Any, source: pathlib.Path) -> Mapping[str, pathlib.Path]:
    """The file of each registered URL; all are there and right, or it raises."""
    infos = builder.url_infos or {}
    names = {url: info.filename for url, info in infos.items()}
    if not names or not all(names.values()) or len(set(names.values())) < len(names):
        raise DataError(
            "A set whose files TFDS registers by name and checksum was expected. "
            f"Received: name={builder.name!r}, whose files cannot be told apart. "
            "Prepare it on a machine with a network and copy the folder "
            f"{builder.name!r} into {os.fspath(data_dir_of(builder))!r}."
        )
    files = {url: source / name for url, name in names.items()}
    missing = sorted(path.name for path in files.values() if not path.is_file())
    if missing:
        raise DataNotFoundError(
            f"All original files of {builder.name!r} were expected: "
            f"{sorted(names.values())}. Received: folder={os.fspath(source)!r} without "
            f"{missing}. Put them there unchanged, under these names."
        )
    wrong = []
    for url, path in files.items():
        found, expected = storage.sha256_of_file(path), infos[url].checksum
        if found != expected and not _has_original_content(builder.name, path):
            wrong.append(f"{path.name} has {found}, expected {expected}")
    if wrong:
        raise DataError(
            f"The original files of {builder.name!r} were expected, by SHA-256. "
            f"Received: folder={os.fspath(source)!r}, in which {'; '.join(wrong)}. Get "
            f"them again from {', '.join(sorted(names))}."
        )
    return files


def _has_original_content(name: str, path: pathlib.Path) -> bool:
    expected = _UNPACKED_SHA256.get(name, {}).get(path.name)
    if expected is None:
        return False
    try:
        with gzip.open(path) as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == expected  # type: ignore[arg-type]
    except (OSError, EOFError, zlib.error):
        return False


def _put(builder: Any, url: str, path: pathlib.Path) -> None:
    """Copies one file into the cache; its description, which makes it count, last."""
    target = cached_path(builder, url)
    with storage.atomic_file(target) as beside:
        shutil.copyfile(path, beside)
    storage.write_json(
        target.with_name(f"{target.name}.INFO"),
        {
            "dataset_names": [builder.name],
            "original_fname": path.name,
            "urls": [url],
        },
    )
