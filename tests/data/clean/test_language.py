"""The language of a text."""

import sys

import pytest

from tfgenai.core.errors import ConfigError
from tfgenai.data.clean import language
from tfgenai.data.clean.language import Language
from tfgenai.data.raw import Example

TEXTS = {
    "en": "The quick brown fox jumps over the lazy dog while it rains outside.",
    "de": "Der schnelle braune Fuchs springt über den faulen Hund, wenn es regnet.",
    "fr": "Le renard brun saute par-dessus le chien paresseux quand il pleut.",
}


def test_other_languages_are_named():
    rule = Language(("en", "fr"), against=("de", "es"))
    found = {code: rule.check(Example("a", text)) for code, text in TEXTS.items()}
    assert found["en"] is None
    assert found["fr"] is None
    assert found["de"].startswith("in 'de', with a probability of 0.9") or found[
        "de"
    ].startswith("in 'de', with a probability of 1")
    assert rule.check(Example("a", "12345 ...")) == "in no language that is known"


def test_arguments_are_checked():
    with pytest.raises(ValueError, match="'xx'"):
        Language(("xx",))
    with pytest.raises(ValueError, match="languages="):
        Language(())


def test_the_extra_is_named(monkeypatch):
    language._detector.cache_clear()
    monkeypatch.setitem(sys.modules, "lingua", None)
    with pytest.raises(ConfigError, match=r"tfgenai\[language\]"):
        Language()
