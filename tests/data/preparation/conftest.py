"""Prepares examples in memory as if a recipe had named them."""

import sys
from pathlib import Path

import pytest

from tfgenai.data.preparation import PrepareRecipe, prepare

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def prepare_source(monkeypatch, tmp_path):
    """Calls `prepare` with a source object in place of a path."""

    def run(source, output="out", *, how=None, **values):
        monkeypatch.setattr(PrepareRecipe, "open_source", lambda *_: source)
        recipe = {
            "name": "fake",
            "source": {"path": "fake"},
            "clean": ["exact_duplicate"],
            "leaks": {"near": False},
            **values,
        }
        return prepare(recipe, tmp_path / output, **(how or {}))

    return run
