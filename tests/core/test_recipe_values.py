"""Values of a recipe: keys, and YAML that is never code."""

import pytest

from tfgenai.core.errors import ConfigError
from tfgenai.core.recipe_values import parse_yaml, set_key


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
