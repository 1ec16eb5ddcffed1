"""The language of a text, recognised by `lingua`, an extra of the package."""

import functools
from collections.abc import Sequence
from typing import Any

from tfgenai.core.errors import ConfigError
from tfgenai.data.clean.rule import RULES, Action, ExampleRule
from tfgenai.data.raw.example import Example

_USUAL = ("de", "en", "es", "fr", "it", "nl", "pl", "pt", "ru", "tr")
_LOOKED_AT = 4000  # characters; more change nothing but the time


@RULES.register("language")
class Language(ExampleRule):
    """Texts in another language than those wanted.

    Args:
        languages: two letters of each language (ISO 639-1) that stays.
        against: those that are told apart from; None for ten that are widely written.
            Fewer cost less memory and err less.
        min_confidence: least probability of the wanted languages together.
        action: see `Rule`.

    Raises:
        ConfigError: if the extra `language` is not installed.
    """

    name = "language"
    kinds = ("text",)

    def __init__(
        self,
        languages: Sequence[str] = ("en",),
        against: Sequence[str] | None = None,
        min_confidence: float = 0.5,
        *,
        action: Action | None = None,
    ) -> None:
        super().__init__(action=action)
        if not languages or not 0.0 < min_confidence < 1.0:
            raise ValueError(
                "Languages and a confidence between 0 and 1 were expected. Received: "
                f"languages={list(languages)}, {min_confidence=}."
            )
        self.languages = tuple(languages)
        self.against = tuple(against or _USUAL)
        self.min_confidence = min_confidence
        _detector(self._all())

    def check(self, example: Example) -> str | None:
        """The language that it is in, if it is another."""
        text = str(example.content)[:_LOOKED_AT]
        found = _detector(self._all()).compute_language_confidence_values(text)
        values = {
            one.language.iso_code_639_1.name.lower(): float(one.value) for one in found
        }
        if not any(values.values()):
            return "in no language that is known"
        confidence = sum(values.get(one, 0.0) for one in self.languages)
        if confidence >= self.min_confidence:
            return None
        best = max(values, key=lambda one: (values[one], one))
        return f"in {best!r}, with a probability of {values[best]:.2f}"

    def _all(self) -> tuple[str, ...]:
        return tuple(sorted({*self.languages, *self.against}))


@functools.lru_cache(maxsize=4)
def _detector(codes: tuple[str, ...]) -> Any:
    try:
        import lingua
    except ImportError as error:
        raise ConfigError(
            "lingua was expected for the rule 'language'. Received: none. Install it "
            "with `pip install 'tfgenai[language]'`."
        ) from error
    wanted = []
    for code in codes:
        one = getattr(lingua.IsoCode639_1, code.upper(), None)
        if one is None:
            raise ValueError(
                "Two letters of a language, such as 'en', were expected. Received: "
                f"{code!r}."
            )
        wanted.append(one)
    return lingua.LanguageDetectorBuilder.from_iso_codes_639_1(*wanted).build()
