"""Automaton: which tokens may follow, as a table of states and classes of tokens."""

import dataclasses

import numpy as np
import tensorflow as tf

from tfgenai.core.token_sampling import REMOVED


@dataclasses.dataclass(frozen=True, eq=False)
class Automaton:
    """A finite automaton over tokens.

    Tokens that no state tells apart are one class, so that the table stays small.

    Args:
        transitions: int32 `(states, classes)`, the next state, or -1 where no token of
            that class may come.
        classes: int32 `(vocabulary_size,)`, class of each token.
    """

    transitions: np.ndarray
    classes: np.ndarray

    def restrict(self, logits: tf.Tensor, states: tf.Tensor) -> tf.Tensor:
        """Takes from the logits what may not come.

        Args:
            logits: float32 `(batch, vocabulary_size)`.
            states: int32 `(batch,)`; rows of negative states are free.

        Returns:
            float32 `(batch, vocabulary_size)`.
        """
        row = tf.gather(tf.constant(self.transitions), tf.maximum(states, 0))
        next_states = tf.gather(row, tf.constant(self.classes), axis=1)
        may_come = (next_states >= 0) | (states < 0)[:, tf.newaxis]
        return tf.where(may_come, logits, REMOVED)

    def advance(self, states: tf.Tensor, tokens: tf.Tensor) -> tf.Tensor:
        """The states after one token a row, int32 `(batch,)`."""
        row = tf.gather(tf.constant(self.transitions), tf.maximum(states, 0))
        column = tf.gather(tf.constant(self.classes), tokens)
        next_states = tf.gather(row, column, batch_dims=1)
        return tf.where(states < 0, states, next_states)

    def after(
        self, states: tf.Tensor, tokens: tf.Tensor, start: tf.Tensor, stop: tf.Tensor
    ) -> tf.Tensor:
        """The states after some of the tokens of each row.

        Args:
            states: int32 `(batch,)`.
            tokens: int32 `(batch, slots)`.
            start: int32 `(batch,)`, the first that counts.
            stop: int32 `(batch,)`, the first that no longer counts.

        Returns:
            int32 `(batch,)`.
        """

        def step(i: tf.Tensor, states: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            moved = self.advance(states, tokens[:, i])
            return i + 1, tf.where((i >= start) & (i < stop), moved, states)

        _, states = tf.while_loop(
            lambda i, _: i < tf.reduce_max(stop), step, (tf.reduce_min(start), states)
        )
        return states
