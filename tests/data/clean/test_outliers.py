"""Outliers: scores against the book's formula, forests on what nobody would doubt."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfgenai.core.numpy_random import numpy_generator
from tfgenai.data.clean.facts import Facts
from tfgenai.data.clean.outliers import IsolationForest, Outlier, modified_z_scores
from tfgenai.data.raw import Example, Sound

VALUES = st.lists(st.integers(-1000, 1000), min_size=1, max_size=30)


def judge(rule, examples):
    measured = [rule.measure(example) for example in examples]
    columns = {key: np.stack([m[key] for m in measured]) for key in measured[0]}
    n = len(examples)
    ids = [example.id for example in examples]
    return rule.judge(Facts(ids, [None] * n, [None] * n, [b""] * n, columns))


@given(VALUES)
def test_scores_are_those_of_the_book(values):
    x = np.array(values, float)
    away = np.abs(x - np.median(x))
    scores = modified_z_scores(x)
    if np.median(away) > 0:
        np.testing.assert_allclose(np.abs(scores), 0.6745 * away / np.median(away))
    elif away.any():
        wanted = away / (1.253314 * away.mean())
        np.testing.assert_allclose(np.abs(scores), wanted, rtol=1e-4)
    else:
        assert not scores.any()


@given(VALUES, st.integers(-50, 50), st.integers(1, 9))
def test_units_do_not_count(values, shift, scale):
    x = np.array(values, float)
    np.testing.assert_allclose(
        modified_z_scores(scale * x + shift), modified_z_scores(x), atol=1e-9
    )


def test_what_is_no_number_is_flagged_and_hides_nothing():
    x = np.array([1.0, 2.0, 3.0, 4.0, 100.0, np.nan, np.inf])
    scores = modified_z_scores(x)
    np.testing.assert_allclose(scores[:5], modified_z_scores(x[:5]))
    columns = {"brightness": x}
    facts = Facts(list("abcdefg"), [None] * 7, [None] * 7, [b""] * 7, columns)
    assert set(Outlier().judge(facts)) == {4, 5, 6}


def test_the_number_is_named():
    sounds = [
        Example(str(i), Sound(np.full((8000 + i, 1), 0.1, np.float32), 8000))
        for i in range(20)
    ]
    quiet = Example("quiet", Sound(np.full((8010, 1), 1e-4, np.float32), 8000))
    found = judge(Outlier(), [*sounds, quiet])
    assert set(found) == {20}
    assert found[20].startswith("decibels -80")
    assert judge(Outlier(numbers=["log_seconds"]), [*sounds, quiet]) == {}
    texts = [Example(str(i), "word " * (20 + i % 5)) for i in range(30)]
    found = judge(Outlier(), [*texts, Example("long", "word " * 10**4)])
    assert set(found) == {30}
    for wrong in ({"max_score": 0}, {"numbers": ["colour"]}):
        with pytest.raises(ValueError, match="Received"):
            Outlier(**wrong)


def test_noise_among_pictures_is_set_apart():
    generator = numpy_generator(4)
    grid = np.add.outer(np.arange(16), np.arange(16)) * 8
    noisy = (grid + generator.normal(0, 3, grid.shape) for _ in range(300))
    pictures = [
        Example(str(i), np.clip(image, 0, 255).astype(np.uint8)[..., np.newaxis])
        for i, image in enumerate(noisy)
    ]
    noise = [
        Example(f"n{i}", generator.integers(0, 256, (16, 16, 1)).astype(np.uint8))
        for i in range(3)
    ]
    rule = IsolationForest(share=0.01, min_score=0.4)
    assert set(judge(rule, [*pictures, *noise])) == {300, 301, 302}
    assert judge(rule, pictures[:10]) == {}
    with pytest.raises(ValueError, match="share=0"):
        IsolationForest(share=0)
