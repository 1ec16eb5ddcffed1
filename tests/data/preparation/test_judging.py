"""What is decided over all examples: splits, leaks, exceptions."""

import pytest
from fake_source import FakeSource, pictures, renamed

from tfgenai.core.errors import DataError
from tfgenai.data.raw import Example

_RUN = "he walked down to the shore and counted every boat that lay there asleep"


def splits_of(prepared):
    return {row["id"]: row["split"] for row in prepared.ledger().to_pylist()}


def given(n=40):
    """Pictures in given splits, of which a test picture stands in training too."""
    names = ["train"] * (n - 10) + ["validation"] * 5 + ["test"] * 5
    examples = [
        renamed(e, f"{name}/{e.id}", split=name)
        for e, name in zip(pictures(n), names, strict=True)
    ]
    leaked = renamed(examples[-1], "train/leak.png", split="train")
    return [*examples, leaked]


def test_groups_stay_together(prepare_source):
    prepared = prepare_source(FakeSource(pictures(100)), split={"by": "group"})
    splits = splits_of(prepared)
    for example in pictures(100):
        first = int(example.group[1:]) * 10
        assert splits[example.id] == splits[f"{first:05d}.png"]


def test_what_comes_later_is_tested_on(prepare_source):
    shares = {"train": 0.75, "test": 0.25}
    prepared = prepare_source(
        FakeSource(pictures(112)), split={"by": "time", "shares": shares}
    )
    splits = splits_of(prepared)
    times = {name: [] for name in shares}
    for example in pictures(112):
        times[splits[example.id]].append(example.time)
    assert max(times["train"]) < min(times["test"])


def test_a_leak_between_given_splits_stops_the_run(prepare_source, tmp_path):
    source = FakeSource(given())
    with pytest.raises(DataError, match=r"1 leaks: train has train/leak.png and test"):
        prepare_source(source, clean=[], split={"given": True})
    assert not (tmp_path / "out").exists()


def test_a_leak_is_dropped_from_training_or_kept_as_told(prepare_source):
    for action, split in (("drop", None), ("keep", "train")):
        prepared = prepare_source(
            FakeSource(given()),
            action,
            clean=[],
            split={"given": True},
            leaks={"near": False, "action": action},
        )
        assert splits_of(prepared)["train/leak.png"] == split
        assert prepared.card.preparation["leaks"] == {
            "action": action,
            "exact": 1,
            "near": 0,
            "ngrams": 0,
        }
        rows = {row["id"]: row for row in prepared.ledger().to_pylist()}
        finding = rows["train/leak.png"]["findings"][0]
        assert (finding["rule"], finding["action"]) == ("leak", action)
        assert finding["reason"].startswith("exact leak: test has test/")


def test_a_run_of_words_that_two_splits_share_is_a_leak(prepare_source):
    def text(i, split, words):
        filler = " ".join(f"w{i}x{j}" for j in range(40))
        return Example(f"{split}/{i}", f"{filler} {words} {filler[::-1]}", split=split)

    texts = [text(i, "train", "") for i in range(5)] + [
        text(6, "train", _RUN.title() + "!"),
        text(7, "train", _RUN),
        text(8, "test", _RUN.replace(" ", "\n")),
        # Runs of eight words are nothing.
        text(9, "test", " ".join(texts_words(8))),
        text(10, "train", " ".join(texts_words(8))),
    ]
    source = FakeSource(texts, kind="text")
    prepared = prepare_source(
        source,
        clean=[],
        split={"given": True},
        leaks={"near": False, "ngrams": True, "action": "drop"},
    )
    dropped = {name for name, split in splits_of(prepared).items() if split is None}
    assert dropped == {"train/6", "train/7"}


def texts_words(n):
    return [f"shared{i}" for i in range(n)]


def test_what_a_person_took_back_does_not_count(prepare_source):
    examples = pictures(30)
    copies = [renamed(examples[i], f"copy-{i}") for i in range(3)]
    source = FakeSource([*examples, *copies])
    prepared = prepare_source(
        source, exceptions=[{"id": "copy-1", "rule": "exact_duplicate"}]
    )
    rows = {row["id"]: row for row in prepared.ledger().to_pylist()}
    assert [rows[f"copy-{i}"]["fate"] for i in range(3)] == [
        "dropped",
        "kept",
        "dropped",
    ]
    assert rows["copy-1"]["findings"][0]["action"] == "excepted"
    assert prepared.card.preparation["rules"][0]["excepted"] == 1


def test_nothing_left_is_an_error(prepare_source):
    one = pictures(1)[0]
    with pytest.raises(DataError, match="An example for each split"):
        prepare_source(FakeSource([one]))
    source = FakeSource([renamed(one, name, content=None) for name in "ab"])
    with pytest.raises(DataError, match="all 2 are dropped"):
        prepare_source(source)


def test_an_id_that_two_chunks_have_is_an_error(prepare_source):
    examples = pictures(20)
    with pytest.raises(DataError, match=r"with '00000\.png' twice"):
        prepare_source(FakeSource([*examples, examples[0]]))


def test_splits_that_were_not_given_are_missed(prepare_source):
    with pytest.raises(DataError, match=r"of `split\.given`"):
        prepare_source(FakeSource(pictures(20)), split={"given": True})
