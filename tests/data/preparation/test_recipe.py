"""Recipes of preparations: mistakes are named, with their place and the way out."""

import pytest

from tfgenai.core.errors import ConfigError
from tfgenai.data.preparation import PrepareRecipe

SMALL = {"name": "a", "source": {"path": "digits"}}


def test_a_recipe_comes_back_from_its_file(tmp_path):
    recipe = PrepareRecipe.from_dict(
        {
            **SMALL,
            "clean": ["exact_duplicate", {"rule": "shared_ngrams", "num_words": 9}],
            "split": {"shares": {"a": 0.5, "b": 0.5}, "seed": 3},
            "exceptions": [{"id": "x", "rule": None}],
        }
    )
    path = tmp_path / "recipe.yaml"
    path.write_text(recipe.to_yaml())
    assert PrepareRecipe.load(path) == recipe
    assert PrepareRecipe.load(path, overrides={"split.seed": 4}).split.seed == 4


def test_a_file_gives_the_name(tmp_path):
    path = tmp_path / "photos.yaml"
    path.write_text("source: {path: photos}")
    assert PrepareRecipe.load(path).name == "photos"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"claen": []}, "claen: there is no such key. Did you mean 'clean'?"),
        ({"split": {"shares": {"train": 2}}}, "split.shares.train=2"),
        ({"leaks": {"action": "warn"}}, "leaks.action='warn'"),
        ({"name": "../up"}, "a name of letters"),
    ],
)
def test_a_mistake_is_named(change, words):
    with pytest.raises(
        ConfigError, match=words.replace(".", r"\.").replace("?", r"\?")
    ):
        PrepareRecipe.from_dict({**SMALL, **change})


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        (["exact_duplicat"], r"clean\[0\]: .*Did you mean 'exact_duplicate'"),
        (["exact_duplicate", "exact_duplicate"], r"Each rule once"),
        ([{"rule": "exact_duplicate", "action": "repair"}], "'repair'"),
        (["exact_duplicate", "shared_ngrams"], "rule for images was expected"),
        ([{"rule": "exact_duplicate", "speed": 1}], r"clean\[0\].speed"),
    ],
)
def test_a_rule_that_cannot_be_is_refused(rules, words):
    recipe = PrepareRecipe.from_dict({**SMALL, "clean": rules})
    with pytest.raises(ConfigError, match=words):
        recipe.make_rules("images")


def test_the_arguments_of_a_rule_are_checked():
    recipe = PrepareRecipe.from_dict(
        {**SMALL, "clean": [{"rule": "shared_ngrams", "num_words": 2}]}
    )
    with pytest.raises(ConfigError, match="At least 6 words"):
        recipe.make_rules("text")


def test_no_file_is_told_of(tmp_path):
    with pytest.raises(ConfigError, match="that exists was expected"):
        PrepareRecipe.load(tmp_path / "gone.yaml")
    (tmp_path / "list.yaml").write_text("- a\n- b")
    with pytest.raises(ConfigError, match="holds list"):
        PrepareRecipe.load(tmp_path / "list.yaml")
