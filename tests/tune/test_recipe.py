"""Recipes of a search: what a range may be, and the recipes that it makes."""

import pytest

from tfgenai.core.errors import ConfigError
from tfgenai.train.recipe import Recipe
from tfgenai.tune import TuneRecipe

LATENT = {"kind": "int", "min": 2, "max": 16}


def values(**tune):
    return {
        "name": "tiny",
        "data": {"name": "digits", "validation_split": "test"},
        "model": {"family": "VAE", "latent_dim": 4},
        "tune": {"space": {"model.latent_dim": LATENT}, **tune},
    }


def test_values_make_a_recipe_of_train_without_the_search():
    made = TuneRecipe.from_dict(values()).with_values(
        {"model.latent_dim": 8, "data.batch_size": 16}, name="eight", samples=None
    )
    assert type(made) is Recipe
    assert made.model.arguments == {"latent_dim": 8}
    assert (made.data.batch_size, made.name, made.samples) == (16, "eight", None)


def test_a_recipe_returns_from_its_yaml(tmp_path):
    recipe = TuneRecipe.from_dict(values(search="bayesian", max_trials=7))
    path = tmp_path / "tiny.yaml"
    path.write_text(recipe.to_yaml())
    assert TuneRecipe.load(path) == recipe


@pytest.mark.parametrize(
    "part",
    [
        {"kind": "int", "min": 2},
        {"kind": "int", "min": 4, "max": 4},
        {"kind": "int", "min": 1.5, "max": 4},
        {"kind": "float", "min": 0, "max": 1, "sampling": "log"},
        {"kind": "float", "min": 0.1, "max": 1, "step": 0.5, "sampling": "log"},
        {"kind": "float", "min": 0.1, "max": 1, "step": 0},
        {"kind": "float", "min": 0.1, "max": 1, "values": [1, 2]},
        {"kind": "choice", "values": [1]},
        {"kind": "choice", "values": [[1], [1]]},
        {"kind": "choice", "values": [1, 2], "min": 1},
        {"kind": "gaussian", "min": 0, "max": 1},
    ],
)
def test_ranges_that_are_none_are_refused(part):
    with pytest.raises(ConfigError, match=r"model\.latent_dim"):
        TuneRecipe.from_dict(values(space={"model.latent_dim": part}))


@pytest.mark.parametrize(
    ("tune", "words"),
    [
        ({"space": {}}, "space"),
        ({"space": {"tune.seed": LATENT}}, "tune.seed"),
        ({"space": {"fit.epochs": LATENT}, "search": "hyperband"}, r"fit\.epochs"),
        ({"factor": 1}, "factor"),
        ({"max_trials": 0}, "max_trials"),
        ({"searhc": "random"}, "search"),
    ],
)
def test_searches_that_are_none_are_refused(tune, words):
    with pytest.raises(ConfigError, match=words):
        TuneRecipe.from_dict(values(**tune))


def test_epochs_may_be_searched_for_otherwise():
    recipe = TuneRecipe.from_dict(values(space={"fit.epochs": LATENT}))
    assert recipe.with_values({"fit.epochs": 3}).fit.epochs == 3


def test_extremes_are_the_ends_or_all_choices():
    space = {
        "model.latent_dim": LATENT,
        "model.beta": {"kind": "float", "min": 0.5, "max": 2},
        "model.hidden_units": {"kind": "choice", "values": [[16], [32, 16]]},
    }
    parts = TuneRecipe.from_dict(values(space=space)).tune.space
    assert parts["model.latent_dim"].extremes == (2, 16)
    assert parts["model.beta"].extremes == (0.5, 2.0)
    assert parts["model.hidden_units"].extremes == ([16], [32, 16])
