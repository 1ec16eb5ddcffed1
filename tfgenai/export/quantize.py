"""Weights of an export as 8-bit integers with a scale for each channel."""

import contextlib
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfgenai.core.errors import ExportError
from tfgenai.core.model import GenerativeModel
from tfgenai.core.registry import unknown_name

QUANTIZATIONS = ("int8",)

_LARGEST = 127
_TRANSPOSED = (
    keras.layers.Conv1DTranspose,
    keras.layers.Conv2DTranspose,
    keras.layers.Conv3DTranspose,
)
_FEWEST_VALUES = 1024  # of a weight that is worth it


def check_quantization(quantize: Any) -> None:
    """Refuses what is none.

    Raises:
        ExportError: if it is neither None nor the name of one.
    """
    if quantize is not None and quantize not in QUANTIZATIONS:
        raise ExportError(unknown_name("quantize", quantize, list(QUANTIZATIONS)))


def quantize_int8(values: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """Rounds values to 255 levels, symmetric around 0, a scale for each channel.

    Args:
        values: float array.
        axis: the axis of the channels.

    Returns:
        int8 array of the same shape, and float32 scales that broadcast against it:
        `values` are about the product of both, to half a scale.

    Example:
        >>> levels, scales = quantize_int8(np.array([[1.0, -0.5]]), 0)
        >>> levels.tolist(), [round(float(v), 3) for v in (levels * scales)[0]]
        ([[127, -64]], [1.0, -0.504])
    """
    others = tuple(i for i in range(values.ndim) if i != axis % values.ndim)
    largest = np.abs(values).max(axis=others, keepdims=True).astype(np.float64)
    scales = np.where(largest > 0, largest / _LARGEST, 1.0)
    levels = np.clip(np.rint(values / scales), -_LARGEST, _LARGEST)
    return levels.astype(np.int8), scales.astype(np.float32)


class Int8Weights(keras.StatelessScope):
    """A scope in which networks read 8-bit weights, made float32 where they are read.

    What is traced inside of it holds the integers, a quarter of the memory on disk.
    Kernels have a scale for each output, tables of embeddings one for each row; what is
    small, such as offsets and norms, stays as it is.

    Args:
        model: the model, with the weights that are exported in place.
    """

    def __init__(self, model: GenerativeModel) -> None:
        super().__init__()
        self._weights = {}
        for variable, axis in _large_weights(model):
            values = np.asarray(variable.numpy(), np.float32)
            levels, scales = quantize_int8(values, axis)
            name = variable.path.replace("/", "_")
            self._weights[id(variable)] = (
                tf.Variable(levels, trainable=False, name=f"{name}_int8"),
                tf.Variable(scales, trainable=False, name=f"{name}_scale"),
            )

    def get_current_value(self, variable: keras.Variable) -> tf.Tensor | None:
        """The value that a variable has in this scope; None for its own."""
        if id(variable) not in self._weights:
            return super().get_current_value(variable)
        levels, scales = self._weights[id(variable)]
        return tf.cast(levels, tf.float32) * scales


@contextlib.contextmanager
def rounded_weights(model: GenerativeModel) -> Iterator[None]:
    """Puts in place of the weights what an int8 export has, and takes it back.

    Example:
        ```python
        with tfgenai.export.rounded_weights(model):
            model.evaluate(validation)  # the loss, in nats, that the export has
        ```

    Args:
        model: the model. Its averaged weights are in place inside, as in an export.
    """
    with model.ema.applied():
        weights = _large_weights(model)
        kept = [tf.identity(weight.value) for weight, _ in weights]
        try:
            for weight, axis in weights:
                values = np.asarray(weight.numpy(), np.float32)
                levels, scales = quantize_int8(values, axis)
                weight.assign(levels.astype(np.float32) * scales)
            yield
        finally:
            for (weight, _), value in zip(weights, kept, strict=True):
                weight.assign(value)


def _large_weights(model: GenerativeModel) -> list[tuple[keras.Variable, int]]:
    """The weights that are worth rounding, and the axis of their outputs.

    They are those that a layer once made to be trained, frozen ones such as a latent
    model's autoencoder included; averages of weights are not read by any graph.
    """
    found = {}
    for layer in model._flatten_layers():
        for variable in layer._trainable_variables:
            if len(variable.shape) >= 2 and np.prod(variable.shape) >= _FEWEST_VALUES:
                found[id(variable)] = variable, _channel_axis(variable, layer)
    return list(found.values())


def _channel_axis(variable: keras.Variable, layer: keras.layers.Layer) -> int:
    if "embedding" in variable.path.rsplit("/", 1)[-1]:
        return 0
    # Kernels of transposed convolutions are (..., outputs, inputs).
    return -2 if isinstance(layer, _TRANSPOSED) else -1
