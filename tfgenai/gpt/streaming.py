"""Texts piece by piece: a chunk of tokens at a time, whole characters out."""

import codecs
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from tfgenai.data.tokenizers import Tokenizer
from tfgenai.gpt.decoding import TokenLoop, Written
from tfgenai.gpt.prompts import Prompts, next_size


def stream_texts(
    model: Any,
    tokenizer: Tokenizer,
    prompts: Prompts,
    rows: dict[str, np.ndarray],
    chunk_tokens: int,
    *,
    batch_size: int | None,
    jit_compile: bool,
) -> Iterator[list[str]]:
    """Writes behind prompts and yields what was written since the last time.

    Args:
        model: the `GPT`.
        tokenizer: its tokenizer.
        prompts: the checked prompts.
        rows: checked knobs and seeds.
        chunk_tokens: tokens between two pieces.
        batch_size: rows at a time.
        jit_compile: whether XLA compiles the loop.

    Returns:
        An iterator over lists of one piece a row.
    """
    wanted = rows["max_new_tokens"]
    # Rounded, so that one graph serves many numbers.
    total = next_size(int(wanted.max()))
    width = next_size(prompts.width + total)
    history, length = prompts.padded(width)
    loop = TokenLoop(
        model.decoder, chunk_tokens, end_token=model.end_token, max_written=total
    )

    def write(prompt: tf.Tensor, num_prompt: tf.Tensor, **rows: tf.Tensor) -> Any:
        return loop.write(prompt, num_prompt, rows)

    key = ("stream", width, chunk_tokens, total)
    function = model.compiled_sampler(key, write, jit_compile)
    decoders = [codecs.getincrementaldecoder("utf-8")("replace") for _ in wanted]
    pieces = tokenizer.token_bytes()
    written = np.zeros_like(wanted)
    is_done = written >= wanted
    while not is_done.all():
        left = np.where(is_done, 0, wanted - written)
        chunk: Written = model.run_in_batches(
            function,
            {
                **rows,
                "prompt": history,
                "num_prompt": length,
                "num_written": written,
                "max_new_tokens": np.minimum(left, chunk_tokens),
                "grammar": np.full_like(wanted, -1),
            },
            batch_size,
        )
        texts = []
        for row, count in enumerate(chunk.num_tokens):
            new = chunk.tokens[row, :count]
            history[row, length[row] : length[row] + count] = new
            ends = bool(chunk.is_stopped[row] or left[row] <= chunk_tokens)
            text = b"".join(pieces[token] for token in new)
            texts.append(decoders[row].decode(text, final=ends and not is_done[row]))
        length, written = length + chunk.num_tokens, written + chunk.num_tokens
        is_done = is_done | chunk.is_stopped | (written >= wanted)
        yield texts
