"""Runs several training steps inside one XLA-compiled loop behind plain `fit`.

Keras compiles each step alone, so every step pays for crossing into the compiled code
and back. Here the batches of a chunk are pulled, stacked and handed to one compiled
function whose `while_loop` runs the steps; variables stay inside until it ends.
"""

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import keras
import tensorflow as tf

Batch = Any


class CompiledLoop:
    """A train function for `keras.Model.fit` that runs a chunk of steps per call.

    Args:
        train_step: takes one batch and returns the logs; what it returns must come
            from the model's metrics, because only the last values are read.
        read_logs: returns the logs from the metrics' state.
        num_steps: steps per call.
        steps_per_epoch: steps after which an epoch ends, so that the last chunk does
            not run into the next epoch; None when the data end with the epoch.
    """

    def __init__(
        self,
        train_step: Callable[[Batch], dict[str, tf.Tensor]],
        read_logs: Callable[[], dict[str, tf.Tensor]],
        num_steps: int,
        steps_per_epoch: int | None,
    ) -> None:
        self.num_steps = num_steps
        self.steps_per_epoch = steps_per_epoch
        self._position = 0
        self._single = tf.function(train_step, jit_compile=True)

        @tf.autograph.experimental.do_not_convert
        def run(stacked: Batch, count: tf.Tensor) -> dict[str, tf.Tensor]:
            def body(i: tf.Tensor) -> tf.Tensor:
                train_step(keras.tree.map_structure(lambda t: t[i], stacked))
                return i + 1

            tf.while_loop(lambda i: i < count, body, (tf.constant(0),))
            return read_logs()

        self._run = tf.function(run, jit_compile=True)
        self._pull_full = tf.function(self._pull_and_stack)

    def start_epoch(self) -> None:
        """Tells that the next call begins an epoch."""
        self._position = 0

    def __call__(self, iterator: Iterator[Batch]) -> dict[str, tf.Tensor]:
        """Runs the next chunk of steps.

        Raises:
            StopIteration: if the iterator has no batch left.
        """
        limit = self.num_steps
        if self.steps_per_epoch is not None:
            limit = min(limit, self.steps_per_epoch - self._position)
        if self.steps_per_epoch is not None and _has_static_shapes(iterator):
            # Data of known length and equal batches need no look at each batch.
            count = limit
            stacked = self._pull_full(iterator, tf.constant(limit))
            logs = self._run(stacked, tf.constant(limit))
        else:
            batches = list(itertools.islice(iterator, limit))
            if not batches:
                raise StopIteration
            count = len(batches)
            # Unequal batches cannot be stacked: the short last one runs by itself.
            for _, group in itertools.groupby(batches, key=_shapes):
                equal = list(group)
                if len(equal) == 1:
                    logs = self._single(equal[0])
                else:
                    logs = self._run(self._stack(equal), tf.constant(len(equal)))
        self._position += count
        return logs

    def _pull_and_stack(self, iterator: Any, count: tf.Tensor) -> Batch:
        # The stack is always `num_steps` long, so that the loop is compiled once.
        flat_spec = keras.tree.flatten(iterator.element_spec)
        arrays = [
            tf.TensorArray(spec.dtype, self.num_steps, element_shape=spec.shape)
            for spec in flat_spec
        ]

        def body(i: tf.Tensor, *arrays: tf.TensorArray) -> tuple[Any, ...]:
            flat = keras.tree.flatten(iterator.get_next())
            written = [a.write(i, t) for a, t in zip(arrays, flat, strict=True)]
            return (i + 1, *written)

        _, *arrays = tf.while_loop(
            lambda i, *_: i < count,
            body,
            (tf.constant(0), *arrays),
            parallel_iterations=1,
        )
        stacked = [
            tf.ensure_shape(a.stack(), (self.num_steps, *spec.shape))
            for a, spec in zip(arrays, flat_spec, strict=True)
        ]
        return keras.tree.pack_sequence_as(iterator.element_spec, stacked)

    def _stack(self, batches: list[Batch]) -> Batch:
        padded = batches + [batches[-1]] * (self.num_steps - len(batches))
        return keras.tree.map_structure(lambda *tensors: tf.stack(tensors), *padded)


def _has_static_shapes(iterator: Any) -> bool:
    return all(
        isinstance(spec, tf.TensorSpec) and spec.shape.is_fully_defined()
        for spec in keras.tree.flatten(iterator.element_spec)
    )


def _shapes(batch: Batch) -> list[tf.TensorShape]:
    return [tensor.shape for tensor in keras.tree.flatten(batch)]
