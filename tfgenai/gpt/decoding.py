"""Writes text token by token: one loop with a cache, a pure function of its rows."""

import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple

import tensorflow as tf

from tfgenai.core.token_sampling import (
    draw_tokens,
    penalize_repetition,
    token_uniforms,
)
from tfgenai.gpt.automaton import Automaton
from tfgenai.gpt.context import context_start, last_document, read_context
from tfgenai.layers import TransformerDecoder

Rows = Mapping[str, tf.Tensor]


class Written(NamedTuple):
    """What was written behind the prompts.

    Args:
        tokens: int32 `(batch, max_new_tokens)`, 0 behind the end.
        num_tokens: int32 `(batch,)`, how many were written, without the token that
            stopped the row.
        log_probs: float32 `(batch, max_new_tokens)`, nats, of each token under what it
            was drawn from; 0 behind the end.
        is_stopped: bool `(batch,)`, whether a stop token came.
    """

    tokens: tf.Tensor
    num_tokens: tf.Tensor
    log_probs: tf.Tensor
    is_stopped: tf.Tensor


class _State(NamedTuple):
    step: tf.Tensor
    history: tf.Tensor  # (batch, slots): the text so far, from slot 0 on
    length: tf.Tensor  # (batch,): tokens in it
    start: tf.Tensor  # (batch,): where the context begins
    newest: tf.Tensor  # (batch,): the last token that was drawn
    is_done: tf.Tensor  # (batch,)
    is_stopped: tf.Tensor  # (batch,)
    log_probs: tf.Tensor  # (batch, max_new_tokens)
    grammar: tf.Tensor  # (batch,): state of the automaton
    seen: tf.Tensor  # (batch, vocabulary_size) bool; (batch, 0) where not looked at
    cache: Any


@dataclasses.dataclass(frozen=True)
class TokenLoop:
    """The loop that draws tokens, with what is fixed when its graph is made.

    Args:
        decoder: the network.
        max_new_tokens: the most tokens that a row may ask for.
        end_token: a token that stops every row, or None.
        automaton: what restricts rows whose `grammar` is a state of it, or None.
        uses_penalty: whether rows may have a repetition penalty.
        uses_bias: whether rows may have biased logits.
        max_written: the most tokens of a text that is written in chunks; None for a
            text that is written at once, of which no `num_written` is asked.
    """

    decoder: TransformerDecoder
    max_new_tokens: int
    end_token: int | None = None
    automaton: Automaton | None = None
    uses_penalty: bool = True
    uses_bias: bool = True
    max_written: int | None = None

    def write(self, prompts: tf.Tensor, num_prompt: tf.Tensor, rows: Rows) -> Written:
        """Continues prompts.

        The numbers that tokens are drawn with depend on the row's seed and on how many
        tokens were written before, `num_written`: a text written in chunks is the text
        written at once.

        Args:
            prompts: int32 `(batch, prompt_slots)`, tokens from slot 0 on.
            num_prompt: int32 `(batch,)`, tokens in each, at least 1.
            rows: by name, `(batch,)` each unless said otherwise: `seed` int64,
                `temperature`, `top_p`, `min_p`, `repetition_penalty` float32, `top_k`,
                `max_new_tokens`, `num_written`, `grammar` int32, `stop_tokens` int32
                `(batch, width)` with `num_stop_tokens`, `logit_bias_tokens` and
                `logit_bias_values` `(batch, width)` with `num_logit_bias`.

        Returns:
            What was written.
        """
        limit = self.decoder.max_sequence_length
        batch, prompt_slots = tf.shape(prompts)[0], prompts.shape[1]
        prompts, num_prompt = last_document(prompts, num_prompt, self.end_token)
        uniforms = self._uniforms(rows)
        history = tf.pad(prompts, [[0, 0], [0, self.max_new_tokens]])
        start = context_start(num_prompt, limit)
        slots = min(prompt_slots + self.max_new_tokens, limit)
        fused = self.decoder.fused()
        bias = self.bias(rows)

        def fill_cache(
            history: tf.Tensor, length: tf.Tensor, start: tf.Tensor, width: int
        ) -> tuple[tf.Tensor, Any]:
            """Reads contexts from their beginning; hidden states of the last tokens."""
            tokens, count = read_context(history, length, start, width)
            positions = tf.broadcast_to(tf.range(width), tf.shape(tokens))
            cache = self.decoder.empty_cache(batch, slots)
            hidden, cache = self.decoder.extend(tokens, positions, cache, fused)
            last = tf.clip_by_value(count - 1, 0, width - 1)
            return tf.gather(hidden, last, batch_dims=1), cache

        def draw(state: _State, hidden: tf.Tensor) -> _State:
            return self._draw(state, hidden, rows, bias, uniforms)

        hidden, cache = fill_cache(history, num_prompt, start, min(prompt_slots, limit))
        is_done = rows["max_new_tokens"] <= 0
        state = _State(
            step=tf.constant(0),
            history=history,
            length=num_prompt,
            start=start,
            newest=tf.zeros_like(num_prompt),
            is_done=is_done,
            is_stopped=tf.zeros_like(is_done),
            log_probs=tf.zeros(tf.stack([batch, self.max_new_tokens])),
            grammar=rows["grammar"],
            seen=self._seen(prompts, num_prompt),
            cache=cache,
        )
        state = draw(state, hidden)
        slides = prompt_slots + self.max_new_tokens > limit

        def body(state: _State) -> tuple[_State]:
            # The newest token stands at the end of the text and is not in the cache.
            position = state.length - 1 - state.start

            def go_on() -> tuple[tf.Tensor, Any]:
                hidden, cache = self.decoder.extend(
                    state.newest[:, tf.newaxis],
                    tf.clip_by_value(position, 0, slots - 1)[:, tf.newaxis],
                    state.cache,
                    fused,
                )
                return hidden[:, 0], cache

            if not slides:
                hidden, cache = go_on()
                return (draw(state._replace(cache=cache), hidden),)
            start = context_start(state.length, limit)
            is_full = (start > state.start) & ~state.is_done

            def slide() -> tuple[tf.Tensor, Any]:
                hidden, cache = go_on()
                width = limit + 1 - max(limit // 2, 1)
                fresh_hidden, fresh = fill_cache(
                    state.history, state.length, start, width
                )
                return tf.nest.map_structure(
                    lambda new, old: _where_rows(is_full, new, old),
                    (fresh_hidden, fresh),
                    (hidden, cache),
                )

            hidden, cache = tf.cond(tf.reduce_any(is_full), slide, go_on)
            # A batch whose size is known must stay so, or the loop refuses its state.
            cache = tf.nest.map_structure(
                lambda new, old: tf.ensure_shape(new, old.shape), cache, state.cache
            )
            start = tf.where(is_full, start, state.start)
            return (draw(state._replace(cache=cache, start=start), hidden),)

        (state,) = tf.while_loop(
            lambda state: (
                (state.step < self.max_new_tokens) & ~tf.reduce_all(state.is_done)
            ),
            body,
            (state,),
            parallel_iterations=1,
        )
        return self._written(state, num_prompt)

    def _uniforms(self, rows: Rows) -> tf.Tensor:
        if self.max_written is None:
            return token_uniforms(rows["seed"], self.max_new_tokens)
        places = rows["num_written"][:, tf.newaxis] + tf.range(self.max_new_tokens)
        places = tf.minimum(places, self.max_written - 1)
        every = token_uniforms(rows["seed"], self.max_written)
        return tf.gather(every, places, batch_dims=1)

    def _draw(
        self,
        state: _State,
        hidden: tf.Tensor,
        rows: Rows,
        bias: tf.Tensor | None,
        uniforms: tf.Tensor,
    ) -> _State:
        logits = self.decoder.logits(hidden)
        if bias is not None:
            logits += bias
        if self.uses_penalty:
            penalty = rows["repetition_penalty"]
            logits = penalize_repetition(logits, state.seen, penalty)
        if self.automaton is not None:
            logits = self.automaton.restrict(logits, state.grammar)
        tokens, log_probs = draw_tokens(
            logits,
            uniforms[:, state.step],
            temperature=rows["temperature"],
            top_k=rows["top_k"],
            top_p=rows["top_p"],
            min_p=rows["min_p"],
        )
        stops = ~state.is_done & self._is_stop(tokens, rows)
        writes = ~state.is_done & ~stops
        is_column = tf.range(self.max_new_tokens) == state.step
        log_probs = tf.where(
            is_column & writes[:, tf.newaxis], log_probs[:, tf.newaxis], state.log_probs
        )
        index = tf.range(tf.shape(tokens)[0])
        # A row that is done may have no slot left; what stands in its last one stays.
        slot = tf.minimum(state.length, state.history.shape[1] - 1)
        place = tf.stack([index, slot], axis=1)
        old = tf.gather_nd(state.history, place)
        history = tf.tensor_scatter_nd_update(
            state.history, place, tf.where(writes, tokens, old)
        )
        grammar, seen = state.grammar, state.seen
        if self.automaton is not None:
            moved = self.automaton.advance(grammar, tokens)
            grammar = tf.where(writes, moved, grammar)
        if self.uses_penalty:
            now = tf.one_hot(tokens, self.decoder.vocabulary_size, True, False)
            seen |= now & writes[:, tf.newaxis]
        length = state.length + tf.cast(writes, tf.int32)
        step = state.step + 1
        return state._replace(
            step=step,
            history=history,
            length=length,
            newest=tokens,
            is_done=state.is_done | stops | (step >= rows["max_new_tokens"]),
            is_stopped=state.is_stopped | stops,
            log_probs=log_probs,
            grammar=grammar,
            seen=seen,
        )

    def _is_stop(self, tokens: tf.Tensor, rows: Rows) -> tf.Tensor:
        stops = rows["stop_tokens"]
        used = tf.range(tf.shape(stops)[1]) < rows["num_stop_tokens"][:, tf.newaxis]
        found = tf.reduce_any(used & (stops == tokens[:, tf.newaxis]), axis=1)
        return found if self.end_token is None else found | (tokens == self.end_token)

    def bias(self, rows: Rows) -> tf.Tensor | None:
        """What is added to all logits, `(batch, vocabulary_size)`; None for nothing."""
        if not self.uses_bias:
            return None
        tokens, values = rows["logit_bias_tokens"], rows["logit_bias_values"]
        used = tf.range(tf.shape(tokens)[1]) < rows["num_logit_bias"][:, tf.newaxis]
        batch = tf.shape(tokens)[0]
        index = tf.broadcast_to(tf.range(batch)[:, tf.newaxis], tf.shape(tokens))
        bias = tf.zeros(tf.stack([batch, self.decoder.vocabulary_size]))
        return tf.tensor_scatter_nd_add(
            bias, tf.stack([index, tokens], axis=-1), tf.where(used, values, 0.0)
        )

    def _seen(self, prompts: tf.Tensor, num_prompt: tf.Tensor) -> tf.Tensor:
        size = self.decoder.vocabulary_size
        batch = tf.shape(prompts)[0]
        if not self.uses_penalty:
            return tf.zeros(tf.stack([batch, 0]), tf.bool)
        index = tf.broadcast_to(tf.range(batch)[:, tf.newaxis], tf.shape(prompts))
        counts = tf.tensor_scatter_nd_add(
            tf.zeros(tf.stack([batch, size]), tf.int32),
            tf.stack([index, prompts], axis=-1),
            tf.sequence_mask(num_prompt, prompts.shape[1], tf.int32),
        )
        return counts > 0

    def _written(self, state: _State, num_prompt: tf.Tensor) -> Written:
        count = state.length - num_prompt
        places = num_prompt[:, tf.newaxis] + tf.range(self.max_new_tokens)
        tokens = tf.gather(state.history, places, batch_dims=1)
        is_written = tf.sequence_mask(count, self.max_new_tokens)
        return Written(
            tokens=tf.where(is_written, tokens, 0),
            num_tokens=count,
            log_probs=state.log_probs,
            is_stopped=state.is_stopped,
        )


def _where_rows(condition: tf.Tensor, new: tf.Tensor, old: tf.Tensor) -> tf.Tensor:
    shape = (-1,) + (1,) * (new.shape.rank - 1)
    return tf.where(tf.reshape(condition, shape), new, old)
