"""Prepared folders as training data."""

import dataclasses
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "preparation"))
from fake_source import FakeSource, pictures

from tfgenai.core.errors import DataError
from tfgenai.data import load
from tfgenai.data.content import Content
from tfgenai.data.preparation import PrepareRecipe, prepare
from tfgenai.data.raw import Example, Sound


def prepared(monkeypatch, tmp_path, examples, *, kind="images", **values):
    source = FakeSource(examples, kind=kind)
    monkeypatch.setattr(PrepareRecipe, "open_source", lambda *_: source)
    recipe = {
        "name": "fake",
        "source": {"path": "fake"},
        "clean": [],
        "leaks": {"near": False},
        **values,
    }
    return prepare(recipe, tmp_path / "out")


@pytest.mark.parametrize("memory_limit", [2**30, 100])
def test_images_and_labels_are_those_of_the_raw_data(
    monkeypatch, tmp_path, memory_limit
):
    examples = pictures(60)
    path = prepared(monkeypatch, tmp_path, examples).path
    train, test = load(
        path, split=("train", "test"), batch_size=4, memory_limit=memory_limit
    )
    assert (train.num_examples, test.num_examples) == (48, 6)
    by_pixels = {e.content.tobytes(): int(e.label) for e in examples}
    for x, y in test:
        pixels = np.rint((x.numpy() + 1) * 127.5).astype(np.uint8)
        assert [by_pixels[p.tobytes()] for p in pixels] == y.numpy().tolist()
    assert train.card.class_names == [str(i) for i in range(10)]


def test_the_card_of_preparing_is_the_card_of_loading(monkeypatch, tmp_path):
    made = prepared(monkeypatch, tmp_path, pictures(60))
    loaded = load(made.path, split=("train", "test"))[0].card
    for name in ("train", "test"):
        assert loaded.splits[name] == made.card.splits[name]
    train = [e.content for e in made.read("train")]
    digests = Content.of(np.stack(train)).digests
    ledger = {row["id"]: row["sha256"] for row in made.ledger().to_pylist()}
    assert [d.tobytes() for d in digests] == [ledger[e.id] for e in made.read("train")]


def test_text_is_read_as_documents(monkeypatch, tmp_path):
    texts = [Example(f"{i:02d}", f"document {i} says {i * i}") for i in range(20)]
    path = prepared(
        monkeypatch,
        tmp_path,
        texts,
        kind="text",
        leaks={"action": "keep", "near": False},
    ).path
    train = load(path, tokenizer="byte", sequence_length=16, batch_size=2)
    assert train.card.splits["train"].num_examples == 16


def test_images_of_several_sizes_need_one(monkeypatch, tmp_path):
    mixed = [
        dataclasses.replace(e, content=e.content[: 3 + i % 3])
        for i, e in enumerate(pictures(60))
    ]
    path = prepared(monkeypatch, tmp_path, mixed).path
    with pytest.raises(DataError, match="3 sizes"):
        load(path)
    assert load(path, image_size=4).element_spec[0].shape[1:] == (4, 4, 1)


def test_images_without_a_label_are_told_of(monkeypatch, tmp_path):
    some = [
        dataclasses.replace(e, label=None if i == 7 else e.label)
        for i, e in enumerate(pictures(60))
    ]
    path = prepared(monkeypatch, tmp_path, some, split={"shares": {"train": 1.0}}).path
    with pytest.raises(DataError, match=r"1 without, the first is '00007\.png'"):
        load(path)


def test_an_unknown_split_is_named(monkeypatch, tmp_path):
    path = prepared(monkeypatch, tmp_path, pictures(60)).path
    with pytest.raises(DataError, match="'validation'"):
        load(path, split="val")


@pytest.mark.parametrize("memory_limit", [2**30, 100])
def test_sound_is_read_in_one_rate(monkeypatch, tmp_path, memory_limit):
    sounds = [
        Example(
            f"{i:02d}",
            Sound(np.full((800, 1), (i + 1) / 64, np.float32), 8000),
            label=str(i % 2),
        )
        for i in range(40)
    ]
    path = prepared(monkeypatch, tmp_path, sounds, kind="sound").path
    train, test = load(
        path,
        split=("train", "test"),
        num_samples=400,
        batch_size=4,
        memory_limit=memory_limit,
    )
    assert (train.num_examples, test.num_examples) == (32, 4)
    assert train.card.sample_rate == 8000
    for x, y in test:
        assert x.shape == (4, 400, 1)
        numbers = np.rint(x.numpy()[:, 0, 0] * 64 - 1).astype(int)
        assert (numbers % 2).tolist() == y.numpy().tolist()


def test_sound_of_several_rates_needs_one(monkeypatch, tmp_path):
    sounds = [
        Example(f"{i:02d}", Sound(np.full((800 + i, 1), 0.1, np.float32), rate))
        for i, rate in enumerate([8000, 16000] * 20)
    ]
    path = prepared(monkeypatch, tmp_path, sounds, kind="sound").path
    with pytest.raises(DataError, match=r"\[8000, 16000\]"):
        load(path, num_samples=400)
    data = load(path, num_samples=400, sample_rate=8000, batch_size=4)
    assert data.card.sample_rate == 8000
