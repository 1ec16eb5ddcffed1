"""Personal data in text: addresses, numbers and keys, found and masked."""

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence

import phonenumbers

from tfgenai.data.clean.rule import RULES, Action, ExampleRule
from tfgenai.data.raw.example import Example

KINDS = ("email", "phone", "card", "key", "ip")

# Every repetition is bounded: no text makes them run for long.
_EMAIL = re.compile(
    r"(?<![\w.+-])[\w.+%-]{1,64}@(?:[\w-]{1,63}\.){1,8}[^\W\d_]{2,24}(?![\w-])"
)
_CARD = re.compile(r"(?<![\w.-])\d(?:[ -]?\d){12,18}(?![\w-])")
_IP = re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w.])")
_KEY = re.compile(
    r"""
    -----BEGIN\ [A-Z ]{0,40}PRIVATE\ KEY-----[\s\S]{1,8192}?
        -----END\ [A-Z ]{0,40}PRIVATE\ KEY-----
    | \beyJ[\w-]{8,2048}\.eyJ[\w-]{8,4096}\.[\w-]{8,2048}    # JSON web token
    | \b(?:AKIA|ASIA)[A-Z0-9]{16}\b                          # Amazon
    | \bgh[pousr]_[A-Za-z0-9]{36,255}\b                      # GitHub
    | \bgithub_pat_\w{22,255}\b
    | \bglpat-[\w-]{20,64}                                   # GitLab
    | \bAIza[\w-]{35}                                        # Google
    | \bxox[abprs]-[A-Za-z0-9-]{10,250}                      # Slack
    | \b[sr]k_(?:live|test)_[A-Za-z0-9]{16,128}\b            # Stripe
    | \bsk-[A-Za-z0-9_-]{20,200}                             # OpenAI and others
    | \bhf_[A-Za-z0-9]{30,64}\b                              # Hugging Face
    """,
    re.VERBOSE,
)
_ASSIGNED = re.compile(
    r"(?i)\b(?:api[_-]?key|secret|token|passw(?:or)?d)\b['\"]?\s{0,4}[:=]\s{0,4}"
    r"['\"]?([A-Za-z0-9+/_=.-]{16,256})"
)
_MIN_ENTROPY = 3.5  # bits a character; words and file names stay below


@RULES.register("personal_data")
class PersonalData(ExampleRule):
    """E-mail addresses, phone numbers, card numbers and keys.

    Phone numbers are found by `phonenumbers`, Google's library, as valid ones of the
    region or with a country code; card numbers have 13 to 19 digits whose check digit
    is right (Luhn, US patent 2,950,048); keys have a known form, or stand behind a word
    such as "password" and look drawn at random. The repair writes [EMAIL], [PHONE],
    [CARD], [KEY] or [IP] in their place. Reasons count what was found, and do not quote
    it.

    Args:
        kinds_of_data: which of "email", "phone", "card", "key", "ip" to look for.
        region: two letters of the country whose numbers may lack a country code.
        action: see `Rule`.

    Example:
        >>> rule = PersonalData()
        >>> rule.mask("Write to jo@example.org or call +1 650-253-0000.")
        'Write to [EMAIL] or call [PHONE].'
    """

    name = "personal_data"
    kinds = ("text",)
    default_action = "repair"
    can_repair = True
    is_private = True

    def __init__(
        self,
        kinds_of_data: Sequence[str] = ("email", "phone", "card", "key"),
        region: str | None = "US",
        *,
        action: Action | None = None,
    ) -> None:
        super().__init__(action=action)
        unknown = [kind for kind in kinds_of_data if kind not in KINDS]
        if unknown or not kinds_of_data:
            raise ValueError(
                f"Some of {list(KINDS)} were expected. Received: "
                f"kinds_of_data={list(kinds_of_data)}."
            )
        if region is not None and region not in phonenumbers.SUPPORTED_REGIONS:
            raise ValueError(
                "Two letters of a country, such as 'DE', were expected. Received: "
                f"region={region!r}."
            )
        self.kinds_of_data = tuple(kinds_of_data)
        self.region = region

    def check(self, example: Example) -> str | None:
        """How many of each kind there are."""
        counts = Counter(kind for kind, _, _ in self._found(str(example.content)))
        if not counts:
            return None
        return ", ".join(f"{counts[kind]} {kind}" for kind in KINDS if counts[kind])

    def repair(self, example: Example) -> Example:
        """The example with its text masked."""
        return example.with_content(self.mask(str(example.content)))

    def mask(self, text: str) -> str:
        """The text with a word in brackets for each find."""
        parts, place = [], 0
        for kind, start, stop in self._found(text):
            parts += [text[place:start], f"[{kind.upper()}]"]
            place = stop
        return "".join([*parts, text[place:]])

    def _found(self, text: str) -> list[tuple[str, int, int]]:
        """Finds in order; where two overlap, the one of the earlier kind counts."""
        found: list[tuple[str, int, int]] = []
        taken = bytearray(len(text))
        finders = {
            "key": _keys,
            "email": _emails,
            "card": _cards,
            "phone": self._phones,
            "ip": _addresses,
        }
        for kind, find in finders.items():
            if kind in self.kinds_of_data:
                for start, stop in find(text):
                    # Looked up by place: a text may hold very many of each kind.
                    if not any(taken[start:stop]):
                        taken[start:stop] = b"\1" * (stop - start)
                        found.append((kind, start, stop))
        return sorted(found, key=lambda one: one[1])

    def _phones(self, text: str) -> Iterator[tuple[int, int]]:
        # The library is slow; a text without seven digits has no number.
        if sum(map(str.isdigit, text)) < 7:
            return
        for match in phonenumbers.PhoneNumberMatcher(text, self.region):
            # A year, an amount or a line number is no phone number.
            if sum(map(str.isdigit, match.raw_string)) >= 7:
                yield match.start, match.end


def _emails(text: str) -> Iterator[tuple[int, int]]:
    if "@" in text:
        for match in _EMAIL.finditer(text):
            yield match.span()


def _cards(text: str) -> Iterator[tuple[int, int]]:
    for match in _CARD.finditer(text):
        digits = [int(c) for c in match.group() if c.isdigit()]
        if len(set(digits)) > 1 and luhn(digits):
            yield match.span()


def luhn(digits: Sequence[int]) -> bool:
    """Whether the check digit, the last one, is right.

    Example:
        >>> luhn([7, 9, 9, 2, 7, 3, 9, 8, 7, 1, 3])
        True
    """
    doubled = [sum(divmod(2 * d, 10)) for d in digits[-2::-2]]
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def _keys(text: str) -> Iterator[tuple[int, int]]:
    yield from (match.span() for match in _KEY.finditer(text))
    for match in _ASSIGNED.finditer(text):
        # Words joined by underscores are names of things.
        is_mixed = any(c.isdigit() for c in match[1]) and not match[1].isdigit()
        if is_mixed and _entropy(match[1]) >= _MIN_ENTROPY:
            yield match.span(1)


def _addresses(text: str) -> Iterator[tuple[int, int]]:
    for match in _IP.finditer(text):
        if all(int(part) < 256 for part in match.group().split(".")):
            yield match.span()


def _entropy(text: str) -> float:
    """Bits a character."""
    shares = [n / len(text) for n in Counter(text).values()]
    return -sum(share * math.log2(share) for share in shares)
