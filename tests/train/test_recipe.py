"""Recipes: what is read is what is meant, and every mistake is named with its place."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfgenai.core.errors import ConfigError
from tfgenai.core.recipe_values import parse_yaml
from tfgenai.train import Recipe, shipped_recipes
from tfgenai.train.building import check_recipe


def values(**changes):
    plain = {
        "name": "tiny",
        "data": {"name": "digits"},
        "model": {"family": "VAE", "latent_dim": 4},
    }
    for key, value in changes.items():
        plain[key] = {**plain[key], **value} if key in plain else value
    return plain


@pytest.mark.parametrize("name", shipped_recipes())
def test_shipped_recipes_have_no_mistakes(name):
    recipe = Recipe.load(name)
    assert recipe.name == name
    check_recipe(recipe)


def test_what_is_written_is_read_again(tmp_path):
    recipe = Recipe.load("vae_mnist")
    path = tmp_path / "mine.yaml"
    path.write_text(recipe.to_yaml())
    assert Recipe.load(path) == recipe


@settings(deadline=None)
@given(
    st.integers(1, 10**6),
    st.floats(1e-8, 10, allow_nan=False),
    st.one_of(st.none(), st.sampled_from(["dynamic", "static", "threshold"])),
)
def test_values_survive_the_file(batch_size, rate, binarize):
    recipe = Recipe.from_dict(
        values(
            data={"batch_size": batch_size, "binarize": binarize},
            optimizers={"optimizer": {"learning_rate": rate, "beta_1": 0.5}},
        )
    )
    again = Recipe.from_dict(parse_yaml(recipe.to_yaml(), source="test"))
    assert again == recipe
    assert again.optimizers["optimizer"].arguments == {"beta_1": 0.5}


def test_overrides_reach_values_and_make_sections(tmp_path):
    path = tmp_path / "short.yaml"
    path.write_text("data: {name: digits}\nmodel: {family: VAE, latent_dim: 4}\n")
    overrides = {"data.batch_size": 8, "evaluate.nll.num_samples": 50, "seed": 3}
    recipe = Recipe.load(path, overrides=overrides)
    assert recipe.name == "short"
    assert (recipe.data.batch_size, recipe.seed) == (8, 3)
    assert recipe.evaluate.nll.num_samples == 50
    with pytest.raises(ConfigError, match=r"'seed\.x'.*'seed' is the value 3"):
        Recipe.load(path, overrides={"seed": 3, "seed.x": 1})


def test_numbers_with_an_exponent_are_numbers():
    assert parse_yaml("[1e-3, 2E5, -1e+2, 1.5e-3, 12, e3]", source="test") == [
        1e-3,
        2e5,
        -1e2,
        1.5e-3,
        12,
        "e3",
    ]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"fitt": {}}, r"fitt: there is no such key. Did you mean 'fit'\?"),
        ({"fit": {"epoch": 3}}, r"fit\.epoch: .*Did you mean 'epochs'"),
        ({"data": {"batch_size": 0}}, r"data\.batch_size=0: greater than or equal"),
        ({"data": {"image_size": [8, "x"]}}, r"data\.image_size=.*'x'"),
        ({"fit": {"jit_compile": "maybe"}}, r"fit\.jit_compile='maybe'"),
        ({"fit": None}, r"fit=None: a section with keys"),
        ({"name": "a/b"}, r"name='a/b': a name of letters"),
        ({"evaluate": {"nll": {"samples": 3}}}, r"nll\.samples: .*'num_samples'"),
        (
            {"optimizers": {"optimizer": {"schedule": {"warmup_share": 1}}}},
            r"schedule\.warmup_share: .*There are name, warmup_fraction",
        ),
        (
            {"optimizers": {"optimizer": {"learning_rate": -1}}},
            r"optimizers\.optimizer\.learning_rate=-1",
        ),
    ],
)
def test_a_mistake_is_named_with_its_place_and_the_nearest_key(change, words):
    plain = values()
    plain.update(change)
    if "data" in change:
        plain["data"]["name"] = "digits"
    with pytest.raises(ConfigError, match=words):
        Recipe.from_dict(plain)


def test_all_mistakes_are_named_at_once():
    plain = {"name": "x", "data": {"batchsize": 3}, "fit": {"epochs": 0}}
    with pytest.raises(ConfigError) as error:
        Recipe.from_dict(plain, source="mine.yaml")
    text = str(error.value)
    for word in (
        "mine.yaml",
        "data.name: a value",
        "batchsize",
        "fit.epochs",
        "model:",
    ):
        assert word in text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("data: [", "YAML was expected"),
        ("- a\n- b\n", "holds list"),
        ("data: !!python/object/apply:os.system [ls]", "YAML was expected"),
    ],
)
def test_files_that_hold_no_recipe_are_refused(tmp_path, text, words):
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=words):
        Recipe.load(path)


def test_a_name_that_is_not_there_gets_the_nearest():
    with pytest.raises(ConfigError, match=r"recipe='vae_mnst'.*'vae_mnist'"):
        Recipe.load("vae_mnst")


def test_a_recipe_cannot_be_changed():
    recipe = Recipe.from_dict(values())
    with pytest.raises(ValueError, match="frozen"):
        recipe.seed = 3
