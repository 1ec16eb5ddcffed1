"""Rules of what could not be read: each problem by its code."""

import pytest

from tfgenai.data.clean.all_rules import rule_class
from tfgenai.data.clean.general import Truncated, Unreadable
from tfgenai.data.raw.example import KINDS, Example, Problem

CODES = ("unreadable", "truncated", "too_large", "encoding", "missing", "permission")


@pytest.mark.parametrize("code", CODES)
def test_a_problem_is_told_with_its_reason(code):
    example = Example("a", None, problem=Problem(code, "in words"))
    assert Unreadable().check(example) == f"{code}: in words"
    cut_off = "cut off: in words" if code == "truncated" else None
    assert Truncated().check(example) == cut_off


@pytest.mark.parametrize("rule", [Unreadable, Truncated])
def test_rules_look_at_all_kinds_and_find_nothing_in_what_was_read(rule):
    assert rule_class(rule.name) is rule
    assert rule.looks_at_unreadable
    assert rule.kinds == KINDS
    assert rule().action == "drop"
    assert rule().check(Example("a", "text")) is None
