"""Recipes that ship: their names and paths."""

import pytest

from tfgenai.core.errors import ConfigError
from tfgenai.train.recipe_files import find_recipe, shipped_recipes


def test_shipped_names_are_sorted_and_found():
    assert shipped_recipes() == sorted(shipped_recipes())
    for name in shipped_recipes():
        assert find_recipe(name).stem == name


def test_a_path_needs_the_suffix_and_the_file(tmp_path):
    path = tmp_path / "mine.yml"
    path.write_text("a: 1")
    assert find_recipe(path) == path
    for wrong in (tmp_path / "gone.yaml", tmp_path, tmp_path / "mine"):
        with pytest.raises(ConfigError, match="is neither"):
            find_recipe(wrong)
