"""Rows of a table that training leaves as they are, while its other rows move."""

import tfgenai.core.backend  # noqa: F401  # isort: skip

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import keras
import tensorflow as tf


class KeepOldRows(keras.constraints.Constraint):
    """Says that all rows of a table but some new ones are put back after each step.

    It stands on the variable, as `table.constraint`; whoever takes a step does so
    inside `kept_rows`. A Keras optimizer by itself knows only what the rows have become
    and changes nothing.

    Args:
        first: the first new row.
        num_new: number of new rows.
    """

    def __init__(self, first: int, num_new: int) -> None:
        self.first = first
        self.num_new = num_new

    def __call__(self, w: tf.Tensor) -> tf.Tensor:
        """The table as it is."""
        return w

    def put_back(self, before: tf.Tensor, after: tf.Tensor) -> tf.Tensor:
        """The table after a step, with the old rows as they were before it."""
        rows = tf.range(tf.shape(after)[0])[:, tf.newaxis]
        is_new = (rows >= self.first) & (rows < self.first + self.num_new)
        return tf.where(is_new, after, before)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"first": self.first, "num_new": self.num_new}


@contextlib.contextmanager
def kept_rows(variables: Sequence[keras.Variable]) -> Iterator[None]:
    """Inside, an optimizer takes a step; afterwards the kept rows are put back.

    Args:
        variables: those that the step moves.

    Example:
        >>> table = keras.Variable([[1.0], [2.0]])
        >>> table.constraint = KeepOldRows(1, 1)
        >>> with kept_rows([table]):
        ...     _ = table.assign([[5.0], [6.0]])
        >>> table.numpy().tolist()
        [[1.0], [6.0]]
    """
    tables = [v for v in variables if isinstance(v.constraint, KeepOldRows)]
    before = [tf.identity(table.value) for table in tables]
    yield
    for table, old in zip(tables, before, strict=True):
        table.assign(table.constraint.put_back(old, table.value))
