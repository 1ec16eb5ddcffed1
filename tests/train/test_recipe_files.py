"""Recipes as files: names, keys, and YAML that is never code."""

import pytest

from tfgenai.core.errors import ConfigError
from tfgenai.train.recipe_files import find_recipe, parse_yaml, set_key, shipped_recipes


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


def test_keys_are_set_at_their_place():
    values = {"fit": {"epochs": 1}, "samples": None}
    set_key(values, "fit.epochs", 2)
    set_key(values, "samples.every", 3)
    set_key(values, "new.a.b", 4)
    assert values == {
        "fit": {"epochs": 2},
        "samples": {"every": 3},
        "new": {"a": {"b": 4}},
    }


def test_yaml_makes_plain_values_only():
    assert parse_yaml("a: [1, 2.5, 1e-3, true, null, x]", source="test") == {
        "a": [1, 2.5, 1e-3, True, None, "x"]
    }
    with pytest.raises(ConfigError, match="YAML was expected"):
        parse_yaml("!!python/name:os.system", source="test")
