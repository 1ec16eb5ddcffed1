"""Labels by a rule."""

import pytest

from tfgenai.core.errors import ConfigError
from tfgenai.data.label import label_by_rule
from tfgenai.data.raw import Example, Sound

EXAMPLES = [
    Example("cats/1", "a cat sat"),
    Example("dogs/2", "no animal"),
    Example("birds/3", Sound(None, 8000)),
]


def test_patterns_look_at_ids_or_at_texts():
    assert label_by_rule(EXAMPLES, r"(?P<label>[a-z]+)s/") == {
        "cats/1": "cat",
        "dogs/2": "dog",
        "birds/3": "bird",
    }
    assert label_by_rule(EXAMPLES, r"cat|dog", of="text") == {
        "cats/1": "cat",
        "dogs/2": None,
        "birds/3": None,
    }


def test_functions_see_the_example():
    found = label_by_rule(EXAMPLES, lambda e: "long" if len(e.id) > 6 else None)
    assert found == {"cats/1": None, "dogs/2": None, "birds/3": "long"}


def test_what_is_no_rule_is_refused():
    with pytest.raises(ConfigError, match="regular expression"):
        label_by_rule(EXAMPLES, "(")
    with pytest.raises(ConfigError, match="of='name'"):
        label_by_rule(EXAMPLES, "a", of="name")
