"""The layers and variables of a model, each under the path that leads to it."""

import tfgenai.core.backend  # noqa: F401  # isort: skip

import fnmatch
from collections.abc import Iterable, Iterator
from typing import Any

import keras

from tfgenai.layers.adapters.layer_adapters import LayerAdapters


def named_layers(model: Any) -> list[tuple[str, Any]]:
    """Every layer below a model, once, in an order that only its making decides.

    Args:
        model: a Keras model or layer.

    Returns:
        Pairs of path and layer; a path is the names from the model on, such as
        `decoder/block_0/attention/query`. Adapters are no layers of their own.
    """
    return list(_walk(model, "", {id(model)}))


def _walk(layer: Any, prefix: str, seen: set[int]) -> Iterator[tuple[str, Any]]:
    for child in layer._layers:
        is_other = isinstance(child, (keras.metrics.Metric, LayerAdapters))
        if is_other or id(child) in seen:
            continue
        seen.add(id(child))
        path = f"{prefix}{child.name}"
        yield path, child
        yield from _walk(child, f"{path}/", seen)


def base_variables(model: Any) -> list[tuple[str, keras.Variable]]:
    """The variables of a model and its layers as they were made, without adapters.

    What a model itself keeps besides weights, such as averages and counters, is left
    out.

    Args:
        model: a Keras model.

    Returns:
        Pairs of path and variable, such as `decoder/block_0/attention/query/kernel`.
    """
    found = [(each.name, each) for each in model._trainable_variables]
    for path, layer in named_layers(model):
        for variable in layer._trainable_variables + layer._non_trainable_variables:
            found.append((f"{path}/{variable.name}", variable))
    return found


def weights_made_to_train(model: Any) -> list[keras.Variable]:
    """The base variables that were made trainable, frozen since then or not."""
    every = list(model._trainable_variables)
    for _, layer in named_layers(model):
        every += layer._trainable_variables
    return every


def matches(path: str, patterns: Iterable[str]) -> bool:
    """Whether a path, or something above it, is named by one of several patterns.

    Args:
        path: names joined by `/`.
        patterns: each a path or the end of one, where `*`, `?` and `[...]` stand for
            what they do in file names.

    Example:
        >>> matches("decoder/block_0/attention/query", ["query"])
        True
        >>> matches("decoder/block_0/attention/query/kernel", ["block_*/attention"])
        True
        >>> matches("decoder/block_0/attention/query", ["key", "ery"])
        False
    """
    names = path.split("/")
    above = ["/".join(names[:i]) for i in range(1, len(names) + 1)]
    return any(
        fnmatch.fnmatchcase(each, pattern) or fnmatch.fnmatchcase(each, f"*/{pattern}")
        for each in above
        for pattern in patterns
    )
