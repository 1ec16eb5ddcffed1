"""The part of a text that a split such as `train[:90%]` means."""

import dataclasses
import hashlib

import numpy as np

from tfgenai.core.errors import DataError
from tfgenai.data.card import SplitCard
from tfgenai.data.sources import TextSource
from tfgenai.data.split import Slice, bad_slice

_ALL = "all"


@dataclasses.dataclass(frozen=True)
class TextPart:
    """Documents of a split, or of a part of it.

    Args:
        name: the split, as it was asked for.
        slice: the same, read.
        documents: the texts.
        places: what they are of the whole split: the characters of a split with one
            document, else the numbers of the documents.
        is_one_text: whether the whole split is one document.
    """

    name: str
    slice: Slice
    documents: tuple[str, ...]
    places: range | frozenset[int]
    is_one_text: bool

    @property
    def num_bytes(self) -> int:
        """Bytes in UTF-8."""
        return sum(len(document.encode("utf-8")) for document in self.documents)

    def overlaps(self, other: "TextPart") -> bool:
        """Whether text of this part may be in the other one too."""
        bases = {self.slice.base, other.slice.base}
        if len(bases) > 1:
            return _ALL in bases
        if isinstance(self.places, range) and isinstance(other.places, range):
            first, second = self.places, other.places
            return max(first.start, second.start) < min(first.stop, second.stop)
        return not set(self.places).isdisjoint(other.places)

    def card(self, num_tokens: int | None = None) -> SplitCard:
        """Describes the part."""
        content = hashlib.sha256()
        digests = [_digest(document) for document in self.documents]
        for digest in digests:
            content.update(digest)
        return SplitCard(
            num_examples=len(self.documents),
            sha256=content.hexdigest(),
            num_duplicates=len(digests) - len(set(digests)),
            num_characters=sum(map(len, self.documents)),
            num_bytes=self.num_bytes,
            num_tokens=num_tokens,
        )


def read_parts(source: TextSource, names: list[str], seed: int) -> dict[str, TextPart]:
    """Reads splits, each once, and chooses what was asked for.

    A split of one document is cut between characters, where Python would cut it:
    `train[:90%]` is `text[:int(0.9 * len(text))]`. A split of several is cut between
    documents, in an order that `seed` chooses; exact copies stay on one side.

    Args:
        source: what to read.
        names: splits and slices.
        seed: seed of the order of documents.

    Raises:
        DataError: if a split is unknown, or a part is empty or without text.
    """
    slices = {name: Slice.parse(name) for name in names}
    for part in slices.values():
        source.require_split(part.base)
    whole = {
        base: source.read(base)
        for base in dict.fromkeys(part.base for part in slices.values())
    }
    parts = {
        name: _choose(name, part, whole[part.base], seed)
        for name, part in slices.items()
    }
    for name, chosen in parts.items():
        if not any(chosen.documents):
            raise DataError(
                f"Text was expected. Received: split={name!r} of {source.name!r}, "
                "which holds none. Choose other files or another split."
            )
    return parts


def _choose(name: str, part: Slice, documents: list[str], seed: int) -> TextPart:
    if len(documents) == 1:
        text = documents[0]
        start = _character(part.start, len(text), 0)
        stop = _character(part.stop, len(text), len(text))
        if start >= stop and text:
            raise bad_slice(name, f"it selects none of {len(text):,} characters")
        return TextPart(name, part, (text[start:stop],), range(start, stop), True)
    if not documents:
        return TextPart(name, part, (), frozenset(), False)
    keys = [_digest(document) for document in documents]
    numbers = {key: number for number, key in enumerate(dict.fromkeys(keys))}
    groups = np.array([numbers[key] for key in keys], np.int64)
    rows = part.rows(None, groups, seed=seed).tolist()
    chosen = tuple(documents[row] for row in rows)
    return TextPart(name, part, chosen, frozenset(rows), False)


def _character(position: str, n: int, default: int) -> int:
    if not position:
        return default
    if position.endswith("%"):
        value = int(n * abs(float(position[:-1])) / 100)
        value = -value if position.startswith("-") else value
    else:
        value = int(position)
    if position.startswith("-"):
        value += n
    return min(max(value, 0), n)


def _digest(document: str) -> bytes:
    return hashlib.sha256(document.encode("utf-8")).digest()
