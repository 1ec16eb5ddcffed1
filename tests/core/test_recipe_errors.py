"""Arguments that a function does not have are named with the nearest."""

import pytest

from tfgenai.core.errors import ConfigError
from tfgenai.core.recipe_errors import check_names


class Thing:
    def __init__(self, size, *, name=None, **more):
        pass


def test_known_names_pass_and_others_are_named_with_the_nearest():
    check_names({"size": 1, "name": "x"}, Thing, place="thing")
    words = r"argument of Thing.*thing\.sise, which is none\. Did you mean 'size'\?"
    with pytest.raises(ConfigError, match=words):
        check_names({"sise": 1}, Thing, place="thing")


def test_names_that_cannot_be_given_here_are_refused():
    with pytest.raises(ConfigError, match=r"thing\.name, which is none\. It has size"):
        check_names({"name": "x"}, Thing, place="thing", without=("name",))
