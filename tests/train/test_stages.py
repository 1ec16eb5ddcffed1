"""Two stages: the autoencoder's run inside of the run, found again when it goes on."""

import numpy as np
import pytest
import tensorflow as tf

import tfgenai as tg
from tfgenai.core.copies import copy_of
from tfgenai.core.errors import ConfigError
from tfgenai.train import Recipe, run
from tfgenai.train.building import check_recipe, fill_in, make_model
from tfgenai.train.stages import autoencoder_recipe, refuse_workers

AUTOENCODER = {
    "family": "VAE",
    "latent_dim": 3,
    "hidden_units": [8],
    "ema_decay": 0.9,
    "fit": {"epochs": 2, "jit_compile": False},
    "samples": None,
}
RECIPE = {
    "name": "tiny",
    "seed": 3,
    "data": {"name": "digits", "split": "train[:20%]", "batch_size": 64},
    "model": {
        "family": "LatentDiffusion",
        "network_options": {"hidden_dim": 8, "num_blocks": 1},
        "num_classes": "auto",
        "autoencoder": AUTOENCODER,
    },
    "fit": {"epochs": 2, "jit_compile": False, "precision": "mixed_bfloat16"},
    "samples": None,
    "evaluate": {"loss": False},
}


def recipe_with(**changes):
    model = {**RECIPE["model"], "autoencoder": {**AUTOENCODER, **changes}}
    return Recipe.from_dict({**RECIPE, "model": model})


def test_the_first_stage_is_a_recipe_of_its_own_on_the_same_data():
    stage = autoencoder_recipe(Recipe.from_dict(RECIPE))
    assert (stage.name, stage.seed) == ("tiny-autoencoder", 3)
    assert stage.data == Recipe.from_dict(RECIPE).data
    assert stage.model.family == "VAE"
    assert stage.model.arguments["latent_dim"] == 3
    assert "fit" not in stage.model.arguments
    assert (stage.fit.epochs, stage.fit.precision) == (2, "mixed_bfloat16")
    one = {**RECIPE, "model": {"family": "VAE", "latent_dim": 2}}
    assert autoencoder_recipe(Recipe.from_dict(one)) is None


def test_what_the_data_decide_is_filled_in_below_too():
    recipe = recipe_with(num_classes="auto")
    filled = fill_in(recipe, image_shape=(8, 8, 1), num_classes=10)
    below = filled.model.arguments["autoencoder"]
    assert below["num_classes"] == 10
    assert tuple(below["image_shape"]) == (8, 8, 1)
    assert below["fit"] == AUTOENCODER["fit"]
    model = make_model(filled, steps_per_epoch=2)
    assert model.autoencoder.num_classes == 10
    assert fill_in(filled, image_shape=(8, 8, 1), num_classes=10) == filled


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"latent_dims": 2}, r"model\.latent_dims.*'latent_dim'"),
        ({"family": "VAEE"}, r"model\.family='VAEE'"),
        (
            {"fit": {"epoch": 1}},
            r"(?s)'tiny-autoencoder'.*fit\.epoch.*'epochs'",
        ),
        ({"optimizers": {"optimiser": {}}}, r"'optimizer'"),
    ],
)
def test_mistakes_in_the_first_stage_are_found_at_once(changes, words):
    with pytest.raises(ConfigError, match=words):
        check_recipe(recipe_with(**changes))


@pytest.mark.parametrize("value", ["vae.keras", {"latent_dim": 2}, 3])
def test_other_values_are_refused(value):
    model = {**RECIPE["model"], "autoencoder": value}
    with pytest.raises(ConfigError, match=r"model\.autoencoder="):
        autoencoder_recipe(Recipe.from_dict({**RECIPE, "model": model}))


def test_several_workers_are_refused():
    placement = tf.distribute.MultiWorkerMirroredStrategy.__new__(
        tf.distribute.MultiWorkerMirroredStrategy
    )
    with pytest.raises(ConfigError, match=r"model\.autoencoder"):
        refuse_workers(Recipe.from_dict(RECIPE), placement)
    refuse_workers(Recipe.from_dict(RECIPE), tf.distribute.get_strategy())


@pytest.mark.slow
def test_a_run_trains_both_and_goes_on_where_it_was(tmp_path):
    whole = run(RECIPE, tmp_path / "whole", verbose=False)
    below = tg.load_model(whole.folder / "autoencoder" / "last.keras")
    model = whole.load_model()
    # what stands below are the averaged weights of the first stage
    expected = copy_of(below).weights
    raw = below.encoder.weights[0].numpy()
    assert not np.array_equal(model.autoencoder.encoder.weights[0].numpy(), raw)
    for left, right in zip(expected, model.autoencoder.weights, strict=True):
        np.testing.assert_array_equal(left.numpy(), right.numpy())
    assert whole.report["autoencoder"]["epochs"] == 2
    before = (whole.folder / "autoencoder" / "last.keras").stat().st_mtime_ns
    # one epoch of the second stage, and one more
    broken = tmp_path / "broken"
    run({**RECIPE, "fit": {**RECIPE["fit"], "epochs": 1}}, broken, verbose=False)
    first = (broken / "autoencoder" / "last.keras").stat().st_mtime_ns
    resumed = run(RECIPE, broken, resume=True, verbose=False).load_model()
    assert (broken / "autoencoder" / "last.keras").stat().st_mtime_ns == first
    for left, right in zip(model.weights, resumed.weights, strict=True):
        np.testing.assert_array_equal(left.numpy(), right.numpy())
    again = run(RECIPE, whole.folder, verbose=False)
    assert again.report == whole.report
    assert (whole.folder / "autoencoder" / "last.keras").stat().st_mtime_ns == before
