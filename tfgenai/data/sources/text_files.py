"""Text files: one, those that a pattern finds, or all of a folder."""

import glob
import os
import pathlib

from tfgenai.core.errors import DataError, DataNotFoundError
from tfgenai.data.sources.text_source import (
    TEXT_SOURCES,
    TextSource,
    decode_document,
)

_SPLITS = ("train", "validation", "test")


@TEXT_SOURCES.register("files")
class TextFiles(TextSource):
    """Files of UTF-8, one document each, in the order of their sorted paths.

    Everything is "train", but in a folder with folders for splits:

        DIR/train/*.txt  DIR/validation/*.txt  DIR/test/*.txt

    Newlines are kept as they are.

    Args:
        path: a file of any name; a pattern such as `texts/**/*.txt`; or a folder, all
            of whose .txt files count, those of folders in it too.
        encoding_errors: "strict", or "replace" for U+FFFD in place of bytes that are
            not UTF-8.

    Raises:
        DataNotFoundError: if there is no such file.
        DataError: if a folder has a "validation" or "test" folder of texts beside no
            "train" folder: they would be trained on.
    """

    def __init__(
        self, path: "str | os.PathLike[str]", *, encoding_errors: str = "strict"
    ) -> None:
        self.name = os.fspath(path)
        self.origin = f"text files at {self.name}"
        self.encoding_errors = encoding_errors
        self._files = _find(self.name)
        if not any(self._files.values()):
            raise DataNotFoundError(
                "A .txt file, a pattern that finds some or a folder of them was "
                f"expected. Received: name_or_path={self.name!r}, where there is none. "
                "Check the path."
            )

    def split_names(self) -> list[str]:
        """See `TextSource.split_names`."""
        return list(self._files)

    def read(self, split: str) -> list[str]:
        """See `TextSource.read`."""
        self.require_split(split)
        return [
            decode_document(path.read_bytes(), repr(str(path)), self.encoding_errors)
            for path in self._files[split]
        ]


def _find(text: str) -> dict[str, list[pathlib.Path]]:
    path = pathlib.Path(text).expanduser()
    if path.is_file():
        return {"train": [path]}
    if path.is_dir():
        given = {name: path / name for name in _SPLITS if (path / name).is_dir()}
        splits = {name: _texts_in(folder) for name, folder in given.items()}
        if "train" in splits:
            return splits
        held_out = [name for name, texts in splits.items() if texts]
        if held_out:
            raise DataError(
                "A folder 'train' beside those for validation and testing was "
                f"expected. Received: name_or_path={text!r} with {held_out} alone, "
                "whose texts would be trained on. Move the texts for training into "
                f"{str(path / 'train')!r}; or, to train on everything, rename "
                f"{held_out}."
            )
        return {"train": _texts_in(path)}
    found = sorted(glob.glob(str(path), recursive=True))
    return {"train": [p for p in map(pathlib.Path, found) if p.is_file()]}


def _texts_in(folder: pathlib.Path) -> list[pathlib.Path]:
    found = (p for p in folder.rglob("*") if p.suffix.lower() == ".txt" and p.is_file())
    # What begins with a dot is a tool's copy or record, not the user's text.
    return sorted(
        path
        for path in found
        if not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )
