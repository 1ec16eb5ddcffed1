"""Near duplicates of text against datasketch by hand, for `data_clean_vs_peer.py`.

Both sides look for planted copies among passages of Shakespeare, by the same runs of
words, number of MinHashes and least similarity. By hand is as datasketch's documentation
does it: a MinHash updated run by run, or with all runs at once, an LSH index that is
asked before each insertion, and what it answers held to the least similarity.
"""

import os
import re
import statistics
import sys
from collections.abc import Callable
from pathlib import Path

import datasketch
import numpy as np
from side_by_side import interleave, rate_of

from tfgenai.data.clean.facts import Facts
from tfgenai.data.clean.text_duplicates import NearDuplicateText
from tfgenai.data.raw.example import Example

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "data" / "clean"))
from dirty_text import Dirt, passages

_SEED = 8101
_PLANTED = 0.1
_NUM_PERM = 128  # both sides
_WORD = re.compile(r"\w+")


def measure(quick: bool) -> dict[str, float]:
    """Ratios of medians of texts a second, by name, as `data_clean_vs_peer` lists them.

    Args:
        quick: whether to end within a minute.
    """
    medians = compare(quick)["medians"]
    return {
        f"text: tfgenai/{peer}": medians["tfgenai"] / medians[peer]
        for peer in ("datasketch_updates", "datasketch_batches")
    }


def compare(quick: bool) -> dict:
    """All that was measured: rates, and recall and precision of each side."""
    texts, planted = dirty_passages(300 if quick else 900)
    found: dict[str, set[int]] = {}

    def side(name: str, find: Callable[[list[str]], set[int]]) -> Callable[[], float]:
        def work() -> int:
            found[name] = find(texts)
            return len(texts)

        return rate_of(work)

    rates = interleave(
        {
            "tfgenai": side("tfgenai", find_with_rule),
            "datasketch_updates": side("datasketch_updates", find_by_updates),
            "datasketch_batches": side("datasketch_batches", find_by_batches),
        },
        rounds=3 if quick else 7,
    )
    medians = {name: statistics.median(values) for name, values in rates.items()}
    return {
        "medians": medians,
        "unit": "texts/s",
        "num_texts": len(texts),
        "recall": {n: len(f & planted) / len(planted) for n, f in found.items()},
        "precision": {n: len(f & planted) / len(f) for n, f in found.items()},
    }


def dirty_passages(count: int) -> tuple[list[str], set[int]]:
    """Passages with spoilt copies behind, and the rows of these."""
    folder = os.environ.get("TFGENAI_TEST_DATA")
    if not folder:
        raise SystemExit(
            "TFGENAI_TEST_DATA must name the folder that holds tiny_shakespeare/"
        )
    texts = passages(Path(folder) / "tiny_shakespeare" / "input.txt")[:count]
    dirt = Dirt(texts, _SEED)
    ways = [dirt.reworded, dirt.wrapped, dirt.appended]
    chosen = dirt.generator.choice(
        len(texts), round(_PLANTED * len(texts)), replace=False
    )
    copies = [ways[i % 3](texts[row]) for i, row in enumerate(chosen)]
    return [*texts, *copies], set(range(len(texts), len(texts) + len(copies)))


def find_with_rule(texts: list[str]) -> set[int]:
    rule = NearDuplicateText()
    ids = [f"{row:06}" for row in range(len(texts))]
    sketches = [
        rule.measure(Example(one, text))["sketch"]
        for one, text in zip(ids, texts, strict=True)
    ]
    nothing = [None] * len(texts)
    # Only rules of exact duplicates look at hashes.
    hashes = [b""] * len(texts)
    columns = {"sketch": np.stack(sketches)}
    return set(rule.judge(Facts(ids, nothing, nothing, hashes, columns)))


def find_by_updates(texts: list[str]) -> set[int]:
    def update(sketch: datasketch.MinHash, runs: list[bytes]) -> None:
        for run in runs:
            sketch.update(run)

    return _find_by_hand(texts, update)


def find_by_batches(texts: list[str]) -> set[int]:
    return _find_by_hand(texts, datasketch.MinHash.update_batch)


def _find_by_hand(
    texts: list[str], update: Callable[[datasketch.MinHash, list[bytes]], None]
) -> set[int]:
    rule = NearDuplicateText()
    index = datasketch.MinHashLSH(threshold=rule.min_similarity, num_perm=_NUM_PERM)
    sketches, later = [], set()
    for row, text in enumerate(texts):
        words = _WORD.findall(text.lower())
        starts = range(len(words) - rule.num_words + 1)
        runs = [" ".join(words[i : i + rule.num_words]).encode() for i in starts]
        sketch = datasketch.MinHash(num_perm=_NUM_PERM)
        update(sketch, runs)
        near = (sketches[other].jaccard(sketch) for other in index.query(sketch))
        if any(value >= rule.min_similarity for value in near):
            later.add(row)
        index.insert(row, sketch)
        sketches.append(sketch)
    return later
