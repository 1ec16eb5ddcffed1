"""Rules of text: what is fine stays as it is, what is not is found and mended."""

import unicodedata

import ftfy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfgenai.data.clean.text import (
    ControlCharacters,
    Encoding,
    Repetition,
    SymbolRatio,
    TextLength,
    UnicodeForm,
)
from tfgenai.data.raw import Example

FINE = [
    "Plain words.",
    "schön, déjà vu, naïve, Œuvre, ½ ≠ ¾",
    "“curled” ‘quotes’ — and dashes…",
    "Ελληνικά, русский, 日本語, العربية, हिन्दी",
    "👩‍👩‍👧 and 🏳️‍🌈 with joiners",
    "a\tb\n\nc",
]
REPAIRS = [Encoding(), UnicodeForm(), ControlCharacters()]


def example(text):
    return Example("a", text)


@pytest.mark.parametrize("text", FINE)
@pytest.mark.parametrize("rule", REPAIRS, ids=lambda rule: rule.name)
def test_fine_text_is_left_alone(rule, text):
    assert rule.check(example(text)) is None


@given(st.text())
@pytest.mark.parametrize("rule", REPAIRS, ids=lambda rule: rule.name)
def test_a_repair_is_done_once(rule, text):
    repaired = rule.repair(example(text))
    assert rule.check(repaired) is None


@given(st.sampled_from(FINE[1:3]), st.sampled_from(["latin-1", "cp1252"]))
def test_what_was_read_by_a_wrong_table_is_read_again(text, table):
    try:
        broken = text.encode().decode(table)
    except UnicodeDecodeError:
        return
    rule = Encoding()
    assert "first at character" in rule.check(example(broken))
    assert rule.repair(example(broken)).content == text


def test_only_encodings_are_repaired():
    text = "&lt;b&gt; “x” ﬁ ｗｉｄｅ é"
    assert Encoding().repaired(text) == text
    assert ftfy.fix_text(text) != text


def test_unicode_forms():
    assert UnicodeForm().repaired("e\u0301") == "é"
    assert UnicodeForm("NFKC").repaired("ﬁ²") == "fi2"
    assert UnicodeForm().check(example("e\u0301")) == "not in NFC, first at character 0"
    with pytest.raises(ValueError, match="form='NFD'"):
        UnicodeForm("NFD")


@given(st.text(st.characters(categories=("Cc", "Cs", "Cf", "L", "Zs"))))
def test_controls_are_gone_and_letters_stay(text):
    cleaned = ControlCharacters().repaired(text)
    for letter in cleaned:
        assert letter in "\t\n" or unicodedata.category(letter) not in ("Cc", "Cs")
    letters = [c for c in text if unicodedata.category(c)[0] == "L"]
    assert [c for c in cleaned if unicodedata.category(c)[0] == "L"] == letters


def test_line_ends_become_one_kind():
    assert ControlCharacters().repaired("a\r\nb\rc\n\0\ufeff") == "a\nb\nc\n"


def test_lengths():
    rule = TextLength(min_characters=3, max_characters=20, min_words=2, max_words=3)
    assert rule.check(example("two words")) is None
    assert rule.check(example("  x ")) == "1 characters"
    assert rule.check(example("x" * 21)) == "21 characters"
    assert rule.check(example("single")) == "1 words"
    assert rule.check(example("a b c d e")) == "5 words"
    assert TextLength().check(example(" \n\t ")) == "0 characters"
    with pytest.raises(ValueError, match="max=1"):
        TextLength(min_words=2, max_words=1)


def test_symbols():
    assert SymbolRatio().check(example("words, and more words.")) is None
    assert SymbolRatio().check(example("हिन्दी में लिखा")) is None
    assert SymbolRatio().check(example("")) is None
    assert SymbolRatio().check(example("abcd 123456")).startswith("40% letters")


def test_repetition_is_counted_as_the_paper_does():
    rule = Repetition(min_words=10)
    words = [f"w{i:03d}" for i in range(100)]
    assert rule.check(example(" ".join(words))) is None
    some = ["one two three four five"] * 4 + ["six seven eight nine ten"] * 3
    lines = "\n".join(some)
    assert rule.check(example(lines)) == "71% of lines stand in it before"
    # 25 of 75 two-word runs are "ab cd": a third of all characters.
    pair = " ".join(f"ab cd {w}" for w in words[:25])
    assert "one run of 2 words" in rule.check(example(pair))
    # 30 of 130 words come again in one run: 23 %, above 15 % for runs of five.
    again = " ".join(words + words[:30])
    assert rule.check(example(again)) == (
        "23% of it are runs of 5 words that came before"
    )
    assert Repetition(strictness=0.4, min_words=10).check(example(again)) is None
    assert Repetition(min_words=500).check(example(lines)) is None


def test_hostile_texts_come_to_an_end():
    for text in ("a" * 10**6, "a " * 10**5, "\n" * 10**6, "ÃÂ" * 10**5):
        for rule in (*REPAIRS, TextLength(min_words=1), SymbolRatio(), Repetition()):
            rule.check(example(text))
