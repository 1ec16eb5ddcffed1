"""How likely texts are to a language model, and the vectors it has for them."""

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from tfgenai.gpt.objective import next_token_losses
from tfgenai.gpt.prompts import next_size, to_prompts

_LOGITS = 2**26  # values at a time, of 4 bytes


class Scoring:
    """The part of `GPT` that reads texts: log-probabilities and embeddings."""

    max_sequence_length: int
    compiled_sampler: Callable[..., Any]
    run_in_batches: Callable[..., Any]
    hidden_states: Callable[..., tf.Tensor]
    decoder: Any

    def score(self, texts: Any, *, batch_size: int | None = None) -> list[np.ndarray]:
        """Log-probabilities of the tokens of texts, with the averaged weights.

        Args:
            texts: texts, or sequences of token ids; at most `max_sequence_length`
                tokens each.
            batch_size: texts at a time; default at most 256, fewer where the logits of
                so many would take more than 256 MiB.

        Returns:
            One float32 `(tokens - 1,)` a text, in nats: of the second token given the
            first, of the third given both, and so on. The first token is given.

        Raises:
            ValueError: if a text is empty, too long or has unknown characters.
            TypeError: if it is no text and no tokens.

        Example:
            >>> import tfgenai as tg
            >>> gpt = tg.GPT(9, num_layers=1, num_heads=1, hidden_dim=4)
            >>> [row.shape for row in gpt.score([[1, 2, 3], [4, 5]])]
            [(2,), (1,)]
        """
        rows, lengths = self._padded(texts, "score")
        if batch_size is None:
            row = rows.shape[1] * self.decoder.vocabulary_size
            batch_size = int(np.clip(_LOGITS // row, 1, min(len(rows), 256)))
        function = self.compiled_sampler("score", self.log_probs_of_rows, False)
        scores = self.run_in_batches(
            function, {"tokens": rows, "num_tokens": lengths}, batch_size
        )
        return [row[: length - 1] for row, length in zip(scores, lengths, strict=True)]

    def embed(self, texts: Any, *, batch_size: int | None = None) -> np.ndarray:
        """One vector a text: the mean of its tokens' vectors behind the last block.

        Args:
            texts: see `score`.
            batch_size: texts at a time; default `min(n, 256)`.

        Returns:
            float32 `(n, hidden_dim)`.

        Raises:
            ValueError: see `score`.
            TypeError: see `score`.
        """
        rows, lengths = self._padded(texts, "embed")
        function = self.compiled_sampler("embed", self.embeddings_of_rows, False)
        vectors: np.ndarray = self.run_in_batches(
            function, {"tokens": rows, "num_tokens": lengths}, batch_size
        )
        return vectors

    def log_probs_of_rows(self, tokens: tf.Tensor, num_tokens: tf.Tensor) -> tf.Tensor:
        """The graph behind `score`, float32 `(batch, slots - 1)`; 0 behind the end."""
        hidden = self._hidden_of_rows(tokens, num_tokens)
        chosen = -next_token_losses(self.decoder.logits(hidden[:, :-1]), tokens[:, 1:])
        is_target = tf.sequence_mask(num_tokens - 1, tokens.shape[1] - 1)
        return tf.where(is_target, chosen, 0.0)

    def embeddings_of_rows(self, tokens: tf.Tensor, num_tokens: tf.Tensor) -> tf.Tensor:
        """The graph behind `embed`, float32 `(batch, hidden_dim)`."""
        hidden = tf.cast(self._hidden_of_rows(tokens, num_tokens), tf.float32)
        inside = tf.sequence_mask(num_tokens, tokens.shape[1], tf.float32)
        total = tf.reduce_sum(hidden * inside[:, :, tf.newaxis], axis=1)
        return total / tf.maximum(tf.cast(num_tokens, tf.float32), 1.0)[:, tf.newaxis]

    def _hidden_of_rows(self, tokens: tf.Tensor, num_tokens: tf.Tensor) -> tf.Tensor:
        inside = tf.sequence_mask(num_tokens, tokens.shape[1])
        return self.hidden_states(tf.where(inside, tokens, -1))

    def _padded(self, texts: Any, what: str) -> tuple[np.ndarray, np.ndarray]:
        if isinstance(texts, (int, np.integer)):
            raise TypeError(
                "Texts, or rows of token ids, were expected. Received: "
                f"texts={texts!r}. Give for example ['Once']."
            )
        prompts = to_prompts(self, texts, name="texts", what=what)
        slots = min(next_size(prompts.width), max(self.max_sequence_length, 2))
        return prompts.padded(slots)
