"""SoundRule: what rules that look at one sound have in common."""

import math
from typing import Any

import numpy as np

from tfgenai.core.errors import ConfigError
from tfgenai.data.clean.rule import ExampleRule
from tfgenai.data.raw.example import Example, Sound


class SoundRule(ExampleRule):
    """A rule that looks at the samples of one sound."""

    kinds = ("sound",)

    def check(self, example: Example) -> str | None:
        """See `ExampleRule.check`."""
        return self.check_sound(sound_of(example))

    def check_sound(self, sound: Sound) -> str | None:
        """Says what is wrong with a sound, or None."""
        raise NotImplementedError


def sound_of(example: Example) -> Sound:
    """The content of an example of sound.

    Raises:
        TypeError: if it is something else.
    """
    if not isinstance(example.content, Sound):
        raise TypeError(
            f"Sound was expected. Received: content={type(example.content).__name__} "
            f"of {example.id!r}."
        )
    return example.content


def decibels(power: float) -> float:
    """Power relative to 1 in dB; minus infinity of none."""
    return 10 * math.log10(power) if power > 0 else -math.inf


def require(condition: bool, expected: str, **received: Any) -> None:
    """Raises ConfigError unless the condition holds."""
    if not condition:
        values = ", ".join(f"{name}={value!r}" for name, value in received.items())
        raise ConfigError(f"{expected} was expected. Received: {values}.")


def is_count(value: Any, least: int = 1) -> bool:
    """Whether a value is a whole number from `least` on."""
    is_whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    return is_whole and int(value) >= least
