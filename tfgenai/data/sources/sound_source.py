"""SoundSource: a set of sounds, and how a name or a path finds one."""

import abc
import os
import pathlib
from collections.abc import Callable
from typing import Any

from tfgenai.core.errors import DataError, DataNotFoundError
from tfgenai.core.registry import Registry
from tfgenai.data.image_files import EXTENSIONS as IMAGE_EXTENSIONS
from tfgenai.data.preparation.prepared import Prepared, is_prepared
from tfgenai.data.raw.sound_files import EXTENSIONS
from tfgenai.data.sources.sound_records import SoundRecords
from tfgenai.data.sources.source import SOURCES, Source
from tfgenai.data.sources.text_source import TextSource

SOUND_SOURCES: Registry[Callable[..., "SoundSource"]] = Registry("sound source")

_NOT_NAMES = ("folder", "tfds")


class SoundSource(abc.ABC):
    """A set of sounds: its splits, and where it comes from.

    Attributes:
        name: name of the set or path of the folder.
        origin: where it comes from, with versions, for the card.
        licence: licence of the data.
        homepage: address to read more at, or "".
        class_names: name of each class, or None without labels.
    """

    name: str
    origin: str
    licence: str = "unknown; ask whoever made the data"
    homepage: str = ""
    class_names: list[str] | None = None

    @abc.abstractmethod
    def split_names(self) -> list[str]:
        """Names that `read` takes; those that overlap with others come last."""

    @abc.abstractmethod
    def read(
        self,
        split: str,
        *,
        sample_rate: int | None = None,
        channels: int | None = None,
        memory_limit: int | None = None,
    ) -> SoundRecords:
        """Reads the sounds of a split, in an order that is always the same.

        Args:
            split: one of `split_names()`.
            sample_rate: rate to bring the sounds to, Hz; None if all have one.
            channels: channels to bring them to, the mean of theirs; None likewise.
            memory_limit: bytes of float32 samples above which they are not kept in
                memory; None keeps them in any case.

        Raises:
            DataError: if sounds are broken, or differ in what is None.
        """

    def require_split(self, split: str) -> None:
        """Raises DataError if there is no such split."""
        if split not in self.split_names():
            raise DataError(
                f"A split of {self.name!r} was expected, one of {self.split_names()}. "
                f"Received: split={split!r}."
            )


def is_sound(name_or_path: Any, *, data_dir: Any = None) -> bool:
    """Whether a name or a path stands for sound and not for images or text.

    Args:
        name_or_path: see `tfgenai.data.load`.
        data_dir: folder of prepared TFDS sets.
    """
    if isinstance(name_or_path, SoundSource):
        return True
    if isinstance(name_or_path, (Source, TextSource)) or not isinstance(
        name_or_path, str | os.PathLike
    ):
        return False
    text = os.fspath(name_or_path)
    if text in SOUND_SOURCES and text not in _NOT_NAMES:
        return True
    if not text or text in SOURCES:
        return False
    kind, name = _kind_and_name(name_or_path)
    if kind == "folder":
        if is_prepared(name):
            return Prepared(name).kind == "sound"
        return _is_folder_of_sound(pathlib.Path(name).expanduser())
    from tfgenai.data.sources.tfds_sound import is_set_of_sound

    return is_set_of_sound(name, data_dir)


def open_sound_source(name_or_path: Any, *, data_dir: Any = None) -> SoundSource:
    """Finds the source that a name, a path or a `SoundSource` stands for.

    Args:
        name_or_path: "plucked_strings", the name of a TFDS set of sound such as
            "spoken_digit", or a folder of .wav, .flac and .ogg files.
        data_dir: folder of prepared TFDS sets.

    Raises:
        DataNotFoundError: if there is no such set or folder.
        DataError: if it holds no sound.
    """
    if isinstance(name_or_path, SoundSource):
        return name_or_path
    if not isinstance(name_or_path, str | os.PathLike) or not os.fspath(name_or_path):
        raise TypeError(
            "The name of a set of sound or the path of a folder was expected. "
            f"Received: name_or_path={name_or_path!r}. Give a name such as "
            "'spoken_digit'."
        )
    text = os.fspath(name_or_path)
    own = [name for name in SOUND_SOURCES if name not in _NOT_NAMES]
    if text in own:
        return SOUND_SOURCES.get(text)()
    kind, name = _kind_and_name(name_or_path)
    if kind == "folder" and is_prepared(name):
        from tfgenai.data.sources.prepared import PreparedSound

        return PreparedSound(name)
    if kind == "folder":
        return SOUND_SOURCES.get("folder")(name)
    from tfgenai.data.tfds_builders import is_known, nearest_names

    if not is_known(name):
        near = nearest_names(name, own)
        hint = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
        raise DataNotFoundError(
            f"A set of sound was expected: one of {own}, a TFDS set such as "
            "'spoken_digit', or a folder that exists. Received: name_or_path="
            f"{text!r}.{hint}"
        )
    return SOUND_SOURCES.get("tfds")(name, data_dir=data_dir)


def _kind_and_name(name_or_path: "str | os.PathLike[str]") -> tuple[str, str]:
    """What a text names: a "tfds" set or a "folder"; a bare name is a set."""
    text = os.fspath(name_or_path)
    kind, colon, rest = text.partition(":")
    if colon and kind in _NOT_NAMES:
        return kind, rest
    if isinstance(name_or_path, os.PathLike) or text[0] in "./~\\":
        return "folder", text
    from tfgenai.data.tfds_builders import is_known

    exists = pathlib.Path(text).is_dir()
    is_path = exists and ("/" in text or os.sep in text or not is_known(text))
    return ("folder" if is_path else "tfds"), text


def _is_folder_of_sound(folder: pathlib.Path) -> bool:
    """Whether there are files of sound and no images, of which the first decides."""
    found = False
    for _, folders, files in os.walk(folder):
        folders.sort()
        suffixes = {pathlib.Path(name).suffix.lower() for name in files}
        if suffixes & IMAGE_EXTENSIONS:
            return False
        found |= bool(suffixes & EXTENSIONS)
    return found
