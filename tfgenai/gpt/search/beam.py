"""Beam search: the likeliest text rather than a random one, as far as a beam sees."""

import dataclasses
from typing import Any

import tensorflow as tf

from tfgenai.core.token_sampling import REMOVED
from tfgenai.gpt.decoding import TokenLoop, Written
from tfgenai.gpt.search.decoding import (
    Decoding,
    Rows,
    is_stop,
    read_prompts,
    slots_for,
    take_rows,
    tile_rows,
)


@dataclasses.dataclass(frozen=True)
class BeamSearch(Decoding):
    """Keeps the `num_beams` best texts at each step.

    Texts are ranked by log-probability over ((5 + length) / 6)^length_penalty (Wu et
    al. 2016, "Google's Neural Machine Translation System", arXiv:1609.08144, equation
    14), their end token included. Seed and knobs of the drawing mean nothing here.

    Args:
        num_beams: texts that are kept.
        length_penalty: 0 ranks by probability alone, which favours short texts.

    Example:
        >>> BeamSearch(4).num_beams
        4
    """

    num_beams: int = 4
    length_penalty: float = 0.6

    ignored = ("temperature", "top_k", "top_p", "min_p", "repetition_penalty")

    def __post_init__(self) -> None:
        if isinstance(self.num_beams, bool) or self.num_beams < 1:
            raise ValueError(
                "A positive number of beams was expected. Received: "
                f"num_beams={self.num_beams!r}."
            )

    def write(
        self, loop: TokenLoop, prompts: tf.Tensor, num_prompt: tf.Tensor, rows: Rows
    ) -> Written:
        """See `Decoding.write`."""
        beams, limit, decoder = self.num_beams, loop.max_new_tokens, loop.decoder
        batch, size = tf.shape(prompts)[0], decoder.vocabulary_size
        slots = slots_for(loop, (prompts.shape[1], limit))
        hidden, cache = read_prompts(loop, prompts, num_prompt, slots)
        hidden = tf.gather(hidden, num_prompt - 1, batch_dims=1)
        wanted = tf.repeat(rows["max_new_tokens"], beams)
        first_positions = tf.repeat(num_prompt, beams)
        of_beam = {
            name: tf.repeat(rows[name], beams, axis=0)
            for name in ("stop_tokens", "num_stop_tokens")
        }
        bias, fused = loop.bias(rows), decoder.fused()
        # One beam lives at first: all of them are the prompt.
        sums = tf.tile([[0.0] + [REMOVED] * (beams - 1)], tf.stack([batch, 1]))
        state: dict[str, Any] = {
            "step": tf.constant(0),
            "logits": tile_rows(decoder.logits(hidden), beams),
            "cache": tile_rows(cache, beams),
            "tokens": tf.zeros(tf.stack([batch * beams, limit]), tf.int32),
            "log_probs": tf.zeros(tf.stack([batch * beams, limit])),
            "count": tf.zeros_like(wanted),
            "sums": tf.reshape(sums, (-1,)),
            "is_done": wanted <= 0,
            "is_stopped": tf.zeros_like(wanted, tf.bool),
        }

        def body(state: dict[str, Any]) -> tuple[dict[str, Any]]:
            logits = state["logits"]
            if bias is not None:
                logits += tf.repeat(bias, beams, axis=0)
            is_done = state["is_done"]
            # A text that has ended stays as it is: one continuation, free of charge.
            stays = tf.where(tf.range(size) == 0, 0.0, REMOVED)
            log_probs = tf.where(
                is_done[:, tf.newaxis], stays, tf.nn.log_softmax(logits)
            )
            totals = state["sums"][:, tf.newaxis] + log_probs
            lengths = state["count"] + tf.cast(state["is_stopped"], tf.int32)
            lengths += tf.cast(~is_done, tf.int32)
            ranks = totals / self._penalty(lengths)[:, tf.newaxis]
            _, chosen = tf.math.top_k(tf.reshape(ranks, (-1, beams * size)), k=beams)
            parents = chosen // size + beams * tf.range(batch)[:, tf.newaxis]
            parents = tf.reshape(parents, (-1,))
            drawn = tf.reshape(chosen % size, (-1,))
            place = tf.stack([parents, drawn], axis=1)
            newest = tf.gather_nd(log_probs, place)
            state = {**state, "sums": tf.gather_nd(totals, place)}
            names = ("cache", "tokens", "log_probs", "count", "is_done", "is_stopped")
            state |= {name: take_rows(state[name], parents) for name in names}
            stops = is_stop(loop, drawn[:, tf.newaxis], of_beam)[:, 0]
            stops &= ~state["is_done"]
            writes = ~state["is_done"] & ~stops
            is_column = tf.range(limit) == state["step"]
            position = tf.minimum(first_positions + state["count"], slots - 1)
            hidden, cache = decoder.extend(
                drawn[:, tf.newaxis], position[:, tf.newaxis], state["cache"], fused
            )
            step = state["step"] + 1
            return (
                {
                    "step": step,
                    "logits": decoder.logits(hidden[:, 0]),
                    "cache": cache,
                    "tokens": tf.where(
                        is_column & writes[:, tf.newaxis],
                        drawn[:, tf.newaxis],
                        state["tokens"],
                    ),
                    "log_probs": tf.where(
                        is_column & writes[:, tf.newaxis],
                        newest[:, tf.newaxis],
                        state["log_probs"],
                    ),
                    "count": state["count"] + tf.cast(writes, tf.int32),
                    "sums": state["sums"],
                    "is_done": state["is_done"] | stops | (step >= wanted),
                    "is_stopped": state["is_stopped"] | stops,
                },
            )

        (state,) = tf.while_loop(
            lambda state: (state["step"] < limit) & ~tf.reduce_all(state["is_done"]),
            body,
            (state,),
            parallel_iterations=1,
        )
        best = beams * tf.range(batch)  # the beams are in order
        names = ("tokens", "count", "log_probs", "is_stopped")
        return Written(*(tf.gather(state[name], best) for name in names))

    def _penalty(self, lengths: tf.Tensor) -> tf.Tensor:
        return ((5.0 + tf.cast(lengths, tf.float32)) / 6.0) ** self.length_penalty
