"""What a fine-tuning run is trained on: batches for its base, or labelled arrays."""

from typing import Any

import numpy as np

import tfgenai.data
from tfgenai.core.errors import ConfigError
from tfgenai.gpt import GPT
from tfgenai.train.recipe import DataSection


def labelled_arrays(
    data: DataSection, split: str, seed: int
) -> tuple[tuple[np.ndarray, np.ndarray], list[str]]:
    """Images in [-1, 1] and classes of a whole split, and the classes' names."""
    dataset = tfgenai.data.load(
        data.name,
        split=split,
        batch_size=data.batch_size,
        image_size=data.image_size,
        shuffle=False,
        drop_remainder=False,
        seed=seed,
    )
    names = dataset.card.class_names
    if not names:
        raise ConfigError(
            f"Data with classes were expected. Received: data.name={data.name!r}, "
            "which has none. Label them with `tfgenai data label`."
        )
    x, y = zip(*dataset.for_epochs(0, 1), strict=True)
    return (np.concatenate(x), np.concatenate(y)), list(names)


def first_of_each(
    rows: tuple[np.ndarray, np.ndarray], count: int
) -> tuple[np.ndarray, np.ndarray]:
    """The first `count` examples of each class."""
    x, y = rows
    chosen = np.concatenate([np.flatnonzero(y == c)[:count] for c in np.unique(y)])
    return x[chosen], y[chosen]


def load_for(base: Any, data: DataSection, split: str, seed: int) -> Any:
    """Batches of a split, as the model was trained on."""
    options: dict[str, Any] = {"batch_size": data.batch_size, "seed": seed}
    is_training = split == data.split
    if isinstance(base, GPT):
        options["tokenizer"] = base.tokenizer
        options["sequence_length"] = data.sequence_length or base.max_sequence_length
        if is_training:
            options["steps_per_epoch"] = data.steps_per_epoch
    else:
        options["image_size"] = data.image_size
        options["binarize"] = data.binarize
        if is_training:
            options["augment"] = data.augment
    if not is_training:
        options |= {"shuffle": False, "drop_remainder": False}
    return tfgenai.data.load(data.name, split=split, **options)
