"""The data of a run: training and validation batches, and what is kept for the end."""

import dataclasses
from typing import Any

from tfgenai.core.errors import ConfigError
from tfgenai.data import DatasetCard, TextDataset, load, load_arrays
from tfgenai.data.split import Slice
from tfgenai.train.building import make_augmentations
from tfgenai.train.recipe import Recipe
from tfgenai.train.run_text import load_text_splits, trains_on_text


@dataclasses.dataclass(frozen=True)
class RunData:
    """Datasets of one recipe.

    Args:
        train: batches to train on.
        validation: batches that never change, or None.
        test: batches of the test split, or None if nothing is measured on them.
        card: card of all splits that are read.
        measured: the split that `test` is: "test", or "validation" where text has no
            test split.
    """

    train: Any
    validation: Any | None
    test: Any | None
    card: DatasetCard
    measured: str = "test"

    @property
    def text(self) -> TextDataset | None:
        """The training batches, if they are of text."""
        return self.train if isinstance(self.train, TextDataset) else None

    @property
    def num_classes(self) -> int | None:
        """Number of classes, or None without labels."""
        names = self.card.class_names
        return None if names is None else len(names)


def load_run_data(recipe: Recipe) -> RunData:
    """Loads what a recipe asks for, so that missing data stop a run before it begins.

    Raises:
        DataError: if data are missing or not usable.
        ConfigError: if training and validation share examples, or train on the test
            split.
    """
    data = recipe.data
    for key in ("split", "validation_split"):
        text = getattr(data, key)
        if text is not None and text.partition("[")[0] == "test":
            raise ConfigError(
                "A part of the training split was expected: test data never enter "
                f"training. Received: data.{key}={text!r}. Use 'train[:90%]' and "
                "'train[90%:]'."
            )
    if trains_on_text(recipe):
        train, validation, test, measured = load_text_splits(recipe)
        return RunData(train, validation, test, train.card, measured)
    common: dict[str, Any] = {
        "batch_size": data.batch_size,
        "image_size": data.image_size,
        "seed": recipe.seed,
    }
    train = load(
        data.name,
        split=data.split,
        augment=make_augmentations(recipe),
        binarize=data.binarize,
        **common,
    )
    # Figures of different epochs are compared: the pixels must stay the same.
    fixed = "static" if data.binarize == "dynamic" else data.binarize
    still: dict[str, Any] = {
        "shuffle": False,
        "drop_remainder": False,
        "binarize": fixed,
        **common,
    }
    validation = test = None
    if data.validation_split is not None:
        validation = load(data.name, split=data.validation_split, **still)
        _require_disjoint(recipe)
    if recipe.evaluate.loss or recipe.evaluate.nll or recipe.evaluate.samples:
        test = load(data.name, split="test", **still)
    splits = {}
    for dataset in (train, validation, test):
        if dataset is not None:
            splits.update(dataset.card.splits)
    return RunData(
        train, validation, test, dataclasses.replace(train.card, splits=splits)
    )


def validation_arrays(recipe: Recipe) -> tuple[Any, Any]:
    """Training and validation images as arrays, for figures of samples.

    Raises:
        ConfigError: if the recipe has no validation split.
    """
    data = recipe.data
    if data.validation_split is None:
        raise ConfigError(
            "A validation split was expected for sample_metrics. Received: "
            "data.validation_split=None. Set data.split='train[:90%]' and "
            "data.validation_split='train[90%:]'."
        )
    train, validation = (
        load_arrays(
            data.name, split=split, image_size=data.image_size, seed=recipe.seed
        )
        for split in (data.split, data.validation_split)
    )
    return train, validation


def _require_disjoint(recipe: Recipe) -> None:
    data = recipe.data
    first = Slice.parse(data.split)
    second = Slice.parse(data.validation_split or "")
    meet = (first.stop, second.stop), (second.start, first.start)
    if first.base != second.base or any(
        a and a == b for a, b in zip(*meet, strict=True)
    ):
        return  # the usual 'train[:90%]' and 'train[90%:]' need no look at the data
    train, validation = (set(arrays.ids) for arrays in validation_arrays(recipe))
    shared = len(train & validation)
    if shared:
        raise ConfigError(
            "Validation examples that are not trained on were expected. Received: "
            f"data.split={data.split!r} and data.validation_split="
            f"{data.validation_split!r}, which share {shared}. Use for example "
            "'train[:90%]' and 'train[90%:]'."
        )
