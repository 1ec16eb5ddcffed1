"""Near duplicates of text, against datasketch used by hand in the obvious way."""

import itertools
import os
import re
import statistics
import sys
from pathlib import Path

import datasketch
import numpy as np
from side_by_side import interleave, rate_of

from tfgenai.data.clean.facts import Facts
from tfgenai.data.clean.text_duplicates import NearDuplicateText
from tfgenai.data.raw.example import Example

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "data" / "clean"))
from dirty_text import Dirt, passages

_SEED = 12
_WORD = re.compile(r"\w+")


def measure(quick: bool) -> dict:
    """Ratio of medians of documents a second, and what each side found."""
    folder = os.environ.get("TFGENAI_TEST_DATA")
    if not folder:
        raise SystemExit("TFGENAI_TEST_DATA must name the folder of real data")
    path = Path(folder, "tiny_shakespeare", "input.txt")
    texts = passages(path)
    dirt = Dirt(texts, _SEED)
    rows = dirt.generator.choice(len(texts), len(texts) // 20, replace=False)
    documents = [*texts, *(dirt.reworded(texts[row]) for row in rows)]
    found: dict[str, set[int]] = {}

    def side(name, find):
        def work() -> int:
            found[name] = find(documents)
            return len(documents)

        return rate_of(work)

    rates = interleave(
        {
            "tfgenai": side("tfgenai", find_with_rule),
            "datasketch": side("datasketch", find_by_hand),
            "datasketch_batch": side("datasketch_batch", find_in_batches),
        },
        rounds=2 if quick else 5,
    )
    medians = {name: statistics.median(values) for name, values in rates.items()}
    planted = set(range(len(texts), len(documents)))
    return {
        "ratio": medians["tfgenai"] / medians["datasketch"],
        "ratio_batch": medians["tfgenai"] / medians["datasketch_batch"],
        "medians": medians,
        "num_documents": len(documents),
        "quality": {
            name: {
                "recall": len(rows & planted) / len(planted),
                "precision": len(rows & planted) / max(len(rows), 1),
            }
            for name, rows in found.items()
        },
    }


def find_with_rule(documents: list[str]) -> set[int]:
    rule = NearDuplicateText()
    examples = [Example(f"{i:06}", text) for i, text in enumerate(documents)]
    sketches = np.stack([rule.measure(example)["sketch"] for example in examples])
    ids = [example.id for example in examples]
    none = [None] * len(ids)
    return set(
        rule.judge(Facts(ids, none, none, [b""] * len(ids), {"sketch": sketches}))
    )


def find_by_hand(documents: list[str]) -> set[int]:
    """A MinHash of each text's pairs of words, one after the other, and an index."""
    return find_with_index(documents, is_batch=False)


def find_in_batches(documents: list[str]) -> set[int]:
    """The same with all pairs of a text at once, which not everybody knows."""
    return find_with_index(documents, is_batch=True)


def find_with_index(documents: list[str], *, is_batch: bool) -> set[int]:
    index = datasketch.MinHashLSH(threshold=0.3, num_perm=128)
    later = set()
    for number, text in enumerate(documents):
        words = _WORD.findall(text.lower())
        pairs = [f"{one} {two}".encode() for one, two in itertools.pairwise(words)]
        sketch = datasketch.MinHash(num_perm=128)
        if is_batch and pairs:
            sketch.update_batch(pairs)
        else:
            for pair in pairs:
                sketch.update(pair)
        if index.query(sketch):
            later.add(number)
        index.insert(number, sketch)
    return later
