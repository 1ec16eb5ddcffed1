"""Which adapter each row of a batch asks for, said once around a whole graph."""

import contextlib
import contextvars
from collections.abc import Callable, Iterator
from typing import Any

import tensorflow as tf

_ROWS: contextvars.ContextVar[tf.Tensor | None] = contextvars.ContextVar(
    "adapter_rows", default=None
)


@contextlib.contextmanager
def adapter_rows(rows: tf.Tensor | None) -> Iterator[None]:
    """Inside, layers with stacked adapters apply to each row the one that it asks for.

    Layers see batches whose rows are these, or each of these several times in a row (as
    the tokens of a sequence are). What puts rows together otherwise says so by another
    scope around it, as guidance does.

    Args:
        rows: int32 `(batch,)`, 0 for none and from 1 on the number of an adapter; None
            where nobody asks.
    """
    token = _ROWS.set(rows)
    try:
        yield
    finally:
        _ROWS.reset(token)


def current_rows() -> tf.Tensor | None:
    """The rows of the innermost `adapter_rows`, or None."""
    return _ROWS.get()


def shared_graph(function: Callable[..., Any]) -> Callable[..., Any]:
    """A graph function that several signatures call, each for rows of its own.

    A graph that several others share cannot reach for a tensor of one of them, so that
    it is given what its rows ask for.

    Args:
        function: a function of tensors.

    Returns:
        A function of the same arguments.
    """

    def inside(rows: tf.Tensor | None, *arguments: Any) -> Any:
        with adapter_rows(rows):
            return function(*arguments)

    graph = tf.function(inside, autograph=False)
    return lambda *arguments: graph(current_rows(), *arguments)
