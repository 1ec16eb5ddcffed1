"""Several adapters of a linear layer beside each other, of which each row has one."""

import tfgenai.core.backend  # noqa: F401  # isort: skip

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from tfgenai.layers.adapters.kind import Kind
from tfgenai.layers.shapes import reshape, sizes


class Row(NamedTuple):
    """What an adapter makes of a row: gain · (linear(input_gain · x) + A B) + offset.

    Args:
        a: A, or None.
        b: B, scaled, or None.
        gain: what outputs are multiplied by, or None.
        offset: what is added then, before the bias, or None.
        input_gain: what inputs are multiplied by, or None.
        rank: of A and B.
    """

    a: tf.Tensor | None = None
    b: tf.Tensor | None = None
    gain: tf.Tensor | None = None
    offset: tf.Tensor | None = None
    input_gain: tf.Tensor | None = None
    rank: int = 1


class Stacks(NamedTuple):
    """The parts of all rows' adapters, None for those that no adapter has.

    Args:
        a: what the kind's `stack` made of all A, zeros first.
        b: `(adapters + 1, *B)`, zeros first.
        gain: `(adapters + 1, *outputs)`, ones first.
        offset: `(adapters + 1, *outputs)`, zeros first.
        input_gain: `(adapters + 1, inputs)`, ones first.
    """

    a: tf.Variable | None
    b: tf.Variable | None
    gain: tf.Variable | None
    offset: tf.Variable | None
    input_gain: tf.Variable | None


def make_stacks(kind: Kind, layer: Any, adapters: Sequence[Row]) -> Stacks:
    """Puts adapters beside each other, behind one that changes nothing."""
    rows = [Row(), *adapters]
    a, b = kind.shapes(layer, max(row.rank for row in rows))
    outputs = kind.output_shape(layer)
    every_a = _filled([row.a for row in rows], tf.zeros(a))
    return Stacks(
        a=_variable("stacked_a", None if every_a is None else kind.stack(every_a)),
        b=_stacked("stacked_b", [row.b for row in rows], tf.zeros(b)),
        gain=_stacked("stacked_gain", [row.gain for row in rows], tf.ones(outputs)),
        offset=_stacked(
            "stacked_offset", [row.offset for row in rows], tf.zeros(outputs)
        ),
        # Only dense layers have their inputs scaled, and their A has those first.
        input_gain=_stacked(
            "stacked_input_gain", [row.input_gain for row in rows], tf.ones(a[:1])
        ),
    )


def adapt_rows(
    kind: Kind, layer: Any, x: tf.Tensor, y: tf.Tensor, rows: tf.Tensor, stacks: Stacks
) -> tf.Tensor:
    """The layer's linear part, each row with its own adapter.

    Args:
        kind: how the layer depends on its kernel.
        layer: the layer.
        x: what it was called with.
        y: its own linear part.
        rows: int32 `(rows,)`, places in the stacks.
        stacks: what `make_stacks` returned.

    Returns:
        Tensor like `y`.
    """
    if stacks.input_gain is not None:
        y = kind.linear(layer, _each(tf.multiply, x, stacks.input_gain, rows))
    if stacks.a is not None:
        delta = kind.delta_rows(layer, x, stacks.a, stacks.b, rows)
        y += reshape(tf.cast(delta, y.dtype), sizes(y))
    if stacks.gain is not None:
        y = _each(tf.multiply, y, stacks.gain, rows)
    return y if stacks.offset is None else _each(tf.add, y, stacks.offset, rows)


def _each(
    operation: Callable[..., tf.Tensor],
    y: tf.Tensor,
    stack: tf.Variable,
    rows: tf.Tensor,
) -> tf.Tensor:
    own = tf.cast(tf.gather(stack, rows), y.dtype)
    # Several places of a row stand one after another; outputs are the last axes.
    flat = tf.reshape(y, tf.stack([tf.shape(rows)[0], -1, *own.shape[1:]]))
    return reshape(operation(flat, own[:, tf.newaxis]), sizes(y))


def _filled(
    values: Sequence[tf.Tensor | None], neutral: tf.Tensor
) -> list[tf.Tensor] | None:
    """With the neutral one where there is none, and zeros up to the largest rank."""
    if all(value is None for value in values):
        return None
    return [neutral if value is None else _padded(value, neutral) for value in values]


def _stacked(
    name: str, values: Sequence[tf.Tensor | None], neutral: tf.Tensor
) -> tf.Variable | None:
    filled = _filled(values, neutral)
    return _variable(name, None if filled is None else tf.stack(filled))


def _variable(name: str, value: tf.Tensor | None) -> tf.Variable | None:
    return None if value is None else tf.Variable(value, trainable=False, name=name)


def _padded(value: tf.Tensor, like: tf.Tensor) -> tf.Tensor:
    return tf.pad(
        value, [[0, n - now] for now, n in zip(value.shape, like.shape, strict=True)]
    )
