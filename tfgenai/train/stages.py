"""The first of two stages: the autoencoder that a recipe's model stands on."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf

from tfgenai.core.copies import copy_of
from tfgenai.core.errors import ConfigError
from tfgenai.train.recipe import Recipe

AUTOENCODER = "autoencoder"

# What stands beside the arguments of the autoencoder's own constructor.
_SECTIONS = ("optimizers", "fit", "samples")


def autoencoder_recipe(recipe: Recipe) -> Recipe | None:
    """The recipe of the first stage, or None for a run of one stage.

    `model.autoencoder` is a section like `model` itself, with `optimizers`, `fit` and
    `samples` in it where they are not the defaults. Data and seed are the recipe's, and
    so are `precision` and `strategy` unless given.

    Raises:
        ConfigError: if it is no such section, or a key is unknown.
    """
    section = recipe.model.arguments.get(AUTOENCODER)
    if section is None:
        return None
    if not isinstance(section, Mapping) or "family" not in section:
        raise ConfigError(
            "A section with the family of the autoencoder was expected. Received: "
            f"model.autoencoder={section!r}. Give for example {{family: VAE, "
            "latent_dim: 16, fit: {epochs: 10}}."
        )
    values = dict(section)
    sections: dict[str, Any] = {
        key: values.pop(key) for key in _SECTIONS if key in values
    }
    whole = recipe.to_dict()
    inherited = {key: whole["fit"][key] for key in ("precision", "strategy")}
    sections["fit"] = {**inherited, **(sections.get("fit") or {})}
    name = f"{recipe.name}-{AUTOENCODER}"
    return Recipe.from_dict(
        {
            "name": name,
            "seed": recipe.seed,
            "data": whole["data"],
            "model": values,
            **sections,
        },
        source=name,
    )


def refuse_workers(recipe: Recipe, placement: tf.distribute.Strategy) -> None:
    """Refuses to train two stages on several machines.

    Raises:
        ConfigError: if the recipe has two stages and the strategy several workers.
    """
    several = isinstance(placement, tf.distribute.MultiWorkerMirroredStrategy)
    if several and autoencoder_recipe(recipe) is not None:
        raise ConfigError(
            "One machine was expected for a recipe with model.autoencoder. Received: "
            f"fit.strategy={recipe.fit.strategy!r} with several workers in TF_CONFIG. "
            "Use strategy=mirrored on one of them."
        )


def train_autoencoder(
    recipe: Recipe,
    model: Any,
    folder: Path,
    train: Callable[..., Any],
    *,
    verbose: bool,
) -> dict[str, Any] | None:
    """Runs the first stage in `<folder>/autoencoder`, or goes on with it.

    Args:
        recipe: the recipe of the whole run, filled in.
        model: the model of the second stage, whose autoencoder gets the weights.
        folder: folder of the whole run.
        train: `tfgenai.train.run`.
        verbose: whether to show progress.

    Returns:
        What the report of the whole run says of it; None for a run of one stage.
    """
    stage = autoencoder_recipe(recipe)
    if stage is None:
        return None
    done = train(stage, folder / AUTOENCODER, verbose=verbose)
    model.autoencoder.set_weights(copy_of(done.load_model()).get_weights())
    keys = ("model_file", "num_trainable_parameters", "metrics", "epochs", "seconds")
    return {key: done.report[key] for key in keys}
