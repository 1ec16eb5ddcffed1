"""Reads what a layer inside a model is given or gives, while the model runs."""

import contextlib
from collections.abc import Iterator
from typing import Any

import keras
import tensorflow as tf

from tfgenai.layers.layer_tree import matches, named_layers


class Tap:
    """What went through a layer the last time it was called.

    Args:
        inputs: the first argument.
        outputs: the answer.
    """

    inputs: tf.Tensor | None = None
    outputs: tf.Tensor | None = None


@contextlib.contextmanager
def tapped(layer: keras.layers.Layer) -> Iterator[Tap]:
    """Inside, every call of a layer leaves its tensors in the tap.

    Args:
        layer: a layer of a model that is run inside.

    Example:
        >>> layer = keras.layers.Dense(2)
        >>> model = keras.Sequential([layer, keras.layers.Dense(1)])
        >>> with tapped(layer) as tap:
        ...     _ = model(tf.ones((4, 3)))
        >>> tap.outputs.shape
        TensorShape([4, 2])
    """
    tap, inner = Tap(), layer.call
    was_replaced = "call" in vars(layer)

    def call(*args: Any, **kwargs: Any) -> Any:
        tap.outputs = inner(*args, **kwargs)
        tap.inputs = args[0] if args else next(iter(kwargs.values()))
        return tap.outputs

    layer.call = call
    try:
        yield tap
    finally:
        if was_replaced:
            layer.call = inner
        else:
            del layer.call


def find_layer(model: Any, name: str) -> keras.layers.Layer:
    """The one layer whose path is, or ends with, a name.

    Raises:
        ValueError: if there is none, or several.
    """
    named = named_layers(model)
    found = [
        (path, layer)
        for path, layer in named
        if matches(path, [name]) and not matches(path.rpartition("/")[0] or "/", [name])
    ]
    if len(found) != 1:
        shown = [path for path, _ in (found or named)][:12]
        raise ValueError(
            f"The name of one layer was expected. Received: layer={name!r}, which "
            f"{len(found) or 'no'} layers have. Some are {shown}."
        )
    return found[0][1]
