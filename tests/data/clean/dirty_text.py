"""Passages of Shakespeare, and dirt planted among them; the seed says where."""

import re
from pathlib import Path

from tfgenai.core.numpy_random import numpy_generator


def passages(path: Path, min_characters: int = 600) -> list[str]:
    """Speeches joined until they are long enough."""
    found, part = [], ""
    for speech in path.read_text().split("\n\n"):
        part += speech + "\n\n"
        if len(part) > min_characters:
            found.append(part.strip())
            part = ""
    return found


class Dirt:
    """Ways to spoil a passage."""

    def __init__(self, texts: list[str], seed: int) -> None:
        self.generator = numpy_generator(seed, 0x646972)
        self.texts = texts
        self.words = sorted(set(re.findall(r"\w+", " ".join(texts))))

    def reworded(self, text: str) -> str:
        """12 % of the words replaced, left out or swapped."""
        out: list[str] = []
        for word in text.split():
            chance = self.generator.random()
            if chance < 0.07:
                out.append(str(self.generator.choice(self.words)))
            elif chance < 0.095:
                continue
            elif chance < 0.12 and out:
                out.insert(-1, word)
            else:
                out.append(word)
        return " ".join(out)

    def wrapped(self, text: str) -> str:
        return "\n".join(text.split()).upper()

    def appended(self, text: str) -> str:
        other = self.texts[self.generator.integers(len(self.texts))]
        return f"{text}\n{other[: len(text) // 3]}"

    def misread(self, text: str) -> str:
        """UTF-8 that somebody took for Windows's table."""
        place = int(self.generator.integers(len(text)))
        return text[:place] + "“très schön”".encode().decode("cp1252", "ignore")

    def controlled(self, text: str) -> str:
        place = int(self.generator.integers(1, len(text)))
        mark = "\0\x1b\u202e\ufeff"[self.generator.integers(4)]
        return text[:place] + mark + text[place:]

    def repeated(self, text: str) -> str:
        return "\n".join([" ".join(text.split()[:12])] * 30)

    def symbols(self, text: str) -> str:
        digits = self.generator.integers(0, 10**9, 60)
        return f"{text[:80]} {' | '.join(map(str, digits.tolist()))}"

    def personal(self, text: str) -> str:
        """One of: an address, a phone number, a card, a key."""
        generator = self.generator
        kind = int(generator.integers(4))
        if kind == 0:
            data = f"user{generator.integers(10**6)}@mail.example.org"
        elif kind == 1:
            data = f"+49 30 {generator.integers(10**6, 10**7)}"
        elif kind == 2:
            data = card_number(generator)
        else:
            letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
            data = "AKIA" + "".join(generator.choice(list(letters), 16))
        place = text.index(" ", int(generator.integers(len(text) // 2)))
        return f"{text[:place]} {data} {text[place:]}"


def card_number(generator) -> str:
    """Sixteen digits whose last one makes the sum of Luhn's scheme a ten."""
    digits = [4, *generator.integers(0, 10, 14).tolist()]
    total = sum(d if i % 2 else sum(divmod(2 * d, 10)) for i, d in enumerate(digits))
    digits.append(-total % 10)
    text = "".join(map(str, digits))
    return " ".join(text[i : i + 4] for i in range(0, 16, 4))
