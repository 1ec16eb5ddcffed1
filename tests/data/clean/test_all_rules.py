"""All rules: each can be made, told of, sent to a worker, and is in the guide."""

import copy
import importlib
import inspect
import json
from pathlib import Path

import pytest

from tfgenai.data.clean.all_rules import MODULES, rule_class
from tfgenai.data.clean.rule import RULES, ExampleRule, SetRule

GUIDE = Path(__file__).parents[3] / "docs" / "data_preparation.md"
for module in MODULES:
    importlib.import_module(f"tfgenai.data.clean.{module}")

NEEDED = {"sample_rate": {"sample_rate": 8000}}


def row_of(name):
    """The line of the guide's table that tells of a rule."""
    rule = RULES.get(name)
    arguments = [
        p.name if p.default is p.empty else f"{p.name}={shown(p.default)}"
        for p in inspect.signature(rule).parameters.values()
        if p.name != "action"
    ]
    actions = rule.default_action + (", can repair" if rule.can_repair else "")
    first = inspect.getdoc(rule).split("\n\n")[0].split("\n")[0].rstrip(".:")
    listed = ", ".join(f"`{one}`" for one in arguments)
    return f"| `{name}` | {', '.join(rule.kinds)} | {actions} | {first} | {listed} |"


def shown(value):
    return json.dumps(list(value)) if isinstance(value, tuple) else json.dumps(value)


@pytest.mark.parametrize("name", RULES.names())
def test_a_rule_is_whole(name):
    rule = rule_class(name)(**NEEDED.get(name, {}))
    assert rule.name == name
    assert isinstance(rule, ExampleRule | SetRule)
    assert rule.action == rule.default_action
    assert json.loads(json.dumps(rule.describe()))["rule"] == name
    assert copy.deepcopy(rule).describe() == rule.describe()
    with pytest.raises(ValueError, match="action='mend'"):
        rule_class(name)(action="mend", **NEEDED.get(name, {}))


@pytest.mark.parametrize("name", RULES.names())
def test_a_rule_is_in_the_guide(name):
    assert row_of(name) in GUIDE.read_text(encoding="utf-8").splitlines()


def test_an_unknown_rule_is_told_of_with_the_nearest():
    with pytest.raises(ValueError, match="Did you mean 'exact_duplicate'"):
        rule_class("exact_dublicate")
