"""How a language model is exported: caps, buckets, chunks."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf

from tfgenai.core.conditions import Condition
from tfgenai.core.signatures import Signature
from tfgenai.gpt.constraints import Constraint
from tfgenai.gpt.generation import DEFAULT_NEW_TOKENS, TextGeneration
from tfgenai.gpt.knobs import knob_conditions
from tfgenai.gpt.scoring import Scoring
from tfgenai.gpt.signatures import Endpoints

USUAL_BUCKETS = (32, 128)
USUAL_CHUNK = 16


class Serving(TextGeneration, Scoring):
    """The part of `GPT` that is exported."""

    @property
    def output_name(self) -> str:
        """Name of the texts in a signature's answer."""
        return "texts"

    def conditions(self) -> tuple[Condition, ...]:
        """The knobs of a text besides prompt and seed, as `generate` has them."""
        return knob_conditions(
            self.vocabulary_size,
            max_new_tokens=DEFAULT_NEW_TOKENS,
            default_new_tokens=DEFAULT_NEW_TOKENS,
        )

    def serving_options(
        self,
        *,
        max_prompt_tokens: int | None = None,
        max_new_tokens: int | None = None,
        token_buckets: Sequence[int] | None = None,
        chunk_tokens: int | None = None,
        grammars: Mapping[str, Constraint] | None = None,
    ) -> dict[str, Any]:
        """What an export is made with; see `export_serving`.

        Returns:
            All of them, with the defaults filled in.

        Raises:
            ValueError: if a number is out of range.
        """
        longest = self.max_sequence_length
        prompt_cap = _check("max_prompt_tokens", max_prompt_tokens, longest, longest)
        new_cap = _check("max_new_tokens", max_new_tokens, DEFAULT_NEW_TOKENS, 2**16)
        chunk = _check("chunk_tokens", chunk_tokens, USUAL_CHUNK, new_cap)
        least = min(prompt_cap, new_cap)
        if token_buckets is None:
            token_buckets = [size for size in USUAL_BUCKETS if size < least]
        for size in token_buckets:
            _check("token_buckets", size, size, least)
        return {
            "max_prompt_tokens": prompt_cap,
            "max_new_tokens": new_cap,
            "token_buckets": sorted(set(token_buckets)),
            "chunk_tokens": chunk,
            "grammars": None if grammars is None else dict(grammars),
        }

    def serving_signatures(self, **options: Any) -> dict[str, Signature]:
        """The endpoints of an export, by name.

        A server merges the requests of one signature into batches, and a batch takes as
        long as its longest row. So there is a signature, and with it a queue, for each
        of `token_buckets`: short requests do not wait for long ones.

        Args:
            **options: what `serving_options` takes.

        Returns:
            With a tokenizer `generate` (strings in, strings out), `generate_advanced`,
            `generate_up_to_<k>_tokens` for each bucket, `tokenize`, `score` and
            `embed`. Always `generate_tokens`, `score_tokens` and `decode_chunk`.
        """
        return Endpoints(self, **self.serving_options(**options)).signatures()

    def export_serving(
        self,
        path: Any,
        *,
        max_prompt_tokens: int | None = None,
        max_new_tokens: int | None = None,
        token_buckets: Sequence[int] | None = None,
        chunk_tokens: int | None = None,
        grammars: Mapping[str, Constraint] | None = None,
        **kwargs: Any,
    ) -> Path:
        """Writes a SavedModel for TensorFlow Serving; see `tfgenai.export`.

        Args:
            path: the model's folder; the export is `<path>/<version>/`.
            max_prompt_tokens: the most tokens of a prompt; None for
                `max_sequence_length`.
            max_new_tokens: the most tokens that a request may ask for; None for 128.
            token_buckets: sizes below both caps, for each of which there is a signature
                `generate_up_to_<k>_tokens` with prompts of at most k tokens and at most
                k new ones; None for those of 32 and 128 that fit, () for none.
            chunk_tokens: tokens that `decode_chunk` writes at a time; None for 16.
            grammars: `Regex` or `JSONSchema` by name, which requests choose by number
                in `grammar`: 1 is the first.
            **kwargs: passed on to `tfgenai.export.export_saved_model`.

        Returns:
            Path of the version folder.

        Raises:
            ValueError: if a number is out of range.
            ExportError: if the export is refused.
            StorageError: if the folder cannot be written to.
        """
        options = {
            "max_prompt_tokens": max_prompt_tokens,
            "max_new_tokens": max_new_tokens,
            "token_buckets": token_buckets,
            "chunk_tokens": chunk_tokens,
            "grammars": grammars,
        }
        exported: Path = super().export_serving(  # type: ignore[misc]  # the model's
            path, serving_options=options, **kwargs
        )
        return exported

    def sample(self, seeds: tf.Tensor, **conditions: tf.Tensor) -> tf.Tensor:
        """Texts from nothing; see the base class. `generate` takes prompts.

        Args:
            seeds: int64 `(batch,)`.
            **conditions: the knobs, by the names of `conditions()`.

        Returns:
            string `(batch,)`.
        """
        endpoints = Endpoints(self, **self.serving_options(token_buckets=()))
        return endpoints.texts_from_nothing(seeds, conditions)


def _check(name: str, value: Any, default: int, limit: int) -> int:
    if value is None:
        return min(default, limit)
    is_integer = isinstance(value, int) and not isinstance(value, bool)
    if not is_integer or not 1 <= value <= limit:
        raise ValueError(
            f"A number of tokens in [1, {limit}] was expected. Received: "
            f"{name}={value!r}."
        )
    return int(value)
