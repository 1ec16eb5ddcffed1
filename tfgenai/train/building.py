"""From a recipe to a compiled model: families, their arguments, optimizers."""

import inspect
from collections.abc import Mapping
from typing import Any

import keras

import tfgenai.families  # noqa: F401  # makes every family known
from tfgenai.core.ema_decay import EMA_DECAYS
from tfgenai.core.errors import ConfigError
from tfgenai.core.likelihoods import LIKELIHOODS
from tfgenai.core.model import GenerativeModel
from tfgenai.core.recipe_errors import check_names
from tfgenai.core.registry import Registry, unknown_name
from tfgenai.data import TextDataset, Tokenizer
from tfgenai.data.augment import AUGMENTATIONS
from tfgenai.diffusion import (
    LOSS_WEIGHTINGS,
    NOISE_SCHEDULES,
    PREDICTION_TYPES,
    SAMPLERS,
)
from tfgenai.evaluate import METRICS
from tfgenai.gan import ADVERSARIAL_LOSSES, PENALTIES
from tfgenai.train.learning_rates import WarmupCosine
from tfgenai.train.recipe import MonitorSection, OptimizerSection, Recipe
from tfgenai.train.run_text import check_text_recipe, fill_in_text
from tfgenai.train.stages import AUTOENCODER, autoencoder_recipe

_AUTO = "auto"
# A registry is called as the constructor argument that takes its entries.
_REGISTRIES: dict[str, Registry[Any]] = {
    registry.kind: registry
    for registry in (
        ADVERSARIAL_LOSSES,
        EMA_DECAYS,
        LIKELIHOODS,
        LOSS_WEIGHTINGS,
        NOISE_SCHEDULES,
        PENALTIES,
        PREDICTION_TYPES,
        SAMPLERS,
    )
}


def check_recipe(recipe: Recipe) -> None:
    """Refuses names that the code does not know: of arguments, optimizers, metrics.

    Raises:
        ConfigError: if there is one; the message names the nearest.
    """
    family = family_of(recipe)
    check_names(
        recipe.model.arguments, family, place="model", without=("dtype", "name")
    )
    for name, section in recipe.optimizers.items():
        if name not in family.optimizer_names:
            known = list(family.optimizer_names)
            raise ConfigError(unknown_name("optimizers", name, known))
        optimizer = _optimizer_class(section, f"optimizers.{name}")
        check_names(
            section.arguments,
            optimizer,
            place=f"optimizers.{name}",
            without=("learning_rate", "name"),
        )
    asked = (recipe.sample_metrics, recipe.evaluate.samples)
    for metric in (m for section in asked if section for m in section.metrics or ()):
        if metric not in METRICS:
            raise ConfigError(unknown_name("metrics", metric, METRICS.names()))
    if recipe.evaluate.nll is not None and not hasattr(family, "log_likelihood"):
        raise ConfigError(
            "A family with log_likelihood was expected for evaluate.nll. Received: "
            f"model.family={recipe.model.family!r}. Leave evaluate.nll out."
        )
    nll = recipe.evaluate.nll
    if nll is not None and (nll.binarize is None) != (recipe.data.binarize is None):
        raise ConfigError(
            "A likelihood of images as they are trained on was expected. Received: "
            f"data.binarize={recipe.data.binarize!r}, evaluate.nll.binarize="
            f"{nll.binarize!r}. Set both or neither."
        )
    make_augmentations(recipe)
    check_text_recipe(recipe)
    stage = autoencoder_recipe(recipe)
    if stage is not None:
        check_recipe(stage)


def family_of(recipe: Recipe) -> type[GenerativeModel]:
    """The class that a recipe's `model.family` names.

    Raises:
        ConfigError: if there is none.
    """
    families: dict[str, type[GenerativeModel]] = {}
    found: list[type[GenerativeModel]] = [GenerativeModel]
    while found:
        for family in found.pop().__subclasses__():
            families[family.__name__] = family
            found.append(family)
    name = recipe.model.family
    if name not in families:
        raise ConfigError(unknown_name("model.family", name, sorted(families)))
    return families[name]


def fill_in(
    recipe: Recipe,
    *,
    image_shape: tuple[int, ...] | None,
    num_classes: int | None,
    text: TextDataset | None = None,
) -> Recipe:
    """The recipe with what the data decide, so that nothing is left open.

    Args:
        recipe: a recipe that was checked.
        image_shape: shape of the data's images, or None of text.
        num_classes: number of its classes, or None without labels.
        text: the text that is trained on, or None of images.

    Raises:
        ConfigError: if the data do not fit what the recipe says.
    """
    arguments = recipe.model.arguments
    parameters = _parameters_of(recipe)
    arguments.setdefault("seed", recipe.seed)
    fill_in_text(recipe, arguments, parameters, text)
    if "image_shape" in parameters and image_shape is not None:
        given = arguments.setdefault("image_shape", list(image_shape))
        if tuple(given) != tuple(image_shape):
            raise ConfigError(
                f"Images of shape {tuple(given)} were expected. Received: data of "
                f"shape {tuple(image_shape)}. Leave model.image_shape out, or set "
                "data.image_size."
            )
    wanted = arguments.get("num_classes")
    if wanted == _AUTO:
        wanted = arguments["num_classes"] = num_classes
    elif wanted is not None and wanted != num_classes:
        raise ConfigError(
            f"Data of {wanted} classes were expected. Received: "
            f"{num_classes or 'no'} classes in {recipe.data.name!r}. Set "
            "model.num_classes=auto, or null for a model without labels."
        )
    stage = autoencoder_recipe(recipe)
    if stage is not None:
        filled = fill_in(stage, image_shape=image_shape, num_classes=num_classes)
        arguments[AUTOENCODER] = {
            **arguments[AUTOENCODER],
            **filled.model.arguments,
        }
    values = recipe.to_dict()
    values["model"] = {"family": recipe.model.family, **arguments}
    return Recipe.from_dict(values, source=recipe.name)


def make_model(
    recipe: Recipe, *, steps_per_epoch: int, tokenizer: Tokenizer | None = None
) -> GenerativeModel:
    """Makes and compiles the model of a recipe that was filled in.

    Args:
        recipe: what `fill_in` returned.
        steps_per_epoch: training steps in an epoch, which schedules are made of.
        tokenizer: that of the data, for families that keep one.

    Raises:
        ConfigError: if the family or an optimizer refuses a value.
    """
    model = _make_untrained(recipe, tokenizer)
    family = family_of(recipe)
    arguments = recipe.model.arguments
    _check_samples(model, recipe)
    optimizers = {}
    for name, section in recipe.optimizers.items():
        # The critic of a GAN may take several steps a training step.
        is_main = name == family.optimizer_names[0]
        factor = 1 if is_main else arguments.get("num_discriminator_steps", 1)
        optimizers[name] = _make_optimizer(
            section,
            place=f"optimizers.{name}",
            epochs=recipe.fit.epochs,
            steps_per_epoch=steps_per_epoch * factor,
        )
    try:
        model.compile(
            **optimizers,
            jit_compile=recipe.fit.jit_compile,
            steps_per_execution=recipe.fit.steps_per_execution,
        )
    except (TypeError, ValueError) as error:
        raise ConfigError(f"fit of {recipe.name!r}: {error}") from error
    return model


def _make_untrained(
    recipe: Recipe, tokenizer: Tokenizer | None = None
) -> GenerativeModel:
    stage = autoencoder_recipe(recipe)
    given = dict(recipe.model.arguments)
    if stage is not None:
        given[AUTOENCODER] = _make_untrained(stage)
    arguments = {name: _revived(name, value) for name, value in given.items()}
    if tokenizer is not None and "tokenizer" in _parameters_of(recipe):
        arguments["tokenizer"] = tokenizer
    try:
        return family_of(recipe)(**arguments, dtype=recipe.fit.precision)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"model of {recipe.name!r}: {error}") from error


def _parameters_of(recipe: Recipe) -> Mapping[str, Any]:
    return inspect.signature(family_of(recipe)).parameters


def sample_arguments(recipe: Recipe) -> dict[str, Any]:
    """What `generate` is asked for in the evaluation at the end, besides labels.

    Raises:
        ConfigError: if the sampler is unknown or refuses an argument.
    """
    asked = recipe.evaluate.samples
    if asked is None:
        return {}
    arguments: dict[str, Any] = {
        name: int(value) if value.is_integer() else value
        for name, value in asked.conditions.items()
    }
    if asked.sampler is not None:
        section = asked.sampler
        if isinstance(section, str):
            section = {"name": section}
        arguments["sampler"] = _made(SAMPLERS, section, "evaluate.samples.sampler")
    return arguments


def make_augmentations(recipe: Recipe) -> list[Any]:
    """The augmentations of a recipe, as `tfgenai.data.load` takes them.

    Raises:
        ConfigError: if a name or an argument is unknown.
    """
    made = []
    for entry in recipe.data.augment:
        values = {"name": entry} if isinstance(entry, str) else dict(entry)
        name = str(values.pop("name", ""))
        if name not in AUGMENTATIONS:
            known = AUGMENTATIONS.names()
            raise ConfigError(unknown_name("data.augment", name, known))
        check_names(values, AUGMENTATIONS.get(name), place=f"data.augment.{name}")
        made.append(AUGMENTATIONS.create(name, **values))
    return made


def monitor_of(recipe: Recipe) -> MonitorSection | None:
    """What chooses the best model; see `Recipe`."""
    if recipe.monitor is not None:
        return recipe.monitor
    if recipe.sample_metrics is not None:
        name = recipe.sample_metrics.metrics[0]
        better = METRICS.get(name).better
        return MonitorSection(
            log=f"val_{name}", mode="max" if better == "higher" else "min"
        )
    # The loss of a game between two networks says nothing about the images.
    is_game = len(family_of(recipe).optimizer_names) > 1
    if recipe.data.validation_split is None or is_game:
        return None
    return MonitorSection(log="val_loss")


def _revived(argument: str, value: Any) -> Any:
    """An object for `{name: r1, weight: 10.0}`; other values as they are."""
    if not isinstance(value, dict) or "name" not in value:
        return value
    if argument not in _REGISTRIES:
        raise ConfigError(
            f"A section with a name was expected for one of {sorted(_REGISTRIES)}. "
            f"Received: model.{argument}={value!r}. Give a plain value."
        )
    return _made(_REGISTRIES[argument], value, f"model.{argument}")


def _made(registry: Registry[Any], section: dict[str, Any], place: str) -> Any:
    settings = dict(section)
    name = settings.pop("name", None)
    if name not in registry:
        raise ConfigError(unknown_name(place, name, registry.names()))
    check_names(settings, registry.get(name), place=place)
    try:
        return registry.create(name, **settings)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{place}: {error}") from error


def _check_samples(model: GenerativeModel, recipe: Recipe) -> None:
    """Refuses before the training what the evaluation after it could not do."""
    arguments = sample_arguments(recipe)
    sampler = arguments.pop("sampler", None)
    known = {condition.name: condition for condition in model.conditions()}
    try:
        if sampler is not None:
            if not hasattr(model, "resolve"):
                raise ValueError(
                    "A family that samples in steps was expected with a sampler. "
                    f"Received: {type(model).__name__}. Leave it out."
                )
            model.resolve(sampler, None)
        for name, value in arguments.items():
            if name not in known:
                raise ValueError(unknown_name("conditions", name, sorted(known)))
            known[name].to_array(value, 1)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"evaluate.samples: {error}") from error


def _optimizer_class(section: OptimizerSection, place: str) -> Any:
    known = {
        name.lower(): value
        for name, value in vars(keras.optimizers).items()
        if isinstance(value, type)
        and issubclass(value, keras.optimizers.Optimizer)
        and name not in ("LossScaleOptimizer", "MultiOptimizer", "Optimizer")
    }
    if section.name.lower() not in known:
        raise ConfigError(unknown_name(f"{place}.name", section.name, sorted(known)))
    return known[section.name.lower()]


def _make_optimizer(
    section: OptimizerSection, *, place: str, epochs: int, steps_per_epoch: int
) -> Any:
    optimizer = _optimizer_class(section, place)
    rate: Any = section.learning_rate
    if rate is None:
        rate = inspect.signature(optimizer).parameters["learning_rate"].default
    try:
        if section.schedule is not None:
            total = epochs * steps_per_epoch
            rate = WarmupCosine(
                rate,
                total,
                warmup_steps=int(section.schedule.warmup_fraction * total),
                final_fraction=section.schedule.final_fraction,
            )
        return optimizer(learning_rate=rate, **section.arguments)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{place}: {error}") from error
