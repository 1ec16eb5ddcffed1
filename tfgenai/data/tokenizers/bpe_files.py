"""The files of byte-level BPE: tokenizer.json, vocab.json and merges.txt."""

import functools
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tfgenai.core import storage
from tfgenai.core.errors import DataError, StorageError

Parts = tuple[list[str], list[str], str]

_END_TEXT = "<|endoftext|>"


@functools.cache
def byte_spelling() -> list[str]:
    """One printable character for each byte, as GPT-2's files spell them.

    Example:
        >>> byte_spelling()[ord(" ")], byte_spelling()[ord("a")]
        ('Ġ', 'a')
    """
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = (chr(code_point) for code_point in range(0x100, 0x200))
    return [chr(b) if b in printable else next(others) for b in range(256)]


def spelled_bytes(token: str) -> bytes:
    """The bytes that a token of a vocabulary spells.

    Raises:
        DataError: if it holds a character that stands for no byte.
    """
    try:
        return bytes(_byte_of_spelling()[character] for character in token)
    except KeyError as error:
        raise DataError(
            "Tokens in the spelling of byte-level BPE were expected. Received: "
            f"token={token!r}. Use a tokenizer of that kind."
        ) from error


@functools.cache
def _byte_of_spelling() -> dict[str, int]:
    return {character: byte for byte, character in enumerate(byte_spelling())}


def pair_of(merge: str) -> tuple[str, str]:
    """The two tokens that "left right" names."""
    left, _, right = merge.partition(" ")
    return left, right


def check(vocabulary: Sequence[str], merges: Sequence[str], end_text: str) -> None:
    """Raises DataError if a vocabulary and its merges do not fit each other."""
    known = set(vocabulary)
    if len(known) != len(vocabulary):
        raise DataError(
            "Different tokens were expected. Received: vocabulary with "
            f"{len(vocabulary) - len(known)} that occur twice. Restore the file."
        )
    for token in (*byte_spelling(), end_text):
        if token not in known:
            raise DataError(
                "A vocabulary with all 256 bytes and the end token was expected. "
                f"Received: vocabulary without {token!r}. Train the tokenizer on the "
                "byte-level alphabet, or name its own end token as end_text."
            )
    for merge in merges:
        left, right = pair_of(merge)
        if not {left, right, left + right} <= known or left + right == end_text:
            raise DataError(
                "Merges of two tokens into a third one of the vocabulary were "
                f"expected. Received: {merge!r}. Restore the file."
            )


def read_pair(
    vocabulary_path: storage.PathLike, merges_path: storage.PathLike
) -> Parts:
    """Reads GPT-2's `vocab.json` and `merges.txt`.

    Raises:
        StorageError: if a file cannot be read.
        DataError: if they are not such files.
    """
    vocabulary = _in_order(storage.read_json(vocabulary_path), vocabulary_path)
    try:
        lines = Path(merges_path).read_text(encoding="utf-8").split("\n")
    except (OSError, ValueError) as error:
        raise StorageError(
            "A readable text file was expected. Received: merges_path="
            f"{os.fspath(merges_path)!r} ({error}). Restore it."
        ) from error
    merges = [line for line in lines if line and not line.startswith("#version")]
    if _END_TEXT not in vocabulary:
        vocabulary.append(_END_TEXT)
    return vocabulary, merges, _END_TEXT


def read_library_file(path: storage.PathLike) -> Parts:
    """Reads a `tokenizer.json` of the `tokenizers` library.

    Raises:
        StorageError: if the file cannot be read.
        DataError: if it is another kind of tokenizer.
    """
    values = storage.read_json(path)
    end_text = _checked_end_text(values, path)
    try:
        vocabulary = values["model"]["vocab"]
        for token in values["added_tokens"]:
            vocabulary.setdefault(token["content"], token["id"])
        merges = _merges(values)
    except (AttributeError, KeyError, TypeError) as error:
        raise _no_library_file(path, error) from error
    return _in_order(vocabulary, path), merges, end_text


def parts_of(text: str) -> tuple[list[str], list[str]]:
    """Vocabulary and merges of the library's own JSON."""
    values = json.loads(text)
    return _in_order(values["model"]["vocab"], "tokenizer.json"), _merges(values)


def _merges(values: Any) -> list[str]:
    return [m if isinstance(m, str) else " ".join(m) for m in values["model"]["merges"]]


def _checked_end_text(values: Any, path: storage.PathLike) -> str:
    """The end token of a file, if it is one that the graph can do too."""
    try:
        model, cut = values["model"], values["pre_tokenizer"] or {}
        added = [token["content"] for token in values["added_tokens"]]
        found = {
            "model.type": (model.get("type", "BPE"), "BPE"),
            "model.byte_fallback": (bool(model.get("byte_fallback")), False),
            "model.dropout": (model.get("dropout") or None, None),
            "model.ignore_merges": (bool(model.get("ignore_merges")), False),
            "model.continuing_subword_prefix": (
                model.get("continuing_subword_prefix") or None,
                None,
            ),
            "model.end_of_word_suffix": (model.get("end_of_word_suffix") or None, None),
            "normalizer": (values.get("normalizer"), None),
            "pre_tokenizer.type": (cut.get("type"), "ByteLevel"),
            "pre_tokenizer.add_prefix_space": (
                bool(cut.get("add_prefix_space")),
                False,
            ),
            "pre_tokenizer.use_regex": (cut.get("use_regex", True), True),
            "the number of added_tokens": (len(added), 1),
        }
    except (AttributeError, KeyError, TypeError) as error:
        raise _no_library_file(path, error) from error
    for name, (value, expected) in found.items():
        if value != expected:
            raise DataError(
                f"Byte-level BPE as GPT-2 has it, {name} = {expected!r}, was expected. "
                f"Received: path={os.fspath(path)!r} with {name} = {value!r}. Use "
                "another tokenizer, or train one with BPETokenizer.train."
            )
    return added[0]


def _no_library_file(path: storage.PathLike, error: Exception) -> DataError:
    return DataError(
        "A tokenizer.json of the tokenizers library was expected. Received: path="
        f"{os.fspath(path)!r} ({error!r}). Restore the file."
    )


def _in_order(vocabulary: Any, path: storage.PathLike) -> list[str]:
    try:
        tokens = sorted(vocabulary, key=vocabulary.__getitem__)
        if [vocabulary[token] for token in tokens] == list(range(len(tokens))):
            return tokens
    except (AttributeError, TypeError):
        pass
    raise DataError(
        "A vocabulary with the ids 0, 1, 2, ... was expected. Received: "
        f"path={os.fspath(path)!r} with others. Restore the file."
    )
