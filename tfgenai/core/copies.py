"""Copies of models inside of models: frozen, with the averaged weights in place."""

from typing import Any

import keras

from tfgenai.core.model import GenerativeModel


def copy_of(model: Any, *, like: dict[str, Any] | None = None) -> Any:
    """A new model with the same weights, not compiled; the given one stays as it is.

    Where the model keeps an average of its weights, the copy has that average as its
    weights, and no average of its own.

    Args:
        model: a Keras model whose config makes it again.
        like: arguments of the constructor that differ in the copy.

    Returns:
        The copy.

    Raises:
        ValueError: if the copy has other weights than the model.
    """
    description = keras.saving.serialize_keras_object(model)
    description.pop("compile_config", None)  # a copy carries no optimizer
    if not isinstance(model, GenerativeModel):
        copy = keras.saving.deserialize_keras_object(description)
        copy.set_weights(model.get_weights())
        return copy
    description["config"] |= {"ema_decay": None, **(like or {})}
    copy = keras.saving.deserialize_keras_object(description)
    shadows = {id(shadow) for _, shadow in model.ema.pairs}
    with model.ema.applied():
        copy.set_weights([w.numpy() for w in model.weights if id(w) not in shadows])
    return copy


def frozen_copy(model: Any) -> Any:
    """`copy_of`, whose weights no training moves."""
    copy = copy_of(model)
    copy.trainable = False
    return copy
