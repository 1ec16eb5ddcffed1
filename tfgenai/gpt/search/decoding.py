"""Decoding: what every way to choose tokens has in common."""

import abc
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tfgenai.gpt.decoding import TokenLoop, Written

Rows = Mapping[str, tf.Tensor]


class Decoding(abc.ABC):
    """A way to continue prompts, a pure function of its rows.

    Attributes:
        ignored: knobs that mean nothing to it.
    """

    ignored: tuple[str, ...] = ()

    @abc.abstractmethod
    def write(
        self, loop: TokenLoop, prompts: tf.Tensor, num_prompt: tf.Tensor, rows: Rows
    ) -> Written:
        """Continues prompts; see `TokenLoop.write`, whose arguments these are.

        Args:
            loop: the network and what else is fixed.
            prompts: int32 `(batch, prompt_slots)`.
            num_prompt: int32 `(batch,)`.
            rows: knobs by name.
        """

    def check(
        self,
        model: Any,
        prompts: Any,
        rows: Mapping[str, np.ndarray],
        constraint: Any,
    ) -> None:
        """Refuses what this way cannot do, before anything is computed.

        Raises:
            ValueError: if it cannot.
        """
        name = type(self).__name__
        if constraint is not None:
            raise ValueError(
                f"No constraint was expected with {name}. Received: constraint="
                f"{constraint!r}. Leave decoding out."
            )
        neutral = {"repetition_penalty": 1.0, "num_logit_bias": 0, **_NEUTRAL}
        for knob in self.ignored:
            others = rows[knob][rows[knob] != neutral[knob]]
            if others.size:
                raise ValueError(
                    f"{name} has no use for {knob}. Received: {knob}={others[0]}. "
                    "Leave it out."
                )
        total = int((rows["num_prompt"] + rows["max_new_tokens"]).max())
        if total > model.max_sequence_length:
            raise ValueError(
                f"Prompt and new tokens of at most {model.max_sequence_length} "
                f"together were expected with {name}. Received: {total}. Ask for fewer "
                "max_new_tokens."
            )


_NEUTRAL = {"temperature": 1.0, "top_k": 0, "top_p": 1.0, "min_p": 0.0}


def tile_rows(values: Any, count: int) -> Any:
    """Each row `count` times, one after another, of a structure of tensors."""
    return tf.nest.map_structure(lambda t: tf.repeat(t, count, axis=0), values)


def take_rows(values: Any, index: tf.Tensor) -> Any:
    """Rows by number, of a structure of tensors, which keep their known shape."""
    return tf.nest.map_structure(
        lambda t: tf.ensure_shape(tf.gather(t, index), t.shape), values
    )


def read_prompts(
    loop: TokenLoop, prompts: tf.Tensor, num_prompt: tf.Tensor, slots: int
) -> tuple[tf.Tensor, Any]:
    """Hidden states of all prompt tokens, and the cache that holds them."""
    positions = tf.broadcast_to(tf.range(prompts.shape[1]), tf.shape(prompts))
    cache = loop.decoder.empty_cache(tf.shape(prompts)[0], slots)
    return loop.decoder.extend(prompts, positions, cache)


def is_stop(loop: TokenLoop, tokens: tf.Tensor, rows: Rows) -> tf.Tensor:
    """Whether tokens `(batch, n)` end their row's text, bool of the same shape."""
    stops = rows["stop_tokens"]
    used = tf.range(tf.shape(stops)[1]) < rows["num_stop_tokens"][:, tf.newaxis]
    equal = tokens[:, :, tf.newaxis] == stops[:, tf.newaxis]
    found = tf.reduce_any(equal & used[:, tf.newaxis], axis=-1)
    return found if loop.end_token is None else found | (tokens == loop.end_token)


def slots_for(loop: TokenLoop, shapes: Sequence[int]) -> int:
    """Slots of a cache for prompts and all that may follow."""
    return min(sum(shapes), loop.decoder.max_sequence_length)
