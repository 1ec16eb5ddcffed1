"""`generate` of a language model: prompts in, texts out."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tfgenai.core.conditions import check_conditions
from tfgenai.core.ema import WeightAverage
from tfgenai.core.generation import require_positive
from tfgenai.data.tokenizers import Tokenizer
from tfgenai.gpt.decoding import TokenLoop, Written
from tfgenai.gpt.knobs import bias_knobs, knob_conditions, stop_knobs
from tfgenai.gpt.prompts import Prompts, next_size, to_prompts
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
        stop_tokens: Sequence[int] = (),
        logit_bias: Mapping[int, float] | None = None,
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
            stop_tokens: at most 8 tokens that end a text; they are not part of it.
            logit_bias: what is added to the logits of at most 16 tokens.
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

    def _write(
        self,
        prompts: Prompts,
        *,
        seed: Any = None,
        batch_size: int | None = None,
        jit_compile: bool = False,
        stop_tokens: Sequence[int] = (),
        logit_bias: Mapping[int, float] | None = None,
        **knobs: Any,
    ) -> Written:
        if batch_size is not None:
            require_positive("batch_size", batch_size)
        conditions = knob_conditions(
            self.vocabulary_size,
            max_new_tokens=MAX_NEW_TOKENS,
            default_new_tokens=DEFAULT_NEW_TOKENS,
        )
        given = {**knobs, **stop_knobs(stop_tokens), **bias_knobs(logit_bias or {})}
        rows = check_conditions(conditions, given, len(prompts))
        limit = next_size(int(rows["max_new_tokens"].max()))
        rows["seed"] = self.check_row_seeds(seed, len(prompts))
        loop = TokenLoop(
            self.decoder,
            limit,
            end_token=self.end_token,
            uses_penalty=bool((rows["repetition_penalty"] != 1).any()),
            uses_bias=bool(rows["num_logit_bias"].any()),
        )
        slots = min(next_size(prompts.width), self.max_sequence_length)
        rows["prompt"], rows["num_prompt"] = prompts.padded(slots)
        key = ("write", slots, limit, loop.uses_penalty, loop.uses_bias)

        def write(prompt: tf.Tensor, num_prompt: tf.Tensor, **rows: tf.Tensor) -> Any:
            rows["grammar"] = tf.fill(tf.shape(num_prompt), -1)
            return loop.write(prompt, num_prompt, rows)

        function = self.compiled_sampler(key, write, jit_compile)
        written: Written = self.run_in_batches(function, rows, batch_size)
        return written

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
