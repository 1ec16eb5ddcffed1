"""Personal data: found, masked, and never quoted in a reason."""

import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))
from dirty_text import Dirt, card_number, passages

from tfgenai.core.numpy_random import numpy_generator
from tfgenai.data.clean.personal import PersonalData, luhn
from tfgenai.data.raw import Example


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("to jo.b+x@mail.example.co.uk!", "to [EMAIL]!"),
        ("call (650) 253-0000 now", "call [PHONE] now"),
        ("call +44 20 7946 0958 now", "call [PHONE] now"),
        ("card 4111 1111 1111 1111.", "card [CARD]."),
        ("card 378282246310005", "card [CARD]"),
        ("AKIAIOSFODNN7EXAMPLE it is", "[KEY] it is"),
        ("ghp_" + "a1B2" * 9 + " x", "[KEY] x"),
        ('password: "x8Kq-2LmZ_77vRt3Wp"', 'password: "[KEY]"'),
        (
            "-----BEGIN RSA PRIVATE KEY-----\nMII\n-----END RSA PRIVATE KEY-----",
            "[KEY]",
        ),
    ],
)
def test_what_is_personal_is_masked(text, masked):
    rule = PersonalData()
    example = Example("a", text)
    reason = rule.check(example)
    assert rule.repair(example).content == masked
    assert rule.check(rule.repair(example)) is None
    for part in text.split():
        if part not in masked:
            assert part not in reason


@pytest.mark.parametrize(
    "text",
    [
        "In 1984, 42 men and 1,000,000 ants; see page 123-456.",
        "card 4111 1111 1111 1112",  # the check digit is wrong
        "1111111111111111 and 0000000000000000",
        "me@home and @handle and a@b",
        "token: the_first_of_many_words",
        "version 1.2.3.4 of it",
        "Act 3, scene 2, lines 100 to 2000",
    ],
)
def test_what_is_not_personal_is_left_alone(text):
    assert PersonalData().check(Example("a", text)) is None


def test_only_what_is_asked_for_is_found():
    text = "jo@example.org at 192.168.1.77 or 999.1.1.1"
    assert PersonalData(("ip",)).mask(text) == "jo@example.org at [IP] or 999.1.1.1"
    assert PersonalData().mask(text) == "[EMAIL] at 192.168.1.77 or 999.1.1.1"
    for wrong in ({"kinds_of_data": ("name",)}, {"region": "XX"}):
        with pytest.raises(ValueError, match="Received"):
            PersonalData(**wrong)


@given(st.integers(0, 2**32))
def test_every_card_is_found_and_every_other_last_digit_is_none(seed):
    card = card_number(numpy_generator(seed))
    digits = [int(c) for c in card if c != " "]
    assert luhn(digits)
    for other in range(1, 10):
        assert not luhn([*digits[:-1], (digits[-1] + other) % 10])


def test_hostile_texts_come_to_an_end():
    many = {
        "email": "a@b.cd " * 40_000,
        "card": "4111 1111 1111 1111, " * 20_000,
        "key": "AKIAIOSFODNN7EXAMPLE " * 20_000,
    }
    found = PersonalData(tuple(many)).check(Example("a", "".join(many.values())))
    assert found == "40000 email, 20000 card, 20000 key"
    for text in ("a@" * 10**5, "1 " * 10**5, "a.b" * 10**5 + "@", "eyJ" * 10**5):
        PersonalData(("email", "card", "key", "ip")).check(Example("a", text))


@pytest.mark.data
def test_planted_in_shakespeare_all_is_found_and_nothing_else(test_data):
    texts = passages(test_data / "tiny_shakespeare" / "input.txt")[:400]
    dirt, rule = Dirt(texts, seed=71), PersonalData()
    found = [rule.check(Example("a", dirt.personal(text))) for text in texts[:100]]
    assert sum(reason is not None for reason in found) >= 95
    assert sum(rule.check(Example("a", text)) is not None for text in texts) <= 4
