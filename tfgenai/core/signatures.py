"""Serving signatures: functions of named tensors with one row per request."""

import dataclasses
from collections.abc import Callable, Mapping

import tensorflow as tf

from tfgenai.core.conditions import Condition, join_errors

SEED = Condition(
    "seed",
    "int64",
    minimum=0,
    description="seed of the row; the same seed gives the same sample",
)


@dataclasses.dataclass(frozen=True)
class Signature:
    """One endpoint of an export.

    Args:
        function: takes the inputs as keyword arguments, each with the batch first,
            and returns a dict of tensors, each with the batch first, among them
            `error`: string `(batch,)`, empty where the row is fine.
        inputs: specs by name, with an unknown batch as first axis.
        description: what it answers, for the model card.
    """

    function: Callable[..., dict[str, tf.Tensor]]
    inputs: Mapping[str, tf.TensorSpec]
    description: str = ""


def check_rows(
    conditions: tuple[Condition, ...], values: Mapping[str, tf.Tensor]
) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
    """Checks all inputs of a request row by row, inside a graph.

    Args:
        conditions: what each input must be; knobs take their sentinel as default.
        values: tensors by name, each `(batch, ...)`.

    Returns:
        The values, neutral where a row is bad, and string `(batch,)` errors.
    """
    checked, errors = {}, []
    for condition in conditions:
        value, error = condition.check_rows(values[condition.name])
        checked[condition.name] = value
        errors.append(error)
    return checked, join_errors(errors)


def neutral_where_bad(values: tf.Tensor, error: tf.Tensor) -> tf.Tensor:
    """Zeros (or empty strings) in the rows that have an error.

    Args:
        values: tensor `(batch, ...)`.
        error: string `(batch,)`, empty where the row is fine.

    Returns:
        Tensor like `values`.
    """
    good = tf.reshape(error == "", (-1,) + (1,) * (values.shape.rank - 1))
    return tf.where(good, values, tf.zeros((), values.dtype))


def encode_png(images: tf.Tensor) -> tf.Tensor:
    """PNG files of images in [-1, 1].

    Args:
        images: float32 `(batch, height, width, channels)`, 1, 3 or 4 channels.

    Returns:
        string `(batch,)`.
    """
    pixels = tf.cast(
        tf.round((tf.clip_by_value(images, -1.0, 1.0) + 1.0) * 127.5), tf.uint8
    )
    return tf.io.encode_png(pixels)
