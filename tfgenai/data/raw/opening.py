"""From a name or a path to the raw source that it stands for."""

import difflib
from pathlib import Path
from typing import Any

from tfgenai.core.errors import ConfigError, DataError, DataNotFoundError
from tfgenai.core.recipe_errors import check_names
from tfgenai.data.raw.example import Kind
from tfgenai.data.raw.source import RawSource

EMBEDDED = ("digits", "plucked_strings", "pydoc_topics")
_TABLES = (".csv", ".jsonl")


def find(name: str, *, kind: Kind | None = None, **options: Any) -> RawSource:
    """The raw source of a name or a path; see `open_raw`.

    Raises:
        DataNotFoundError: if there is none; names the nearest.
        ConfigError: if the source has no such option.
    """
    made, known = _class_and_arguments(name, kind)
    check_names(options, made, place="source", without=("self", *known))
    try:
        return made(**known, **options)
    except TypeError as error:
        raise ConfigError(f"source: {error}") from error


def _class_and_arguments(name: str, kind: Kind | None) -> tuple[Any, dict[str, Any]]:
    if name.startswith("tfds:"):
        from tfgenai.data.raw.tfds import TFDSSource

        return TFDSSource, {"name": name.removeprefix("tfds:")}
    if name == "plucked_strings":
        from tfgenai.data.raw.plucked_strings import RawPluckedStrings

        return RawPluckedStrings, {}
    if name in EMBEDDED:
        from tfgenai.data.raw import embedded

        return embedded.CLASSES[name], {}
    path = Path(name).expanduser()
    if path.is_dir():
        from tfgenai.data.raw.folder import Folder

        return Folder, {"path": name, "kind": kind}
    if not path.exists() and not any(mark in name for mark in "*?["):
        near = difflib.get_close_matches(name, EMBEDDED, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise DataNotFoundError(
            f"A set ({', '.join(EMBEDDED)}, tfds:NAME), or a folder or file that "
            f"exists, was expected. Received: {name!r}.{hint}"
        )
    ending = path.suffix.lower()
    if ending in _TABLES:
        from tfgenai.data.raw.tables import TableOfText

        return TableOfText, {"path": name}
    if ending == ".npz":
        from tfgenai.data.raw.npz import NpzImages

        return NpzImages, {"path": name}
    if ending == ".parquet":
        from tfgenai.data.raw.parquet import ParquetFile

        return ParquetFile, {"path": name, "kind": kind}
    if ending in (".tfrecord", ".tfrecords"):
        from tfgenai.data.raw.tfrecord import TFRecordFile

        return TFRecordFile, {"path": name, "kind": kind}
    if ending in (".zip", ".tar", ".gz", ".tgz"):
        from tfgenai.data.raw.archives import Archive

        return Archive, {"path": name, "kind": kind}
    if ending == ".txt" or not path.exists():
        from tfgenai.data.raw.text_files import TextFiles

        return TextFiles, {"path": name}
    raise DataError(
        "A folder, or a file that ends in .txt, .csv, .jsonl, .npz, .parquet, "
        f".tfrecord, .zip or .tar, was expected. Received: {name!r}."
    )
