"""Near duplicates of text, against exact Jaccard similarity and on planted ones."""

import itertools
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))
from dirty_text import Dirt, passages

from tfgenai.data.clean.facts import Facts
from tfgenai.data.clean.text_duplicates import NearDuplicateText, shingles
from tfgenai.data.raw import Example


def facts_of(rule, texts):
    sketches = np.stack([rule.measure(Example("", t))["sketch"] for t in texts])
    n = len(texts)
    ids = [f"{i:06d}" for i in range(n)]
    return Facts(ids, [None] * n, [None] * n, [b""] * n, {"sketch": sketches})


def jaccard(one, two):
    words = (re.findall(r"\w+", text.lower()) for text in (one, two))
    a, b = (set(itertools.pairwise(found)) for found in words)
    return len(a & b) / len(a | b)


def test_sketches_estimate_the_similarity_of_sets():
    words = [f"w{i}" for i in range(400)]
    rule = NearDuplicateText()
    for kept in (400, 300, 200, 100, 0):
        other = words[:kept] + [f"v{i}" for i in range(400 - kept)]
        texts = [" ".join(words), " ".join(other)]
        one, two = facts_of(rule, texts)["sketch"]
        wanted = jaccard(*texts)
        # Four standard deviations of a mean of 128 draws.
        margin = 4 * np.sqrt(wanted * (1 - wanted) / 128) + 1e-9
        assert abs((one == two).mean() - wanted) <= margin


@given(st.lists(st.sampled_from("abcde"), max_size=12), st.integers(1, 4))
def test_shingles_are_as_many_as_there_are_runs(words, n):
    n_used = min(n, len(words))
    runs = {tuple(words[i : i + n_used]) for i in range(len(words) - n_used + 1)}
    assert len(shingles(" ".join(words), n)) == (len(runs) if words else 0)


def test_the_first_of_a_group_stays():
    text = " ".join(f"word{i}" for i in range(60))
    texts = [text, "something else entirely", text.upper(), text + " and more", ""]
    rule = NearDuplicateText()
    assert rule.judge(facts_of(rule, texts)) == {
        2: "near duplicate of 000000",
        3: "near duplicate of 000000",
    }
    assert rule.groups(facts_of(rule, texts)) == [[0, 2, 3]]
    assert rule.judge(facts_of(rule, ["", "...", "!?"])) == {}


def test_arguments_are_checked():
    for wrong in ({"min_similarity": 0.0}, {"num_words": 0}):
        with pytest.raises(ValueError, match="Received"):
            NearDuplicateText(**wrong)


@pytest.mark.data
def test_planted_among_shakespeare(test_data):
    texts = passages(test_data / "tiny_shakespeare" / "input.txt")
    dirt = Dirt(texts, seed=72)
    chosen = dirt.generator.choice(len(texts), 90, replace=False)
    ways = [dirt.reworded, dirt.wrapped, dirt.appended]
    planted = [ways[i % 3](texts[row]) for i, row in enumerate(chosen)]
    rule = NearDuplicateText()
    found = rule.judge(facts_of(rule, [*texts, *planted]))
    hits = sum(row >= len(texts) for row in found)
    assert hits >= 0.95 * len(planted)
    assert hits >= 0.95 * len(found)
