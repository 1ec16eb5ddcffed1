"""The endpoints of a language model: text or tokens in, text or tokens out."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

from tfgenai.core.conditions import Condition, join_errors
from tfgenai.core.signatures import SEED, Signature, row_signature
from tfgenai.gpt.automaton import Automaton
from tfgenai.gpt.constraints import Constraint, join
from tfgenai.gpt.decoding import TokenLoop, Written
from tfgenai.gpt.knobs import knob_conditions
from tfgenai.layers.adapters import shared_graph

BUCKET_NAME = "generate_up_to_{}_tokens"
_PROMPTS, _TEXTS = "prompts", "texts"

_DESCRIPTIONS = {
    "prompts": "the text to go on from, UTF-8, not empty",
    "texts": "text, UTF-8, not empty",
}
_NUM_EXAMPLES = 4

Rows = dict[str, tf.Tensor]


class Endpoints:
    """Makes the signatures of one export; they share the graphs of its loops.

    Args:
        model: the `GPT`.
        max_prompt_tokens: the most tokens of a prompt.
        max_new_tokens: the most tokens that a row may ask for.
        token_buckets: sizes of the queues for short requests.
        chunk_tokens: tokens of a chunk.
        grammars: what rows may be asked to match, by name; the number of the first is
            1.
    """

    def __init__(
        self,
        model: Any,
        *,
        max_prompt_tokens: int,
        max_new_tokens: int,
        token_buckets: list[int],
        chunk_tokens: int,
        grammars: Mapping[str, Constraint] | None = None,
    ) -> None:
        self._model = model
        self._prompt_cap = max_prompt_tokens
        self._new_cap = max_new_tokens
        self._buckets = token_buckets
        self._chunk = chunk_tokens
        self._loops: dict[Any, Callable[..., Written]] = {}
        self._grammars = dict(grammars or {})
        self._automaton: Automaton | None = None
        self._first_states = [-1]
        if self._grammars:
            automata = [each.automaton(model) for each in self._grammars.values()]
            self._automaton, first_states = join(automata)
            self._first_states += first_states

    def signatures(self) -> dict[str, Signature]:
        """All of them by name, the main one first."""
        caps = (self._prompt_cap, self._new_cap)
        signatures: dict[str, Signature] = {}
        if self._model.tokenizer is not None:
            signatures["generate"] = self._generate(caps, with_knobs=False)
            signatures["generate_advanced"] = self._generate(caps, with_knobs=True)
            for size in self._buckets:
                name = BUCKET_NAME.format(size)
                signatures[name] = self._generate((size, size), with_knobs=True)
        signatures["generate_tokens"] = self._generate_tokens()
        signatures["decode_chunk"] = self._decode_chunk()
        if self._model.tokenizer is not None:
            signatures["tokenize"] = self._tokenize()
            signatures["score"] = self._read("score", self._score)
            signatures["embed"] = self._read("embed", self._embed)
        signatures["score_tokens"] = self._score_tokens()
        return signatures

    def texts_from_nothing(self, seeds: tf.Tensor, knobs: Mapping[str, Any]) -> Any:
        """Texts that begin as documents do, string `(batch,)`."""
        start = tf.fill(tf.stack([tf.shape(seeds)[0], 1]), self._model.end_token)
        ones = tf.ones_like(start[:, 0])
        rows = {**knobs, SEED.name: seeds}
        written = self._write(start, ones, rows, self._new_cap)
        return self._model.tokenizer.decode_rows(written.tokens, written.num_tokens)

    # ---- strings -------------------------------------------------------------

    def _generate(self, caps: tuple[int, int], *, with_knobs: bool) -> Signature:
        prompt_cap, new_cap = caps
        knobs = self._knobs(new_cap)

        def answer(rows: Rows) -> Rows:
            tokens, count, _ = self._encode(rows.pop(_PROMPTS), prompt_cap)
            written = self._write(tokens, count, rows, new_cap)
            return {
                "texts": self._text(tokens, count, written),
                "num_tokens": written.num_tokens,
            }

        return row_signature(
            answer,
            [self._strings(_PROMPTS, prompt_cap), SEED, *(knobs if with_knobs else ())],
            f"Texts that begin with prompts of at most {prompt_cap} tokens, with at "
            f"most {new_cap} new ones" + (", with every knob." if with_knobs else "."),
            left_out=() if with_knobs else knobs,
            check=lambda rows: self._encode(rows[_PROMPTS], prompt_cap)[2],
        )

    def _tokenize(self) -> Signature:
        width = self._prompt_cap + self._new_cap

        def answer(rows: Rows) -> Rows:
            tokens, count, _ = self._encode(rows[_PROMPTS], self._prompt_cap)
            padded = tf.pad(tokens, [[0, 0], [0, width - self._prompt_cap]])
            return {"tokens": padded, "num_tokens": count}

        return row_signature(
            answer,
            [self._strings(_PROMPTS, self._prompt_cap)],
            "Tokens of prompts, as decode_chunk takes them.",
            check=lambda rows: self._encode(rows[_PROMPTS], self._prompt_cap)[2],
        )

    def _read(self, verb: str, function: Callable[..., Rows]) -> Signature:
        slots = max(self._model.max_sequence_length, 2)
        least = 2 if verb == "score" else 1

        def check(rows: Rows) -> tf.Tensor:
            return self._encode(rows[_TEXTS], slots, _TEXTS, least)[2]

        def answer(rows: Rows) -> Rows:
            tokens, count, _ = self._encode(rows[_TEXTS], slots, _TEXTS)
            return function(tokens, count)

        described = {
            "score": "Log-probabilities of the tokens of texts in nats, each given "
            "those before it; the first token is given.",
            "embed": "One vector a text: the mean of its tokens' vectors.",
        }
        return row_signature(
            answer, [self._strings(_TEXTS, slots)], described[verb], check=check
        )

    def _strings(self, name: str, cap: int) -> Condition:
        """A text input, with texts of at most `cap` known tokens as examples."""
        pieces = [
            text
            for piece in self._model.tokenizer.token_bytes()
            if (text := piece.decode("utf-8", "ignore")).isprintable()
            and text
            and text.encode() == piece
        ][: 2 * _NUM_EXAMPLES]
        # An alphabet may be smaller than that.
        pieces = (pieces * 2 * _NUM_EXAMPLES)[: 2 * _NUM_EXAMPLES]
        texts = ["".join(pieces[i : 2 * i + 2][:cap]) for i in range(_NUM_EXAMPLES)]
        return Condition(
            name,
            "string",
            description=_DESCRIPTIONS[name],
            examples=tuple(text for text in texts if text),
            counterexample="",
        )

    def _encode(
        self, texts: tf.Tensor, cap: int, name: str = "prompts", least: int = 1
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Tokens, how many of them count, and what is wrong with a row."""
        tokens, count, error = self._model.tokenizer.encode_rows(texts, cap, name=name)
        received = tf.strings.as_string(count)
        text = f"{name}: {least} to {cap} tokens were expected. Received: "
        bad_size = tf.where(
            (count >= least) & (count <= cap), "", tf.strings.join([text, received])
        )
        tokens = tf.ensure_shape(tokens, (None, cap))
        return tokens, tf.clip_by_value(count, 1, cap), join_errors([error, bad_size])

    def _text(self, tokens: tf.Tensor, count: tf.Tensor, written: Written) -> tf.Tensor:
        """The text of prompts and what follows; a character may lie across both."""
        width = tokens.shape[1] + written.tokens.shape[1]
        joined = tf.where(
            tf.sequence_mask(count, width),
            tf.pad(tokens, [[0, 0], [0, width - tokens.shape[1]]]),
            _shifted(written.tokens, count, width),
        )
        return self._model.tokenizer.decode_rows(joined, count + written.num_tokens)

    # ---- tokens --------------------------------------------------------------

    def _generate_tokens(self) -> Signature:
        tokens = self._tokens_condition(self._prompt_cap)
        count = self._count_condition(self._prompt_cap)

        def answer(rows: Rows) -> Rows:
            prompts, num_prompt = rows.pop(tokens.name), rows.pop(count.name)
            written = self._write(prompts, num_prompt, rows, self._new_cap)
            return {
                "new_tokens": written.tokens,
                "num_new_tokens": written.num_tokens,
                "log_probs": written.log_probs,
            }

        return row_signature(
            answer,
            [tokens, count, SEED, *self._knobs(self._new_cap)],
            "Tokens that follow tokens, and the log-probability of each in nats.",
        )

    def _decode_chunk(self) -> Signature:
        width = self._prompt_cap + self._new_cap
        tokens, count = self._tokens_condition(width), self._count_condition(width)
        already = Condition(
            "num_written",
            "int32",
            minimum=0,
            maximum=self._new_cap,
            description="how many of the tokens were written by earlier calls",
        )

        def answer(rows: Rows) -> Rows:
            history, length = rows.pop(tokens.name), rows.pop(count.name)
            # What was written is a part of the text.
            rows[already.name] = tf.minimum(rows[already.name], length)
            wanted = rows["max_new_tokens"] - rows[already.name]
            rows["max_new_tokens"] = tf.clip_by_value(wanted, 0, self._chunk)
            written = self._write(history, length, rows, self._chunk, self._new_cap)
            outputs = {
                "new_tokens": written.tokens,
                "num_new_tokens": written.num_tokens,
                "is_done": written.is_stopped | (wanted <= self._chunk),
            }
            if self._model.tokenizer is not None:
                outputs["texts"] = self._text(history, length, written)
            return outputs

        signature = row_signature(
            answer,
            [tokens, count, already, SEED, *self._knobs(self._new_cap)],
            f"The next {self._chunk} tokens of a text written in chunks. Adding "
            "them to tokens, num_tokens and num_written, and calling again until "
            "is_done, gives what generate gives.",
            check=None if self._automaton is None else self._check_grammar,
        )

        def with_end(**values: tf.Tensor) -> Rows:
            outputs = signature.function(**values)
            # A loop that waits for all rows must not wait for one that was refused.
            is_done = outputs["is_done"] | (outputs["error"] != "")
            return {**outputs, "is_done": is_done}

        return dataclasses.replace(signature, function=with_end)

    def _check_grammar(self, rows: Rows) -> tf.Tensor:
        """What was written must be what the row's grammar lets a text begin with."""
        state = self._grammar_state(rows["tokens"], rows["num_tokens"], rows)
        return tf.where(
            (rows["grammar"] > 0) & (state < 0),
            "num_written: written tokens that match the grammar were expected. "
            "Received: others.",
            "",
        )

    def _score_tokens(self) -> Signature:
        slots = max(self._model.max_sequence_length, 2)
        tokens, count = self._tokens_condition(slots), self._count_condition(slots, 2)
        return row_signature(
            lambda rows: self._score(rows[tokens.name], rows[count.name]),
            [tokens, count],
            "Log-probabilities of tokens in nats, each given those before it.",
        )

    def _score(self, tokens: tf.Tensor, count: tf.Tensor) -> Rows:
        log_probs = self._model.log_probs_of_rows(tokens, count)
        return {
            "log_probs": log_probs,
            "num_log_probs": count - 1,
            "log_prob": tf.reduce_sum(log_probs, axis=1),
        }

    def _embed(self, tokens: tf.Tensor, count: tf.Tensor) -> Rows:
        return {"embeddings": self._model.embeddings_of_rows(tokens, count)}

    def _tokens_condition(self, width: int) -> Condition:
        return Condition(
            "tokens",
            "int32",
            shape=(width,),
            minimum=0,
            maximum=self._model.vocabulary_size - 1,
            description="token ids from the left on; what stands behind num_tokens "
            "means nothing, but must be a token such as 0",
        )

    def _count_condition(self, width: int, least: int = 1) -> Condition:
        return Condition(
            "num_tokens",
            "int32",
            minimum=least,
            maximum=width,
            description="how many of tokens count",
        )

    # ---- the loop ------------------------------------------------------------

    def _knobs(self, new_cap: int) -> tuple[Condition, ...]:
        return knob_conditions(
            self._model.vocabulary_size,
            max_new_tokens=new_cap,
            default_new_tokens=new_cap,
            grammars=tuple(self._grammars),
        )

    def _write(
        self,
        prompts: tf.Tensor,
        num_prompt: tf.Tensor,
        rows: Rows,
        new_cap: int,
        max_written: int | None = None,
    ) -> Written:
        key = (prompts.shape[1], new_cap, max_written)
        if key not in self._loops:
            loop = TokenLoop(
                self._model.decoder,
                new_cap,
                end_token=self._model.end_token,
                automaton=self._automaton,
                max_written=max_written,
            )

            def write(prompts: tf.Tensor, num_prompt: tf.Tensor, rows: Rows) -> Written:
                state = self._grammar_state(prompts, num_prompt, rows)
                return loop.write(prompts, num_prompt, {**rows, "grammar": state})

            self._loops[key] = shared_graph(write)
        return self._loops[key](prompts, num_prompt, rows)

    def _grammar_state(
        self, prompts: tf.Tensor, num_prompt: tf.Tensor, rows: Rows
    ) -> tf.Tensor:
        """Where each row stands in its grammar, int32 `(batch,)`; -1 without one."""
        if self._automaton is None:
            return tf.fill(tf.shape(num_prompt), -1)
        first = tf.gather(tf.constant(self._first_states), rows["grammar"])
        if "num_written" not in rows:
            return first
        start = num_prompt - tf.minimum(rows["num_written"], num_prompt)
        return self._automaton.after(first, prompts, start, num_prompt)


def _shifted(tokens: tf.Tensor, count: tf.Tensor, width: int) -> tf.Tensor:
    """Rows moved to the right by `count`, int32 `(batch, width)`."""
    places = tf.range(width) - count[:, tf.newaxis]
    places = tf.clip_by_value(places, 0, tokens.shape[1] - 1)
    return tf.gather(tokens, places, batch_dims=1)
