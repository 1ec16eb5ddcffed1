"""What rules of text share: they repair by one function from text to text."""

import abc
from typing import ClassVar

from tfgenai.data.clean.rule import ExampleRule
from tfgenai.data.raw.example import Example


class TextRepair(ExampleRule):
    """A rule whose repair is known: an example breaks it if its repair changes it."""

    kinds = ("text",)
    default_action = "repair"
    can_repair = True
    reason: ClassVar[str]

    @abc.abstractmethod
    def repaired(self, text: str) -> str:
        """The text as it should be; of such a text, the text itself."""

    def check(self, example: Example) -> str | None:
        """The rule's reason with the first place that would change."""
        text = str(example.content)
        better = self.repaired(text)
        if better == text:
            return None
        pairs = zip(text, better, strict=False)
        place = next(
            (i for i, (a, b) in enumerate(pairs) if a != b), min(len(text), len(better))
        )
        return f"{self.reason}, first at character {place}"

    def repair(self, example: Example) -> Example:
        """The example with its text repaired."""
        return example.with_content(self.repaired(str(example.content)))
