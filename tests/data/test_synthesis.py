"""Samples of a model as raw data: marked, capped, and checked."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent / "preparation"))
from fake_source import FakeSource, pictures

from tfgenai.core.errors import DataError
from tfgenai.core.numpy_random import numpy_generator
from tfgenai.data import prepare, synthesize
from tfgenai.data.preparation import PrepareRecipe


def generate(n, *, labels, seed):
    """Images whose first pixel is their label's level."""
    images = numpy_generator(seed).uniform(-1, 1, (n, 6, 6, 1)).astype(np.float32)
    images[:, 0, 0, 0] = labels / 127.5 - 1.0
    return images


def read(source):
    return [e for chunk in source.chunks() for e in source.read(chunk)]


def test_each_class_gets_its_samples_and_the_cap_holds():
    source = synthesize(
        generate, {3: 300, 1: 5}, existing={1: 2, 3: 600}, cap=0.5, seed=4
    )
    found = read(source)
    assert [e.id for e in found] == sorted(e.id for e in found)
    counts = {label: sum(e.label == label for e in found) for label in ("1", "3")}
    assert counts == {"1": 2, "3": 300}
    assert source.notices() == ["class 1: 2 of 5 made, because of the cap of 0.5"]
    assert all(e.synthetic for e in found)
    assert {int(e.content[0, 0, 0]) for e in found if e.label == "3"} == {3}
    again = synthesize(
        generate, {3: 300, 1: 5}, existing={1: 2, 3: 600}, cap=0.5, seed=4
    )
    assert again.fingerprint() == source.fingerprint()
    other = synthesize(generate, {3: 300}, seed=5)
    assert other.fingerprint() != source.fingerprint()


def test_samples_are_marked_in_ledger_and_card(monkeypatch, tmp_path):
    monkeypatch.setattr(
        PrepareRecipe, "open_source", lambda *_: FakeSource(pictures(60))
    )
    made = synthesize(generate, {2: 4}, existing={2: 6})
    prepared = prepare(
        {
            "name": "mixed",
            "source": {"path": "x"},
            "clean": [],
            "leaks": {"near": False},
        },
        tmp_path / "out",
        synthetic=[made],
    )
    assert prepared.card.preparation["num_synthetic"] == 4
    marked = [r["id"] for r in prepared.ledger().to_pylist() if r["synthetic"]]
    assert marked == [f"synthetic/2/{i:06d}" for i in range(4)]


def test_texts_and_bytes_are_taken_as_they_are():
    made = [f"text {i}" for i in range(2)]
    texts = synthesize(lambda n, **_: made, {0: 2}, kind="text")
    assert (texts.kind, [e.content for e in read(texts)]) == (
        "text",
        ["text 0", "text 1"],
    )
    level = synthesize(lambda n, **_: np.full((n, 2, 2, 3), 9, np.uint8), {0: 1})
    assert read(level)[0].content.tolist() == [[[9] * 3] * 2] * 2


@pytest.mark.parametrize(
    "made",
    [
        np.zeros((2, 4, 4, 1), np.float32),
        np.full((3, 4, 4, 1), np.nan, np.float32),
        np.full((3, 4, 4, 1), 2.0, np.float32),
        np.zeros((3, 4, 4)),
        np.ones((3, 4, 4, 1), np.int64),
        [[1], [2, 3]],
        ["one"],
    ],
)
def test_what_a_model_should_not_return_is_refused(made):
    with pytest.raises(DataError, match="expected"):
        synthesize(lambda n, **_: made, {0: 3})


def test_arguments_are_checked():
    for wrong in ({"cap": 1.0}, {"seed": -1}):
        with pytest.raises(ValueError, match="expected"):
            synthesize(generate, {0: 1}, **wrong)
    with pytest.raises(ValueError, match="-1 of class 0"):
        synthesize(generate, {0: -1})
    with pytest.raises(ValueError, match="from 0 to 1"):
        synthesize(generate, {-1: 1}, class_names=["a", "b"])
    with pytest.raises(DataError, match="none of"):
        synthesize(generate, {0: 3}, existing={0: 0})
    with pytest.raises(DataError, match="3 strings"):
        synthesize(generate, {0: 3}, kind="text")


def test_classes_have_seeds_of_their_own():
    seeds = {}

    def remember(n, *, labels, seed):
        seeds[asked, int(labels[0])] = seed
        return generate(n, labels=labels, seed=seed)

    for asked in range(5):
        synthesize(remember, {0: 1, 1: 1, 2: 1}, seed=asked)
    assert len(set(seeds.values())) == 15
