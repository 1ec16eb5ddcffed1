"""Contrastive search: likely tokens that do not say again what was said."""

import dataclasses
from typing import Any

import tensorflow as tf

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
class ContrastiveSearch(Decoding):
    """Takes the likely token whose vector is least like those before it.

    Su et al. 2022, "A Contrastive Framework for Neural Text Generation",
    arXiv:2202.06417, equation 5: of the `num_candidates` likeliest tokens v, that with
    the largest (1 - alpha) p(v) - alpha max_j cos(h_v, h_j). The seed and the knobs of
    the drawing mean nothing here.

    Args:
        num_candidates: tokens that are looked at.
        alpha: weight of the dissimilarity, in [0, 1]; 0 takes the likeliest token.

    Example:
        >>> ContrastiveSearch().num_candidates
        4
    """

    num_candidates: int = 4
    alpha: float = 0.6

    ignored = ("temperature", "top_k", "top_p", "min_p", "repetition_penalty")

    def __post_init__(self) -> None:
        if self.num_candidates < 1 or not 0 <= self.alpha <= 1:
            raise ValueError(
                "At least one candidate and alpha in [0, 1] were expected. Received: "
                f"num_candidates={self.num_candidates!r}, alpha={self.alpha!r}."
            )

    def write(
        self, loop: TokenLoop, prompts: tf.Tensor, num_prompt: tf.Tensor, rows: Rows
    ) -> Written:
        """See `Decoding.write`."""
        decoder, limit = loop.decoder, loop.max_new_tokens
        count = min(self.num_candidates, decoder.vocabulary_size)
        batch = tf.shape(prompts)[0]
        slots = slots_for(loop, (prompts.shape[1], limit))
        hidden, cache = read_prompts(loop, prompts, num_prompt, slots)
        logits = decoder.logits(tf.gather(hidden, num_prompt - 1, batch_dims=1))
        bias, wanted = loop.bias(rows), rows["max_new_tokens"]
        fused = decoder.fused()
        vectors = _unit(hidden)
        vectors = tf.pad(vectors, [[0, 0], [0, slots - prompts.shape[1]], [0, 0]])
        state: dict[str, Any] = {
            "step": tf.constant(0),
            "logits": logits,
            "cache": cache,
            "vectors": vectors,
            "tokens": tf.zeros(tf.stack([batch, limit]), tf.int32),
            "log_probs": tf.zeros(tf.stack([batch, limit])),
            "count": tf.zeros_like(num_prompt),
            "is_done": wanted <= 0,
            "is_stopped": tf.zeros_like(wanted, tf.bool),
        }

        def body(state: dict[str, Any]) -> tuple[dict[str, Any]]:
            logits = state["logits"] if bias is None else state["logits"] + bias
            log_probs, candidates = tf.math.top_k(tf.nn.log_softmax(logits), k=count)
            position = tf.minimum(num_prompt + state["count"], slots - 1)
            tried, caches = decoder.extend(
                tf.reshape(candidates, (-1, 1)),
                tf.repeat(position, count)[:, tf.newaxis],
                tile_rows(state["cache"], count),
                fused,
            )
            units = tf.reshape(_unit(tried), tf.stack([batch, count, -1]))
            likeness = tf.matmul(units, state["vectors"], transpose_b=True)
            earlier = tf.sequence_mask(num_prompt + state["count"], slots)
            likeness = tf.where(earlier[:, tf.newaxis], likeness, -1.0)
            worst = tf.reduce_max(likeness, axis=-1)
            merit = (1.0 - self.alpha) * tf.exp(log_probs) - self.alpha * worst
            best = tf.argmax(merit, axis=-1, output_type=tf.int32)
            row = count * tf.range(batch) + best
            drawn = tf.gather(candidates, best, batch_dims=1)
            stops = is_stop(loop, drawn[:, tf.newaxis], rows)[:, 0] & ~state["is_done"]
            writes = ~state["is_done"] & ~stops
            here = (tf.range(limit) == state["step"]) & writes[:, tf.newaxis]
            slot = tf.range(slots) == position[:, tf.newaxis]
            vector = tf.gather(units, best, batch_dims=1)
            step = state["step"] + 1
            return (
                {
                    "step": step,
                    "logits": decoder.logits(tf.gather(tried[:, 0], row)),
                    "cache": take_rows(caches, row),
                    "vectors": tf.where(
                        (slot & writes[:, tf.newaxis])[:, :, tf.newaxis],
                        vector[:, tf.newaxis],
                        state["vectors"],
                    ),
                    "tokens": tf.where(here, drawn[:, tf.newaxis], state["tokens"]),
                    "log_probs": tf.where(
                        here,
                        tf.gather(log_probs, best, batch_dims=1)[:, tf.newaxis],
                        state["log_probs"],
                    ),
                    "count": state["count"] + tf.cast(writes, tf.int32),
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
        return Written(
            state["tokens"], state["count"], state["log_probs"], state["is_stopped"]
        )


def _unit(vectors: tf.Tensor) -> tf.Tensor:
    return tf.math.l2_normalize(tf.cast(vectors, tf.float32), axis=-1)
