"""Registry: names, objects, and the nearest name."""

import pytest

from tfgenai.core.registry import Registry


def test_names_and_objects_are_both_taken():
    table = Registry("colour")
    table.register("red")(dict)
    assert table.create("red", a=1) == {"a": 1}
    thing = object()
    assert table.create(thing) is thing
    assert table.names() == ["red"]
    assert "red" in table


def test_an_unknown_name_is_answered_with_the_nearest():
    table = Registry("adversarial_loss")
    table.register("hinge")(dict)
    with pytest.raises(ValueError, match=r"adversarial_loss='hing'.*'hinge'"):
        table.create("hing")


def test_a_name_is_taken_once():
    table = Registry("x")
    table.register("a")(dict)
    with pytest.raises(ValueError, match="taken"):
        table.register("a")(dict)
