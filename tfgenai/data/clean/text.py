"""Rules of text: encodings, characters, length, symbols, repetition."""

import collections
import re
import unicodedata
from typing import Literal

import ftfy

from tfgenai.data.clean.rule import RULES, Action, ExampleRule
from tfgenai.data.clean.text_rule import TextRepair
from tfgenai.data.raw.example import Example

# Controls but tab and line feed, marks of direction and of no width, halves of pairs,
# and code points that stand for no character. Joiners stay: emoji need them.
_CONTROLS = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069"
    "\ufeff\ufff9-\ufffb\ufffe\uffff\ud800-\udfff]"
)
_WORD = re.compile(r"\w+")
# Rae et al. 2021, table A1: lengths of runs of words and the largest share of a text.
_TOP = {2: 0.20, 3: 0.18, 4: 0.16}
_LEAST_WORDS = 3  # of a line that counts
_DUPLICATE = {5: 0.15, 6: 0.14, 7: 0.13, 8: 0.12, 9: 0.11, 10: 0.10}


@RULES.register("encoding")
class Encoding(TextRepair):
    """Text that was decoded by the wrong table: "schÃ¶n" for "schön".

    Repaired by `ftfy`, of which only the repair of encodings is used: quotation marks,
    widths and entities stay as they are.
    """

    name = "encoding"
    reason = "decoded by a wrong table"

    def repaired(self, text: str) -> str:
        """See `TextRepair.repaired`."""
        if text.isascii():
            return text
        config = ftfy.TextFixerConfig(
            unescape_html=False,
            remove_terminal_escapes=False,
            fix_latin_ligatures=False,
            fix_character_width=False,
            uncurl_quotes=False,
            fix_line_breaks=False,
            fix_surrogates=False,
            remove_control_chars=False,
            normalization=None,
        )
        # Line by line, as one line may be broken and its neighbour not.
        return "".join(
            ftfy.fix_text_segment(line, config) if not line.isascii() else line
            for line in text.splitlines(keepends=True)
        )


@RULES.register("unicode_form")
class UnicodeForm(TextRepair):
    """Text in another normal form of Unicode (UAX #15).

    Args:
        form: "NFC", which keeps what is written, or "NFKC", which also makes "ﬁ" "fi"
            and "²" "2".
        action: see `Rule`.
    """

    name = "unicode_form"

    def __init__(
        self, form: Literal["NFC", "NFKC"] = "NFC", *, action: Action | None = None
    ) -> None:
        super().__init__(action=action)
        if form not in ("NFC", "NFKC"):
            raise ValueError(f"'NFC' or 'NFKC' was expected. Received: form={form!r}.")
        self.form = form

    @property
    def reason(self) -> str:  # type: ignore[override]
        """Says which form."""
        return f"not in {self.form}"

    def repaired(self, text: str) -> str:
        """See `TextRepair.repaired`."""
        return unicodedata.normalize(self.form, text)


@RULES.register("control_characters")
class ControlCharacters(TextRepair):
    """Characters that are not seen: NUL and other controls, marks of direction.

    Also those of no width but joiners, the byte order mark and halves of surrogate
    pairs. The repair takes them out, and makes all line ends Unix's.
    """

    name = "control_characters"
    reason = "control characters"

    def repaired(self, text: str) -> str:
        """See `TextRepair.repaired`."""
        return _CONTROLS.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


@RULES.register("text_length")
class TextLength(ExampleRule):
    """Texts with too few or too many words or characters.

    Args:
        min_characters: fewest characters without space around.
        max_characters: most; None for any number.
        min_words: fewest runs of letters and digits.
        max_words: most; None for any number.
        action: see `Rule`.
    """

    name = "text_length"
    kinds = ("text",)

    def __init__(
        self,
        min_characters: int = 1,
        max_characters: int | None = None,
        min_words: int = 0,
        max_words: int | None = None,
        *,
        action: Action | None = None,
    ) -> None:
        super().__init__(action=action)
        self.min_characters, self.max_characters = min_characters, max_characters
        self.min_words, self.max_words = min_words, max_words
        for low, high in (
            (min_characters, max_characters),
            (min_words, max_words),
        ):
            if low < 0 or (high is not None and high < low):
                raise ValueError(
                    f"0 <= min <= max was expected. Received: min={low}, max={high}."
                )

    def check(self, example: Example) -> str | None:
        """The length that is out of bounds."""
        text = str(example.content)
        characters = len(text.strip())
        if not self.min_characters <= characters <= _or_more(self.max_characters):
            return f"{characters:,} characters"
        if self.min_words or self.max_words is not None:
            words = sum(1 for _ in _WORD.finditer(text))
            if not self.min_words <= words <= _or_more(self.max_words):
                return f"{words:,} words"
        return None


@RULES.register("symbol_ratio")
class SymbolRatio(ExampleRule):
    """Texts that are mostly digits, marks and symbols: tables, logs, remains of markup.

    Args:
        min_letters: least share of letters (and marks that belong to them) among what
            is not space.
        action: see `Rule`.
    """

    name = "symbol_ratio"
    kinds = ("text",)

    def __init__(
        self, min_letters: float = 0.6, *, action: Action | None = None
    ) -> None:
        super().__init__(action=action)
        if not 0.0 <= min_letters <= 1.0:
            raise ValueError(
                f"A share was expected. Received: min_letters={min_letters!r}."
            )
        self.min_letters = min_letters

    def check(self, example: Example) -> str | None:
        """The share of letters, if it is too small."""
        counts = collections.Counter(str(example.content))
        visible = sum(n for c, n in counts.items() if not c.isspace())
        letters = sum(
            n for c, n in counts.items() if unicodedata.category(c)[0] in "LM"
        )
        share = letters / visible if visible else 1.0
        if share >= self.min_letters:
            return None
        return f"{share:.0%} letters of what is not space"


@RULES.register("repetition")
class Repetition(ExampleRule):
    """Texts that say the same again and again.

    The limits are those of Rae et al. 2021, "Scaling Language Models: Methods, Analysis
    & Insights from Training Gopher", arXiv:2112.11446, table A1: shares of lines that
    stand in the text before, of the most common runs of two to four words, and of runs
    of five to ten words that stand in it before. Other than there, lines of one or two
    words do not count: plays name who speaks in them.

    Args:
        max_share_of_lines: 0.30 in the paper.
        strictness: all limits are divided by it.
        min_words: shorter texts are not looked at.
        action: see `Rule`.
    """

    name = "repetition"
    kinds = ("text",)

    def __init__(
        self,
        max_share_of_lines: float = 0.30,
        strictness: float = 1.0,
        min_words: int = 50,
        *,
        action: Action | None = None,
    ) -> None:
        super().__init__(action=action)
        if strictness <= 0 or not 0 < max_share_of_lines <= 1:
            raise ValueError(
                "A share of lines and a positive strictness were expected. Received: "
                f"{max_share_of_lines=}, {strictness=}."
            )
        self.max_share_of_lines = max_share_of_lines
        self.strictness = strictness
        self.min_words = min_words

    def check(self, example: Example) -> str | None:
        """The first share that is above its limit."""
        text = str(example.content)
        words = text.split()
        if len(words) < self.min_words:
            return None
        lines = [line.strip() for line in text.splitlines()]
        lines = [line for line in lines if len(line.split()) >= _LEAST_WORDS]
        counts = collections.Counter(lines)
        again = len(lines) - len(counts)
        if again > self.max_share_of_lines / self.strictness * len(lines):
            return f"{again / len(lines):.0%} of lines stand in it before"
        total = sum(map(len, words))
        for n, limit in _TOP.items():
            grams = collections.Counter(
                zip(*(words[i:] for i in range(n)), strict=False)
            )
            gram, times = max(grams.items(), key=lambda one: (one[1], one[0]))
            share = times * sum(map(len, gram)) / total if times > 1 else 0.0
            if share > limit / self.strictness:
                return f"{share:.0%} of it is one run of {n} words"
        for n, limit in _DUPLICATE.items():
            share = _share_in_duplicates(words, n) / total
            if share > limit / self.strictness:
                return f"{share:.0%} of it are runs of {n} words that came before"
        return None


def _share_in_duplicates(words: list[str], n: int) -> int:
    """Characters in words of n-grams that came before, each word counted once."""
    seen: set[tuple[str, ...]] = set()
    counted = end = 0
    for i in range(len(words) - n + 1):
        gram = tuple(words[i : i + n])
        if gram in seen:
            start = max(end, i)
            counted += sum(map(len, words[start : i + n]))
            end = i + n
        seen.add(gram)
    return counted


def _or_more(limit: int | None) -> float:
    return float("inf") if limit is None else limit
