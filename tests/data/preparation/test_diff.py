"""Differences of prepared sets, where they are known."""

import dataclasses
import json

from fake_source import FakeSource, pictures, renamed

from tfgenai.data.preparation.diff import diff


def test_a_set_does_not_differ_from_itself(prepare_source):
    prepared = prepare_source(FakeSource(pictures(40)))
    found = diff(prepared, prepared)
    assert found.is_empty
    assert str(found) == "No difference."


def test_every_kind_of_difference_is_named(prepare_source):
    shares = {"shares": {"train": 1.0}}
    examples = pictures(40)
    first = prepare_source(FakeSource(examples), "first", split=shares)
    changed = [
        *examples[1:10],
        dataclasses.replace(examples[10], label="other"),
        examples[11].with_content(255 - examples[11].content),
        examples[12].with_content(examples[13].content),
        *examples[13:],
        renamed(examples[20], "new"),
    ]
    second = prepare_source(FakeSource(changed), "second", split=shares)
    found = diff(first, second)
    assert not found.is_empty
    assert found.removed == ["00000.png"]
    assert found.added == ["new"]
    assert found.labels == {"00010.png": ["0", "other"]}
    assert found.contents == ["00011.png", "00012.png"]
    assert found.fates == {
        "00013.png": [
            "kept",
            "dropped",
            "exact_duplicate: same content as 00012.png",
        ]
    }
    assert found.counts == {"train": [40, 38]}
    assert json.loads(json.dumps(found.to_json()))["added"] == ["new"]
    words = str(found)
    assert "train: 40 -> 38 examples" in words
    assert (
        "00013.png (kept -> dropped; exact_duplicate: same content as 00012.png)"
        in words
    )


def test_moves_between_splits_are_named(prepare_source):
    first, second = (
        prepare_source(FakeSource(pictures(60)), str(seed), split={"seed": seed})
        for seed in (0, 1)
    )
    found = diff(first, second)
    rows = {row["id"]: row["split"] for row in first.ledger().to_pylist()}
    for name, (before, after) in found.splits.items():
        assert rows[name] == before != after
    assert not found.fates


def test_what_only_the_card_or_a_reason_says_is_a_difference(prepare_source):
    examples = pictures(40)
    first = prepare_source(FakeSource(examples), "first")
    found = diff(first, prepare_source(FakeSource(examples), "other", licence="CC0"))
    assert not found.is_empty
    assert found.card == {"licence": [first.card.licence, "CC0"]}
    blank = examples[4].with_content(0 * examples[4].content)
    dark, flat = (
        prepare_source(FakeSource([blank, *examples[5:]]), rule, clean=[rule])
        for rule in ("near_black", "constant")
    )
    found = diff(dark, flat)
    assert list(found.reasons) == ["00004.png"]
    assert found.reasons["00004.png"][0].startswith("near_black: ")
    assert found.reasons["00004.png"][1].startswith("constant: ")


def test_a_file_under_another_name_is_recognised(prepare_source):
    examples = pictures(40)
    first = prepare_source(FakeSource(examples), "first")
    moved = renamed(examples[7], "moved.png")
    second = prepare_source(FakeSource([*examples[:7], *examples[8:], moved]), "second")
    assert diff(first, second).renamed == {"00007.png": "moved.png"}
    assert "1 of these renamed: 00007.png -> moved.png" in str(diff(first, second))
