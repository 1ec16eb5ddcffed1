"""Text in a run: the datasets of a recipe, and what they decide of its model."""

from collections.abc import Mapping
from typing import Any

from tfgenai.core.errors import ConfigError
from tfgenai.data import TextDataset, load
from tfgenai.data.sources import is_text, open_text_source
from tfgenai.train.recipe import Recipe

_ALL = "all"
_TEXT_KEYS = ("tokenizer", "sequence_length", "steps_per_epoch")


def trains_on_text(recipe: Recipe) -> bool:
    """Whether a recipe's data are text."""
    data = recipe.data
    return any(getattr(data, key) is not None for key in _TEXT_KEYS) or is_text(
        data.name
    )


def check_text_recipe(recipe: Recipe) -> None:
    """Refuses what cannot be done with text, before the text is read.

    Raises:
        ConfigError: if sequences are longer than the model's, if the model is to have
            another tokenizer than the data, or if something asks for images.
    """
    arguments = recipe.model.arguments
    length, longest = recipe.data.sequence_length, arguments.get("max_sequence_length")
    if isinstance(longest, int) and length is not None and length > longest:
        raise ConfigError(
            f"Sequences that the model can see whole, {longest} tokens or fewer, were "
            f"expected. Received: data.sequence_length={length}, "
            f"model.max_sequence_length={longest}. Change one of them."
        )
    if not trains_on_text(recipe):
        return
    if arguments.get("tokenizer") is not None:
        raise ConfigError(
            "No tokenizer in the model's section was expected: it takes that of the "
            f"data. Received: model.tokenizer={arguments['tokenizer']!r}. Set "
            "data.tokenizer."
        )
    asks_for_images = {
        "sample_metrics": recipe.sample_metrics,
        "evaluate.nll": recipe.evaluate.nll,
        "evaluate.samples": recipe.evaluate.samples,
    }
    for place, section in asks_for_images.items():
        if section is not None:
            raise ConfigError(
                f"No {place} was expected with text: it compares images. Received: "
                f"{place}={section!r}. Leave it out; the loss is measured on the whole "
                "test or validation split."
            )


def load_text_splits(
    recipe: Recipe,
) -> tuple[TextDataset, TextDataset | None, TextDataset | None, str]:
    """Training and validation text, and what is measured at the end.

    That is the test split; or the validation split, where the set has no test split or
    where all of the set, which the test split is a part of, was cut in two.

    Returns:
        Datasets for training, validation and measuring, and the name of the latter.

    Raises:
        DataError: if text is missing or not usable.
        ConfigError: if training and validation share text.
    """
    data = recipe.data
    splits = [data.split]
    if data.validation_split is not None:
        splits.append(data.validation_split)
    uses_all = data.split.partition("[")[0] == _ALL
    has_test = "test" in open_text_source(data.name).split_names() and not uses_all
    if recipe.evaluate.loss and has_test:
        splits.append("test")
    of_images: dict[str, Any] = {  # which `load` refuses by name
        "image_size": data.image_size,
        "augment": data.augment,
        "binarize": data.binarize,
    }
    made = load(
        data.name,
        split=tuple(splits),
        batch_size=data.batch_size,
        **of_images,
        tokenizer=data.tokenizer or "byte",
        # A model may see less than the usual length, which is longer.
        sequence_length=data.sequence_length or _longest(recipe),
        steps_per_epoch=data.steps_per_epoch,
        seed=recipe.seed,
    )
    found = dict(zip(splits, made, strict=True))
    train, validation = made[0], found.get(data.validation_split or "")
    if validation is not None and train.part.overlaps(validation.part):
        raise ConfigError(
            "Validation text that is not trained on was expected. Received: "
            f"data.split={data.split!r} and data.validation_split="
            f"{data.validation_split!r}, which share text. Use for example "
            "'train[:90%]' and 'train[90%:]'."
        )
    measured = None
    if recipe.evaluate.loss:
        measured = found.get("test", validation)
    name = "test" if "test" in found else "validation"
    return train, validation, measured, name


def _longest(recipe: Recipe) -> int | None:
    longest = recipe.model.arguments.get("max_sequence_length")
    return longest if isinstance(longest, int) else None


def fill_in_text(
    recipe: Recipe, arguments: dict[str, Any], parameters: Mapping[str, Any], text: Any
) -> None:
    """Puts what the text decides into the arguments of a family's constructor.

    Args:
        recipe: the recipe.
        arguments: its model's arguments, which are changed.
        parameters: the constructor's parameters by name; others are left out.
        text: the `TextDataset` that is trained on, or None for images.

    Raises:
        ConfigError: if the family is not made for such data, or does not fit.
    """
    takes_text = "vocabulary_size" in parameters
    takes_images = "image_shape" in parameters
    if takes_text != (text is not None) and takes_text != takes_images:
        kind = "images" if takes_images else "text"
        raise ConfigError(
            f"Data of {kind} were expected for model.family={recipe.model.family!r}. "
            f"Received: data.name={recipe.data.name!r}, which holds "
            f"{'images' if text is None else 'text'}. Change one of them."
        )
    if text is None:
        return
    decided = {
        "vocabulary_size": text.tokenizer.vocabulary_size,
        "max_sequence_length": text.sequence_length,
    }
    for name, value in decided.items():
        if name in parameters and arguments.get(name) is None:
            arguments[name] = value
    size = arguments.get("vocabulary_size", decided["vocabulary_size"])
    if size != decided["vocabulary_size"]:
        raise ConfigError(
            f"The vocabulary of the data, {decided['vocabulary_size']} tokens, was "
            f"expected. Received: model.vocabulary_size={size}. Leave it out."
        )
    longest = arguments.get("max_sequence_length", text.sequence_length)
    if text.sequence_length > longest:
        raise ConfigError(
            f"Sequences of {longest} tokens or fewer were expected. Received: "
            f"data.sequence_length={text.sequence_length}, "
            f"model.max_sequence_length={longest}. Change one of them."
        )
