"""Every module of rules, imported when a recipe names a rule that may be in it."""

import importlib

from tfgenai.data.clean.rule import RULES, Rule

MODULES = (
    "duplicates",
    "general",
    "image_duplicates",
    "images",
    "labels",
    "language",
    "ngrams",
    "outliers",
    "personal",
    "sound",
    "sound_duplicates",
    "sound_levels",
    "text",
    "text_duplicates",
)


def rule_class(name: str) -> type[Rule]:
    """The rule that a recipe calls `name`.

    Raises:
        ValueError: if there is none; the message names the nearest.
    """
    for module in MODULES:
        if name in RULES:
            break
        importlib.import_module(f"tfgenai.data.clean.{module}")
    return RULES.get(name)
