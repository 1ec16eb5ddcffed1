"""TextSource: a set of documents, and how a name or a path finds one."""

import abc
import os
import pathlib
from typing import Any

from tfgenai.core.errors import DataError, DataNotFoundError
from tfgenai.core.registry import Registry
from tfgenai.data.image_files import EXTENSIONS
from tfgenai.data.raw.sound_files import EXTENSIONS as SOUND_EXTENSIONS
from tfgenai.data.sources.source import SOURCES, Source

TEXT_SOURCES: Registry[type["TextSource"]] = Registry("text source")

_EMBEDDED = "pydoc_topics"
_WILDCARDS = frozenset("*?[")


class TextSource(abc.ABC):
    """A set of documents: its splits, and where it comes from.

    Attributes:
        name: name of the set, or path of its files.
        origin: where it comes from, with versions, for the card.
        licence: licence of the text.
        homepage: address to read more at, or "".
        encoding_errors: what becomes of bytes that are not UTF-8, "strict" or
            "replace", for the card.
    """

    name: str
    origin: str
    licence: str = "unknown; ask whoever made the data"
    homepage: str = ""
    encoding_errors: str = "strict"

    @abc.abstractmethod
    def split_names(self) -> list[str]:
        """Names that `read` takes; "all", which overlaps with the others, comes last.

        A source without splits of its own has "train" alone.
        """

    @abc.abstractmethod
    def read(self, split: str) -> list[str]:
        """The documents of a split, in an order that is always the same.

        Args:
            split: one of `split_names()`.

        Raises:
            DataError: if a document is no UTF-8.
        """

    def require_split(self, split: str) -> None:
        """Raises DataError if there is no such split."""
        if split not in self.split_names():
            raise DataError(
                f"A split of {self.name!r} was expected, one of {self.split_names()}. "
                f"Received: split={split!r}. A part of one is 'train[:90%]'."
            )


def decode_document(data: bytes, place: str, encoding_errors: str) -> str:
    """Text of UTF-8.

    Args:
        data: the bytes.
        place: where they come from, for the message.
        encoding_errors: "strict", or "replace" for U+FFFD in place of other bytes.

    Raises:
        DataError: if they are not UTF-8; the message names the byte.
    """
    try:
        return data.decode("utf-8", errors=encoding_errors)
    except UnicodeDecodeError as error:
        raise DataError(
            f"UTF-8 text was expected. Received: {place} with the byte "
            f"0x{data[error.start]:02x} at offset {error.start} ({error.reason}). "
            "Convert it, or pass encoding_errors='replace'."
        ) from error


def is_text(name_or_path: Any, *, data_dir: Any = None) -> bool:
    """Whether a name or a path stands for text and not for images.

    Args:
        name_or_path: see `tfgenai.data.load`.
        data_dir: folder of prepared TFDS sets.
    """
    if isinstance(name_or_path, TextSource):
        return True
    if isinstance(name_or_path, Source) or not isinstance(
        name_or_path, str | os.PathLike
    ):
        return False
    text = os.fspath(name_or_path)
    if not text or text in SOURCES:
        return False
    if text == _EMBEDDED or _names_files(text):
        return True
    kind, name = _kind_and_name(name_or_path)
    if kind == "folder":
        prepared = _prepared_kind(name)
        if prepared is not None:
            return prepared == "text"
        return _is_folder_of_text(pathlib.Path(name).expanduser())
    from tfgenai.data.sources.tfds_sound import is_set_of_sound
    from tfgenai.data.sources.tfds_text import is_set_of_text

    # Sound often comes with texts: file names, or what is said.
    return is_set_of_text(name, data_dir) and not is_set_of_sound(name, data_dir)


def open_text_source(
    name_or_path: Any, *, data_dir: Any = None, encoding_errors: str = "strict"
) -> TextSource:
    """Finds the source that a name, a path or a `TextSource` stands for.

    Args:
        name_or_path: "pydoc_topics", the name of a TFDS set of text, a file, a pattern
            such as "texts/*.txt", or a folder of .txt files.
        data_dir: folder of prepared TFDS sets.
        encoding_errors: "strict" or "replace".

    Raises:
        DataNotFoundError: if there is no such set, file or folder.
        DataError: if it is a set of images.
    """
    if encoding_errors not in ("strict", "replace"):
        raise ValueError(
            "'strict' or 'replace' was expected. Received: "
            f"encoding_errors={encoding_errors!r}."
        )
    if isinstance(name_or_path, TextSource):
        return name_or_path
    if not isinstance(name_or_path, str | os.PathLike) or not os.fspath(name_or_path):
        raise TypeError(
            "The name of a set of text or the path of its files was expected. "
            f"Received: name_or_path={name_or_path!r}. Give a name such as "
            "'tiny_shakespeare'."
        )
    text = os.fspath(name_or_path)
    options = {"encoding_errors": encoding_errors}
    if text == _EMBEDDED:
        return TEXT_SOURCES.create(text)
    kind, name = _kind_and_name(name_or_path)
    if kind == "folder" and _prepared_kind(name) == "text":
        from tfgenai.data.sources.prepared import PreparedText

        return PreparedText(name)
    if kind == "folder" or _names_files(text):
        return TEXT_SOURCES.create("files", path=name, **options)
    from tfgenai.data.sources.tfds_text import is_set_of_text
    from tfgenai.data.tfds_builders import is_known, nearest_names

    if is_set_of_text(name, data_dir):
        return TEXT_SOURCES.create("tfds", name=name, data_dir=data_dir, **options)
    if is_known(name) or name in SOURCES:
        raise DataError(
            "A set of text was expected where tokenizer, sequence_length or "
            f"steps_per_epoch is given. Received: name_or_path={text!r}, which holds "
            "none. Leave these arguments out to load images."
        )
    near = nearest_names(name, [_EMBEDDED])
    hint = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
    raise DataNotFoundError(
        "A set of text was expected: 'pydoc_topics', a TFDS set such as "
        "'tiny_shakespeare', a .txt file, a pattern such as 'texts/*.txt' or a folder "
        f"that exists. Received: name_or_path={text!r}.{hint}"
    )


def _kind_and_name(name_or_path: "str | os.PathLike[str]") -> tuple[str, str]:
    """What a text names: a "tfds" set or a "folder" or file; a bare name is a set."""
    text = os.fspath(name_or_path)
    kind, colon, rest = text.partition(":")
    if colon and kind in ("tfds", "folder"):
        return kind, rest
    if isinstance(name_or_path, os.PathLike) or text[0] in "./~\\":
        return "folder", text
    from tfgenai.data.tfds_builders import is_known

    exists = pathlib.Path(text).exists()
    is_path = exists and ("/" in text or os.sep in text or not is_known(text))
    return ("folder" if is_path else "tfds"), text


def _prepared_kind(path: str) -> str | None:
    """The kind of data in a folder that `tfgenai data prepare` made, or None."""
    from tfgenai.data.preparation.prepared import Prepared, is_prepared

    return Prepared(path).kind if is_prepared(path) else None


def _names_files(text: str) -> bool:
    # A folder may have a bracket in its name.
    is_pattern = bool(_WILDCARDS & set(text)) and not pathlib.Path(text).exists()
    return text.lower().endswith(".txt") or is_pattern


def _is_folder_of_text(folder: pathlib.Path) -> bool:
    """Whether there are .txt files and no images or sounds; the first decides."""
    found = False
    for _, folders, files in os.walk(folder):
        folders.sort()
        for name in files:
            if pathlib.Path(name).suffix.lower() in EXTENSIONS | SOUND_EXTENSIONS:
                return False
            found |= name.lower().endswith(".txt")
    return found
