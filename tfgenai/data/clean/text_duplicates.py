"""Near duplicates of text: reworded, re-wrapped, shortened, appended to."""

import re
import zlib
from typing import Any

import datasketch
import numpy as np

from tfgenai.data.clean.bands import candidate_pairs, linked_groups
from tfgenai.data.clean.facts import Fact, Facts
from tfgenai.data.clean.rule import RULES, Action, SetRule
from tfgenai.data.raw.example import Example

_WORD = re.compile(r"\w+")
_NUM_PERM = 128
_ROWS = 3  # of a band: two texts that share 40 % meet in one of 42 with 94 %
_PAIRS = 2**16
_MULTIPLIER = (
    0x9E3779B1  # 2**32 / golden ratio, a prime: mixes words of different place
)


@RULES.register("near_duplicate_text")
class NearDuplicateText(SetRule):
    """Texts that mostly say what one before them says, in the order of ids.

    Two texts are as near as the share of their runs of `num_words` words that both have
    (Jaccard similarity), estimated from 128 MinHashes of `datasketch` (Broder 1997, "On
    the Resemblance and Containment of Documents"). Candidates agree in three MinHashes
    of one of 42 bands, so that not all pairs are compared. Case, punctuation and line
    breaks do not count.

    The default was chosen on passages of Shakespeare, at seeds that no test uses: with
    15 % of the words changed a passage keeps 0.4 to 0.6, and strangers share less than
    0.1.

    Args:
        min_similarity: least estimated similarity, from 0 to 1.
        num_words: length of the runs that are compared.
        action: see `Rule`.
    """

    name = "near_duplicate_text"
    kinds = ("text",)

    def __init__(
        self,
        min_similarity: float = 0.25,
        num_words: int = 2,
        *,
        action: Action | None = None,
    ) -> None:
        super().__init__(action=action)
        if not 0.0 < min_similarity <= 1.0:
            raise ValueError(
                "A similarity above 0, up to 1, was expected. Received: "
                f"min_similarity={min_similarity!r}."
            )
        if isinstance(num_words, bool) or num_words < 1:
            raise ValueError(
                f"At least 1 word was expected. Received: num_words={num_words!r}."
            )
        self.min_similarity = min_similarity
        self.num_words = num_words

    def measure(self, example: Example) -> dict[str, Fact]:
        """128 MinHashes, uint32."""
        hashes = shingles(str(example.content), self.num_words)
        sketch = datasketch.MinHash(
            _NUM_PERM,
            hashfunc=int,
            permutations=_permutations(),
            scheme=_SCHEME,
        )
        if len(hashes):
            sketch.update_batch(hashes.tolist())
        return {"sketch": sketch.hashvalues.astype(np.uint32)}

    def judge(self, facts: Facts) -> dict[int, str]:
        """Every text of a group but the first."""
        return {
            row: f"near duplicate of {facts.ids[rows[0]]}"
            for rows in self.groups(facts)
            for row in rows[1:]
        }

    def groups(self, facts: Facts) -> list[list[int]]:
        """Texts that are near each other, or near one between them."""
        if "groups" not in facts.memo:
            facts.memo["groups"] = self._groups(facts)
        found: list[list[int]] = facts.memo["groups"]
        return found

    def _groups(self, facts: Facts) -> list[list[int]]:
        if len(facts) < 2:
            return []
        sketches: Any = facts["sketch"]
        has_words = np.flatnonzero((sketches != sketches.max()).any(1))
        own = sketches[has_words]
        left, right = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
        for i, j in candidate_pairs(_bands(own), own[:, 0]):
            for start in range(0, len(i), _PAIRS):
                a, b = i[start : start + _PAIRS], j[start : start + _PAIRS]
                near = (own[a] == own[b]).mean(1) >= self.min_similarity
                left.append(has_words[a[near]])
                right.append(has_words[b[near]])
        return linked_groups(len(facts), np.concatenate(left), np.concatenate(right))


def shingles(text: str, num_words: int) -> np.ndarray:
    """Hashes of the runs of words in a text, each once.

    Args:
        text: any text.
        num_words: words in a run; a shorter text is one run.

    Returns:
        uint32, ascending; empty of a text without words.

    Example:
        >>> a, b = shingles("The cat, the cat", 2), shingles("cat the", 2)
        >>> len(a), bool(np.isin(b, a).all())
        (2, True)
    """
    words = np.array(
        [
            zlib.crc32(word.encode("utf-8", "surrogatepass"))
            for word in _WORD.findall(text.lower())
        ],
        np.uint64,
    )
    if not len(words):
        return np.empty(0, np.uint32)
    num_words = min(num_words, len(words))
    count = len(words) - num_words + 1
    hashes = np.zeros(count, np.uint64)
    for i in range(num_words):
        hashes = (hashes * np.uint64(_MULTIPLIER) + words[i : i + count]) & np.uint64(
            0xFFFFFFFFFFFF
        )
    return np.unique((hashes ^ (hashes >> np.uint64(16))).astype(np.uint32))


def _bands(sketches: np.ndarray) -> np.ndarray:
    """A key of each band of each sketch, uint64 `(n, bands)`."""
    count = sketches.shape[1] // _ROWS
    parts = sketches[:, : count * _ROWS].reshape(len(sketches), count, _ROWS)
    keys = np.zeros(parts.shape[:2], np.uint64)
    for row in range(_ROWS):
        keys = keys * np.uint64(0x9E3779B97F4A7C15) + parts[..., row]
    return keys


_SCHEME = "affine32"
_made: list[Any] = []


def _permutations() -> Any:
    # Drawn once: drawing them costs more than a sketch.
    if not _made:
        _made.append(datasketch.MinHash(_NUM_PERM, scheme=_SCHEME).permutations)
    return _made[0]
