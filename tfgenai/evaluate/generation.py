"""Images from a model: which labels to ask for, and in which portions."""

import math
from typing import Any

import numpy as np

from tfgenai.core.conditions import Condition
from tfgenai.core.random import row_seeds
from tfgenai.evaluate.pixels import to_uint8

# So many floats at a time; a multiple of the default batch, so that the batches are
# those of one single call.
_CHUNK = 1024


def labels_to_ask(model: Any, labels: Any, count: int) -> np.ndarray | None:
    """The labels to ask a model for, or that given images were asked for.

    Args:
        model: a model, or None for given images.
        labels: int `(count,)`, `"balanced"` for all classes equally often, or None
            for balanced ones where the model takes labels.
        count: number of images.

    Returns:
        int32 `(count,)`, or None for a model without labels.

    Raises:
        ValueError: if the labels do not fit the model or the number.
    """
    balanced = isinstance(labels, str) and labels == "balanced"
    condition = label_condition(model)
    if labels is None or balanced:
        if condition is None:
            if balanced:
                raise ValueError(
                    "A model that takes labels was expected for labels='balanced'. "
                    "Received: one without. Leave labels out."
                )
            return None
        return np.arange(count, dtype=np.int32) % (int(condition.maximum or 0) + 1)
    if model is not None and condition is None:
        raise ValueError(
            "A model that takes labels was expected. Received: labels with a model "
            "without that condition. Leave labels out."
        )
    labels = np.asarray(labels)
    if labels.shape != (count,) or labels.dtype.kind not in "iu":
        raise ValueError(
            f"Integer labels of shape ({count},), or 'balanced', were expected. "
            f"Received: labels of shape {labels.shape} and type {labels.dtype}. Give "
            "one for each image."
        )
    return labels.astype(np.int32)


def generate_uint8(
    model: Any,
    count: int,
    *,
    seed: int,
    labels: np.ndarray | None,
    batch_size: int | None,
    conditions: dict[str, Any],
) -> np.ndarray:
    """What `model.generate(count, seed=seed)` gives, but never whole in floats.

    Args:
        model: a model with `generate`.
        count: number of images.
        seed: one seed for all.
        labels: int32 `(count,)` or None.
        batch_size: images at a time; the model's default if None.
        conditions: further conditions; arrays of `count` rows are cut with the rest.

    Returns:
        uint8 `(count, height, width, channels)`.
    """
    seeds = row_seeds(seed, count)
    size = math.ceil(_CHUNK / batch_size) * batch_size if batch_size else _CHUNK
    parts = []
    for start in range(0, count, size):
        rows = slice(start, min(start + size, count))
        asked = {
            key: value[rows] if np.shape(value)[:1] == (count,) else value
            for key, value in conditions.items()
        }
        if labels is not None:
            asked["labels"] = labels[rows]
        drawn = model.generate(
            rows.stop - start, seed=seeds[rows], batch_size=batch_size, **asked
        )
        parts.append(to_uint8(drawn, name="samples"))
    return np.concatenate(parts)


def label_condition(model: Any) -> Condition | None:
    """The model's condition `labels`, or None for a model (or None) without it."""
    if not hasattr(model, "conditions"):
        return None
    return next((c for c in model.conditions() if c.name == "labels"), None)
