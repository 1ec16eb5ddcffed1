"""Hyperparameters: many short runs of one recipe, and the best of them as a recipe."""

import importlib
from typing import Any

_MODULES = {
    "Search": "tfgenai.tune.run",
    "Trial": "tfgenai.tune.trial",
    "TuneRecipe": "tfgenai.tune.recipe",
    "search": "tfgenai.tune.run",
}

__all__ = list(_MODULES)


def __getattr__(name: str) -> Any:
    """Imports what is asked for, and its heavy libraries, when it is."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULES[name]), name)
