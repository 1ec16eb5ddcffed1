"""`generate` of a language model: prompts in, texts out."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tfgenai.core.conditions import check_conditions
from tfgenai.core.ema import WeightAverage
from tfgenai.core.generation import require_positive
from tfgenai.data.tokenizers import Tokenizer
from tfgenai.gpt.constraints import Constraint
from tfgenai.gpt.context import last_document
from tfgenai.gpt.decoding import TokenLoop, Written
from tfgenai.gpt.knobs import bias_knobs, knob_conditions, stop_knobs
from tfgenai.gpt.prompts import Prompts, next_size, to_prompts
from tfgenai.gpt.search import Decoding
from tfgenai.gpt.streaming import stream_texts
from tfgenai.layers import TransformerDecoder

DEFAULT_NEW_TOKENS = 128
MAX_NEW_TOKENS = 2**20


class TextGeneration:
    """The part of `GPT` that writes, scores and embeds texts from Python."""

    seed: int
    ema: WeightAverage
    decoder: TransformerDecoder
    tokenizer: Tokenizer | None
    end_token: int | None
    vocabulary_size: int
    max_sequence_length: int
    compiled_sampler: Callable[..., Any]
    run_in_batches: Callable[..., Any]
    check_row_seeds: Callable[..., np.ndarray]

    def generate(
        self,
        prompts: str | Sequence[str] | int = 1,
        *,
        seed: int | Sequence[int] | None = None,
        max_new_tokens: int | Sequence[int] = DEFAULT_NEW_TOKENS,
        temperature: float | Sequence[float] = 1.0,
        top_k: int | Sequence[int] = 0,
        top_p: float | Sequence[float] = 1.0,
        min_p: float | Sequence[float] = 0.0,
        repetition_penalty: float | Sequence[float] = 1.0,
        stop_tokens: Sequence[int] | Sequence[Sequence[int]] = (),
        logit_bias: Mapping[int, float] | Sequence[Mapping[int, float]] | None = None,
        decoding: Decoding | None = None,
        constraint: Constraint | None = None,
        batch_size: int | None = None,
        jit_compile: bool = False,
    ) -> list[str]:
        """Writes texts that begin with prompts, with the averaged weights.

        A text ends with the tokenizer's end token, a stop token or when
        `max_new_tokens` are written. What it has in common with others in its batch
        does not matter: its tokens depend on its prompt, its seed and its knobs. Of a
        text that outgrows `max_sequence_length` the model sees the newer part; see
        `gpt.context.context_start`.

        Args:
            prompts: beginnings of texts; or a number of texts to write from nothing,
                which is from the token that begins documents.
            seed: an int, expanded to one seed a row; or one a prompt; None for the
                model's.
            max_new_tokens: tokens that are written at most.
            temperature: what logits are divided by; 0 takes the likeliest token.
            top_k: number of the likeliest tokens that are kept; 0 for all.
            top_p: probability that the kept tokens reach, in (0, 1].
            min_p: least probability of a token over that of the likeliest, in [0, 1].
            repetition_penalty: above 1, tokens that were there become less likely.
            stop_tokens: at most 8 tokens that end a text, for all or a list for each
                prompt; they are not part of the text.
            logit_bias: what is added to the logits of at most 16 tokens, for all or one
                mapping for each prompt.
            decoding: how tokens are chosen where they are not drawn one by one:
                `BeamSearch`, `ContrastiveSearch` or `SpeculativeSampling`.
            constraint: what a text must match: a `Regex` or a `JSONSchema`; with tokens
                drawn one by one only.
            batch_size: prompts at a time; default `min(n, 256)`.
            jit_compile: whether XLA compiles the loop: slow at first, then faster.

        Returns:
            The texts, each with its prompt.

        Raises:
            ValueError: if a prompt is empty, too long or has unknown characters, or a
                number is out of range.
            TypeError: if an argument is of the wrong kind.

        Example:
            >>> import tfgenai as tg
            >>> tokenizer = tg.data.ByteTokenizer()
            >>> gpt = tg.GPT.from_size("gpt_nano", tokenizer=tokenizer)
            >>> texts = gpt.generate(["ROMEO:", "O"], max_new_tokens=4, seed=1)
            >>> [text[:6] for text in texts][:1]
            ['ROMEO:']
        """
        tokenizer = self.require_tokenizer("generate")
        given = to_prompts(self, prompts)
        written = self.generate_tokens(
            given,
            seed=seed,
            max_new_tokens=max_new_tokens,
            temperature=temperature,
            top_k=top_k,
            top_p=top_p,
            min_p=min_p,
            repetition_penalty=repetition_penalty,
            stop_tokens=stop_tokens,
            logit_bias=logit_bias,
            decoding=decoding,
            constraint=constraint,
            batch_size=batch_size,
            jit_compile=jit_compile,
        )
        return [
            tokenizer.decode(np.concatenate([prompt, new]))
            for prompt, new in zip(given.rows(), written, strict=True)
        ]

    def generate_tokens(
        self,
        prompts: Any,
        *,
        return_log_probs: bool = False,
        **options: Any,
    ) -> Any:
        """Writes tokens behind prompts of tokens; the part of `generate` below text.

        Args:
            prompts: sequences of token ids, one a row.
            return_log_probs: whether log-probabilities are returned, too.
            **options: those of `generate`.

        Returns:
            A list of int32 `(new_tokens,)`; with `return_log_probs` also one of float32
            `(new_tokens,)`, in nats, of each token under what it was drawn from.

        Raises:
            ValueError: see `generate`.
            TypeError: see `generate`.
        """
        written = self._write(to_prompts(self, prompts), **options)
        tokens = [
            row[:count]
            for row, count in zip(written.tokens, written.num_tokens, strict=True)
        ]
        if not return_log_probs:
            return tokens
        log_probs = [
            row[:count]
            for row, count in zip(written.log_probs, written.num_tokens, strict=True)
        ]
        return tokens, log_probs

    def stream(
        self, prompts: Any, *, chunk_tokens: int = 16, **options: Any
    ) -> Iterator[list[str]]:
        """Writes texts piece by piece; together they are what `generate` writes.

        Args:
            prompts: see `generate`.
            chunk_tokens: tokens between two pieces.
            **options: those of `generate` without `decoding` and `constraint`.

        Returns:
            An iterator over lists of new text, one piece a row, without the prompt;
            pieces are empty for rows that have ended, or that wait for the rest of a
            character.

        Raises:
            ValueError: see `generate`; before anything is written.
            TypeError: see `generate`.

        Example:
            ```python
            for (piece,) in gpt.stream("Once", max_new_tokens=100, seed=1):
                print(piece, end="", flush=True)
            ```
        """
        tokenizer = self.require_tokenizer("stream")
        require_positive("chunk_tokens", chunk_tokens)
        given = to_prompts(self, prompts)
        rows, fixed = self._rows(len(given), **options)
        return stream_texts(self, tokenizer, given, rows, chunk_tokens, **fixed)

    def _write(
        self,
        prompts: Prompts,
        *,
        decoding: Decoding | None = None,
        constraint: Constraint | None = None,
        **options: Any,
    ) -> Written:
        _check_kind("decoding", decoding, Decoding, "BeamSearch(4)")
        _check_kind("constraint", constraint, Constraint, "Regex('[0-9]+')")
        rows, fixed = self._rows(len(prompts), **options)
        limit = next_size(int(rows["max_new_tokens"].max()))
        slots = min(next_size(prompts.width), self.max_sequence_length)
        rows["prompt"], rows["num_prompt"] = prompts.padded(slots)
        rows["grammar"] = np.full(
            len(prompts), -1 if constraint is None else 0, np.int32
        )
        jit_compile, batch_size = fixed["jit_compile"], fixed["batch_size"]
        if decoding is not None:
            decoding.check(self, prompts, rows, constraint)
        loop = TokenLoop(
            self.decoder,
            limit,
            end_token=self.end_token,
            automaton=None if constraint is None else constraint.automaton(self),
            uses_penalty=bool((rows["repetition_penalty"] != 1).any()),
            uses_bias=bool(rows["num_logit_bias"].any()),
        )

        def write(prompt: tf.Tensor, num_prompt: tf.Tensor, **rows: tf.Tensor) -> Any:
            if decoding is not None:
                end = self.end_token
                prompt, num_prompt = last_document(prompt, num_prompt, end)
                return decoding.write(loop, prompt, num_prompt, rows)
            return loop.write(prompt, num_prompt, rows)

        flags = (loop.uses_penalty, loop.uses_bias)
        key = ("write", slots, limit, *flags, decoding, constraint)
        function = self.compiled_sampler(key, write, jit_compile)
        written: Written = self.run_in_batches(function, rows, batch_size)
        return written

    def _rows(
        self,
        n: int,
        *,
        seed: Any = None,
        batch_size: int | None = None,
        jit_compile: bool = False,
        stop_tokens: Any = (),
        logit_bias: Any = None,
        **knobs: Any,
    ) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """What was said of each row, checked, and what was said of all."""
        if batch_size is not None:
            require_positive("batch_size", batch_size)
        conditions = knob_conditions(
            self.vocabulary_size,
            max_new_tokens=MAX_NEW_TOKENS,
            default_new_tokens=DEFAULT_NEW_TOKENS,
        )
        given = {
            **knobs,
            **_of_rows("stop_tokens", stop_tokens, n, stop_knobs, Sequence),
            **_of_rows("logit_bias", logit_bias or {}, n, bias_knobs, Mapping),
        }
        rows = check_conditions(conditions, given, n)
        rows["seed"] = self.check_row_seeds(seed, n)
        return rows, {"batch_size": batch_size, "jit_compile": jit_compile}

    def require_tokenizer(self, what: str) -> Tokenizer:
        """The tokenizer.

        Raises:
            ValueError: if there is none.
        """
        if self.tokenizer is None:
            raise ValueError(
                f"A model with a tokenizer was expected for {what}. Received: "
                f"tokenizer=None. Make the model with one, or use {what}_tokens."
            )
        return self.tokenizer


def _check_kind(name: str, value: Any, kind: type, example: str) -> None:
    if value is not None and not isinstance(value, kind):
        raise TypeError(
            f"A {kind.__name__} was expected. Received: {name}={value!r}. Give for "
            f"example {name}={example}."
        )


def _of_rows(
    name: str,
    value: Any,
    n: int,
    knobs_of: Callable[[Any], dict[str, np.ndarray]],
    kind: type,
) -> dict[str, np.ndarray]:
    """The knobs of one value for all rows, or of a list with one for each."""
    is_each = isinstance(value, (list, tuple)) and all(
        isinstance(each, (kind, np.ndarray)) for each in value
    )
    if not is_each or not len(value):
        return knobs_of(value)
    if len(value) != n:
        raise ValueError(
            f"One {name} for all rows, or one for each of the {n}, was expected. "
            f"Received: {name} of {len(value)} rows."
        )
    rows = [knobs_of(each) for each in value]
    return {key: np.stack([row[key] for row in rows]) for key in rows[0]}
