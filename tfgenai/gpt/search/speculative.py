"""Speculative sampling: a small model drafts, the large one checks several at once."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from tfgenai.core import random
from tfgenai.core.token_sampling import (
    invert_cdf,
    token_log_probs,
)
from tfgenai.gpt.decoding import TokenLoop, Written
from tfgenai.gpt.search.decoding import Decoding, Rows, is_stop, read_prompts

_KNOBS = ("temperature", "top_k", "top_p", "min_p")


@dataclasses.dataclass(frozen=True)
class SpeculativeSampling(Decoding):
    """Draws from the model's own distribution, in fewer calls of the model.

    Leviathan et al. 2023, "Fast Inference from Transformers via Speculative Decoding",
    arXiv:2211.17192, algorithm 1: a drafted token x is kept with probability min(1,
    p(x) / q(x)); the first that is not kept is drawn anew from the positive part of
    p - q. What is drawn has the distribution of drawing token by token, and at
    temperature 0 it is the same text.

    Args:
        draft: a `GPT` of the same vocabulary, much smaller than the model.
        num_draft_tokens: tokens that are drafted at a time.

    Example:
        ```python
        gpt.generate(["Once"], decoding=SpeculativeSampling(small), temperature=0.8)
        ```
    """

    draft: Any
    num_draft_tokens: int = 4

    ignored = ("repetition_penalty",)

    def __post_init__(self) -> None:
        if isinstance(self.num_draft_tokens, bool) or self.num_draft_tokens < 1:
            raise ValueError(
                "A positive number of tokens was expected. Received: "
                f"num_draft_tokens={self.num_draft_tokens!r}."
            )

    def check(
        self,
        model: Any,
        prompts: Any,
        rows: Mapping[str, np.ndarray],
        constraint: Any,
    ) -> None:
        """See `Decoding.check`; also refuses a draft of another vocabulary."""
        super().check(model, prompts, rows, constraint)
        for name in ("vocabulary_size", "tokenizer"):
            own, received = getattr(model, name), getattr(self.draft, name)
            if own != received:
                raise ValueError(
                    f"A draft with the model's own {name}, {own}, was expected. "
                    f"Received: draft.{name}={received}. Train it with the same "
                    "tokenizer."
                )
        super().check(self.draft, prompts, rows, constraint)

    def write(
        self, loop: TokenLoop, prompts: tf.Tensor, num_prompt: tf.Tensor, rows: Rows
    ) -> Written:
        """See `Decoding.write`."""
        ahead, limit = self.num_draft_tokens, loop.max_new_tokens
        slots = prompts.shape[1] + limit + ahead + 1
        batch = tf.shape(prompts)[0]
        draft = dataclasses.replace(loop, decoder=self.draft.decoder)
        bias, wanted = loop.bias(rows), rows["max_new_tokens"]
        fused = loop.decoder.fused()
        with self.draft.ema.standing_in():
            draft_fused = draft.decoder.fused()

        def log_probs_of(decoder: Any, hidden: tf.Tensor) -> tf.Tensor:
            """Of each token of `hidden`, `(batch, tokens, vocabulary_size)`."""
            logits = decoder.logits(hidden)
            if bias is not None:
                logits += bias[:, tf.newaxis]
            tokens = hidden.shape[1]
            flat = tf.reshape(logits, (-1, decoder.vocabulary_size))
            knobs = {name: tf.repeat(rows[name], tokens) for name in _KNOBS}
            return tf.reshape(token_log_probs(flat, **knobs), tf.shape(logits))

        def extend_draft(tokens: tf.Tensor, place: tf.Tensor, cache: Any) -> Any:
            with self.draft.ema.standing_in():
                hidden, cache = draft.decoder.extend(
                    tokens[:, tf.newaxis], place[:, tf.newaxis], cache, draft_fused
                )
                return log_probs_of(draft.decoder, hidden)[:, 0], cache

        _, cache = read_prompts(loop, prompts, num_prompt, slots)
        with self.draft.ema.standing_in():
            _, draft_cache = read_prompts(draft, prompts, num_prompt, slots)
        state: dict[str, Any] = {
            "round": tf.constant(0),
            # The newest token is not in the caches but for its own slot, which is
            # written again.
            "newest": tf.gather(prompts, num_prompt - 1, batch_dims=1),
            "cache": cache,
            "draft_cache": draft_cache,
            "tokens": tf.zeros(tf.stack([batch, limit]), tf.int32),
            "log_probs": tf.zeros(tf.stack([batch, limit])),
            "count": tf.zeros_like(num_prompt),
            "is_done": wanted <= 0,
            "is_stopped": tf.zeros_like(wanted, tf.bool),
        }

        def body(state: dict[str, Any]) -> tuple[dict[str, Any]]:
            uniforms = random.row_uniform(
                rows["seed"], (2 * ahead + 1,), state["round"]
            )
            place = num_prompt + state["count"] - 1
            token, draft_cache = state["newest"], state["draft_cache"]
            drafted, guesses = [token], []
            for i in range(ahead + 1):
                guess, draft_cache = extend_draft(token, place + i, draft_cache)
                if i < ahead:
                    token = invert_cdf(tf.exp(guess), uniforms[:, i])
                    drafted.append(token)
                    guesses.append(guess)
            block = tf.stack(drafted, axis=1)
            hidden, cache = loop.decoder.extend(
                block,
                place[:, tf.newaxis] + tf.range(ahead + 1),
                state["cache"],
                fused,
            )
            truth = log_probs_of(loop.decoder, hidden)
            new, kept, log_probs = _verify(
                block[:, 1:], tf.stack(guesses, axis=1), truth, uniforms[:, ahead:]
            )
            return (
                self._append(
                    loop,
                    rows,
                    {**state, "cache": cache, "draft_cache": draft_cache},
                    (new, kept + 1, log_probs),
                ),
            )

        (state,) = tf.while_loop(
            lambda state: ~tf.reduce_all(state["is_done"]),
            body,
            (state,),
            parallel_iterations=1,
        )
        return Written(
            state["tokens"], state["count"], state["log_probs"], state["is_stopped"]
        )

    def _append(
        self,
        loop: TokenLoop,
        rows: Rows,
        state: dict[str, Any],
        block: tuple[tf.Tensor, tf.Tensor, tf.Tensor],
    ) -> dict[str, Any]:
        """Puts what was kept of a block behind each row, up to a stop or its limit."""
        new, num_new, log_probs = block
        width = self.num_draft_tokens + 1
        index = tf.range(width)
        inside = index < num_new[:, tf.newaxis]
        stops = is_stop(loop, new, rows) & inside
        before_stop = tf.cumsum(tf.cast(stops, tf.int32), axis=1) == 0
        room = rows["max_new_tokens"] - state["count"]
        writes = inside & before_stop & (index < room[:, tf.newaxis])
        writes &= ~state["is_done"][:, tf.newaxis]
        added = tf.reduce_sum(tf.cast(writes, tf.int32), axis=1)
        # A stop token behind the last one that there is room for is not reached.
        stopped = tf.reduce_any(stops & (index < room[:, tf.newaxis]), axis=1)
        stopped &= ~state["is_done"]
        limit = loop.max_new_tokens
        places = tf.range(limit) - state["count"][:, tf.newaxis]
        is_new = (places >= 0) & (places < added[:, tf.newaxis])
        places = tf.clip_by_value(places, 0, width - 1)
        count = state["count"] + added
        last = tf.gather(new, tf.maximum(added - 1, 0), batch_dims=1)
        return {
            **state,
            "round": state["round"] + 1,
            "newest": tf.where(added > 0, last, state["newest"]),
            "tokens": tf.where(
                is_new, tf.gather(new, places, batch_dims=1), state["tokens"]
            ),
            "log_probs": tf.where(
                is_new, tf.gather(log_probs, places, batch_dims=1), state["log_probs"]
            ),
            "count": count,
            "is_done": state["is_done"] | stopped | (count >= rows["max_new_tokens"]),
            "is_stopped": state["is_stopped"] | stopped,
        }


def _verify(
    drafted: tf.Tensor, guesses: tf.Tensor, truth: tf.Tensor, uniforms: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Keeps drafted tokens, and draws the one behind the last that is kept.

    Args:
        drafted: int32 `(batch, ahead)`.
        guesses: their log-probabilities q, float32 `(batch, ahead, vocabulary_size)`.
        truth: the model's p, float32 `(batch, ahead + 1, vocabulary_size)`.
        uniforms: float32 `(batch, ahead + 1)`.

    Returns:
        int32 `(batch, ahead + 1)`, the block of which one more counts than are kept;
        int32 `(batch,)`, how many are kept; float32 `(batch, ahead + 1)`, log p.
    """
    ahead = drafted.shape[1]
    q = tf.gather(guesses, drafted, batch_dims=2)
    p = tf.gather(truth[:, :-1], drafted, batch_dims=2)
    # Algorithm 1, line 6: r > p / q rejects.
    keeps = uniforms[:, :ahead] < tf.exp(tf.minimum(p - q, 0.0))
    kept = tf.reduce_sum(tf.math.cumprod(tf.cast(keeps, tf.int32), axis=1), axis=1)
    at = tf.gather(truth, kept, batch_dims=1)
    guess = tf.gather(guesses, tf.minimum(kept, ahead - 1), batch_dims=1)
    rest = tf.maximum(tf.exp(at) - tf.exp(guess), 0.0)
    # Behind a block that is kept whole nothing was drafted. Rounding may leave nothing
    # of p - q, which then are equal.
    whole = (kept == ahead) | (tf.reduce_sum(rest, axis=1) <= 0.0)
    drawn = invert_cdf(
        tf.where(whole[:, tf.newaxis], tf.exp(at), rest), uniforms[:, ahead]
    )
    padded = tf.pad(drafted, [[0, 0], [0, 1]])
    block = tf.where(
        tf.range(ahead + 1) == kept[:, tf.newaxis], drawn[:, tf.newaxis], padded
    )
    return block, kept, tf.gather(truth, block, batch_dims=2)
