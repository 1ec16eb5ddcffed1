"""Rules that raw data are cleaned by: each drops, repairs, keeps or fails."""

from tfgenai.data.clean.facts import Fact, Facts
from tfgenai.data.clean.rule import RULES, Action, ExampleRule, Rule, SetRule

__all__ = ["RULES", "Action", "ExampleRule", "Fact", "Facts", "Rule", "SetRule"]
