"""Parts of a text: cuts that lose nothing, and parts that share nothing."""

import hashlib

import pytest
from hypothesis import given, reject
from hypothesis import strategies as st

from tfgenai.core.errors import DataError
from tfgenai.data.sources import TextSource
from tfgenai.data.text_parts import read_parts

TEXT = st.text(min_size=1, max_size=60)
# Few different ones, so that copies are common.
DOCUMENTS = st.lists(st.sampled_from(["a", "b", "né", "d ", ""]), min_size=2)


class Documents(TextSource):
    """Splits in memory, that count how often they are read."""

    name, origin = "memory", "this test"

    def __init__(self, *documents, **splits):
        self.splits = {"train": list(documents)} if documents else splits
        self.times_read = []

    def split_names(self):
        return list(self.splits)

    def read(self, split):
        self.times_read.append(split)
        return list(self.splits[split])


def one(text, split):
    return read_parts(Documents(text), [split], 0)[split]


# ---- one document --------------------------------------------------------------------


@given(TEXT, st.integers(-70, 70) | st.none(), st.integers(-70, 70) | st.none())
def test_characters_are_cut_as_python_cuts(text, start, stop):
    spelled = ["" if place is None else str(place) for place in (start, stop)]
    split = f"train[{':'.join(spelled)}]"
    if not text[start:stop]:
        with pytest.raises(DataError, match="selects none of"):
            one(text, split)
        return
    part = one(text, split)
    assert part.documents == (text[start:stop],)
    assert part.places == range(len(text))[start:stop]
    assert part.is_one_text


@given(TEXT, st.integers(1, 99))
def test_two_shares_of_a_text_are_the_text_and_do_not_overlap(text, share):
    names = [f"train[:{share}%]", f"train[{share}%:]"]
    cut = int(len(text) * share / 100)
    if not cut:
        with pytest.raises(DataError, match="selects none of"):
            read_parts(Documents(text), names, 0)
        return
    first, rest = read_parts(Documents(text), names, 0).values()
    assert first.documents + rest.documents == (text[:cut], text[cut:])
    assert not first.overlaps(rest)
    assert not rest.overlaps(first)


@given(TEXT, st.tuples(*[st.integers(0, 60)] * 4))
def test_stretches_overlap_where_they_share_a_character(text, places):
    a, b, c, d = places
    names = [f"train[{a}:{b}]", f"train[{c}:{d}]"]
    first, second = (set(range(len(text))[slice(*p)]) for p in ((a, b), (c, d)))
    if not first or not second:
        return
    parts = read_parts(Documents(text), names, 0)
    left, right = (parts[name] for name in names)
    assert left.overlaps(right) == right.overlaps(left) == bool(first & second)


@pytest.mark.parametrize(
    ("split", "expected"),
    [
        ("train", "0123456789"),
        ("train[:-10%]", "012345678"),
        ("train[-28%:]", "89"),  # 2.8 characters are two
        ("train[28%:57%]", "234"),
        ("train[12.5%:]", "123456789"),
        ("train[:100%]", "0123456789"),
    ],
)
def test_shares_are_rounded_towards_nothing(split, expected):
    assert one("0123456789", split).documents == (expected,)


# ---- several documents ---------------------------------------------------------------


@given(DOCUMENTS, st.integers(30, 70), st.integers(0, 5))
def test_documents_are_kept_whole_and_copies_together(documents, share, seed):
    names = [f"train[:{share}%]", f"train[{share}%:]"]
    documents = ["first", *documents, "last", "more"]
    try:
        first, rest = read_parts(Documents(*documents), names, seed).values()
    except DataError:  # a side without text, where there are many copies
        reject()
    assert sorted(first.documents + rest.documents) == sorted(documents)
    assert not set(first.documents) & set(rest.documents)
    assert not first.overlaps(rest)
    assert first.places | rest.places == set(range(len(documents)))
    for part in (first, rest):  # as they stand in the split
        chosen = tuple(documents[place] for place in sorted(part.places))
        assert part.documents == chosen
        assert not part.is_one_text
        assert part.overlaps(part)


def test_the_seed_chooses_which_documents():
    source = Documents(*(f"document {i}" for i in range(20)))
    parts = [read_parts(source, ["train[:5]"], s)["train[:5]"] for s in range(6)]
    assert {len(part.documents) for part in parts} == {5}
    assert len({part.places for part in parts}) > 1
    again = read_parts(source, ["train[:5]"], 0)["train[:5]"]
    assert again == parts[0]


def test_a_whole_split_keeps_its_order():
    documents = tuple(f"{i}" for i in range(9, -1, -1))
    assert one_of(Documents(*documents), "train").documents == documents


def one_of(source, split):
    return read_parts(source, [split], 0)[split]


# ---- splits --------------------------------------------------------------------------


def test_each_split_is_read_once_and_parts_come_in_the_order_of_their_names():
    source = Documents(train=["some text"], test=["other text"])
    names = ["test", "train[:4]", "train[4:]"]
    parts = read_parts(source, names, 0)
    assert list(parts) == names
    assert [parts[name].documents for name in names] == [
        ("other text",),
        ("some",),
        (" text",),
    ]
    assert sorted(source.times_read) == ["test", "train"]


def test_splits_share_no_text_but_all_shares_with_each():
    source = Documents(train=["ab"], test=["cd"], all=["abcd"])
    parts = read_parts(source, ["train", "test", "all[:1]", "all[1:]"], 0)
    train, test, first, rest = parts.values()
    assert not train.overlaps(test)
    for split in (train, test):
        assert split.overlaps(first)
        assert first.overlaps(split)
    assert not first.overlaps(rest)


def test_nothing_is_read_if_a_split_is_unknown_or_unreadable():
    source = Documents("text")
    for names in (["train", "dev"], ["train", "train["]):
        with pytest.raises(DataError, match=r"split='dev'|split='train\['"):
            read_parts(source, names, 0)
    assert source.times_read == []


@pytest.mark.parametrize("documents", [[], [""], ["", ""]])
def test_a_split_without_text_is_refused(documents):
    with pytest.raises(DataError, match="split='train' of 'memory', which holds none"):
        read_parts(Documents(train=documents), ["train"], 0)


# ---- the card ------------------------------------------------------------------------


def test_the_card_counts_documents_characters_bytes_and_copies():
    part = one_of(Documents("né", "a", "né", "né"), "train")
    card = part.card(num_tokens=7)
    assert (card.num_examples, card.num_duplicates, card.num_tokens) == (4, 2, 7)
    assert (card.num_characters, card.num_bytes, part.num_bytes) == (7, 10, 10)
    assert part.card().num_tokens is None


def test_the_hash_is_of_documents_in_their_order_and_of_where_they_end():
    documents = ("né", "a")
    digests = b"".join(hashlib.sha256(text.encode()).digest() for text in documents)
    expected = hashlib.sha256(digests).hexdigest()
    assert one_of(Documents(*documents), "train").card().sha256 == expected
    for others in (("a", "né"), ("n", "éa"), ("né", "a", "")):
        assert one_of(Documents(*others), "train").card().sha256 != expected
