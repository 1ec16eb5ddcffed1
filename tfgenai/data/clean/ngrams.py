"""Shared n-grams: runs of words that two texts have in common.

Of each text a few of the hashes of its n-grams are kept, chosen by winnowing
(Schleimer, Wilkerson & Aiken 2003, "Winnowing: Local Algorithms for Document
Fingerprinting", SIGMOD): the least hash in every window of `window` n-grams. Any run of
`n + window - 1` words that two texts share is then found.
"""

import hashlib
import re

import numpy as np

from tfgenai.data.clean.facts import Fact, Facts
from tfgenai.data.clean.rule import RULES, Action, SetRule
from tfgenai.data.raw.example import Example

_WORD = re.compile(r"\w+")
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)  # 2**64 / golden ratio, odd


@RULES.register("shared_ngrams")
class SharedNgrams(SetRule):
    """Texts that have a run of words with an earlier one in common.

    Case and punctuation do not count. GPT-3 (Brown et al. 2020, arXiv:2005.14165,
    appendix C) takes 13 words for a sign that a test text was trained on: the default.

    Args:
        num_words: length of the runs that are found for certain; at least 5 of them
            must be shared for anything to be found.
        action: see `Rule`.
    """

    name = "shared_ngrams"
    kinds = ("text",)
    default_action = "keep"

    def __init__(self, num_words: int = 13, *, action: Action | None = None) -> None:
        super().__init__(action=action)
        if (
            isinstance(num_words, bool)
            or not isinstance(num_words, int)
            or num_words < 6
        ):
            raise ValueError(
                f"At least 6 words were expected. Received: num_words={num_words!r}."
            )
        self.num_words = num_words

    def measure(self, example: Example) -> dict[str, Fact]:
        """Hashes of the chosen n-grams, uint64, ascending."""
        return {"hashes": winnowed(str(example.content), self.num_words)}

    def judge(self, facts: Facts) -> dict[int, str]:
        """Every text that shares a run with one before it."""
        first: dict[int, int] = {}
        found = {}
        for row, hashes in enumerate(facts["hashes"]):
            values = hashes.tolist()
            other = min((first[v] for v in values if v in first), default=None)
            if other is not None:
                found[row] = (
                    f"about {self.num_words} words in a row as {facts.ids[other]}"
                )
            for value in values:
                first.setdefault(value, row)
        return found


def winnowed(text: str, num_words: int) -> np.ndarray:
    """The winnowed hashes of a text's n-grams.

    Args:
        text: any text.
        num_words: length of the runs of which at least one hash is kept.

    Returns:
        uint64, ascending and distinct; empty for fewer words than an n-gram has.

    Example:
        >>> run = "a run of words that stands in both of the two texts for sure"
        >>> a, b = (winnowed(f"{x} {run} {x}", 13) for x in ("left", "right"))
        >>> len(np.intersect1d(a, b)) > 0
        True
    """
    n = num_words - num_words // 3
    window = num_words - n + 1
    words = np.array([_hash(word) for word in _WORD.findall(text.lower())], np.uint64)
    if len(words) < n:
        return np.empty(0, np.uint64)
    count = len(words) - n + 1
    hashes = np.zeros(count, np.uint64)
    for i in range(n):
        hashes = hashes * _MULTIPLIER + words[i : i + count]
    # Mixed once more: the low bits of a product know only low bits.
    hashes ^= hashes >> np.uint64(32)
    hashes *= _MULTIPLIER
    hashes ^= hashes >> np.uint64(29)
    if count <= window:
        return hashes.min(keepdims=True)
    windows = np.lib.stride_tricks.sliding_window_view(hashes, window)
    return np.unique(windows.min(axis=1))


def _hash(word: str) -> int:
    """A hash of 64 bits, the same in every process."""
    data = word.encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "little")
