"""Augmentations of token batches: dropped tokens, and spans to be filled in."""

import tensorflow as tf

from tfgenai.core import random


class TokenDropout:
    """Puts one token in the place of some, each by itself.

    Args:
        token: what is put there, for example the number of an "unknown" token.
        rate: chance of each token, in (0, 1).

    Example:
        >>> tokens = tf.zeros((2, 5), tf.int32)
        >>> TokenDropout(7, rate=0.5)(tokens, random.step_seed(0, 0)).shape
        TensorShape([2, 5])
    """

    def __init__(self, token: int, rate: float = 0.1) -> None:
        self.token, self.rate = int(token), _rate("rate", rate)

    def __call__(self, tokens: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Changes a batch.

        Args:
            tokens: integers `(batch, tokens)`.
            seed: int32 `(2,)`; all randomness comes from it.

        Returns:
            The same type and shape.
        """
        dropped = random.uniform(seed, tf.shape(tokens)) < self.rate
        return tf.where(dropped, tf.cast(self.token, tokens.dtype), tokens)


class SpanCorruption:
    """Takes spans out of a text, to be filled in: T5's task.

    Raffel et al. 2020, "Exploring the Limits of Transfer Learning with a Unified
    Text-to-Text Transformer", arXiv:1910.10683, section 3.1.4: each span is replaced by
    a sentinel of its own; the target is each sentinel followed by the span it stands
    for. As in the authors' code the number of spans and of their tokens is fixed, and
    how tokens are shared out among spans and gaps is drawn uniformly.

    Args:
        first_sentinel: number of the first sentinel; the others follow.
        noise_density: share of the tokens that are taken out.
        mean_span_length: tokens in a span, on average.
    """

    def __init__(
        self,
        first_sentinel: int,
        *,
        noise_density: float = 0.15,
        mean_span_length: float = 3.0,
    ) -> None:
        if mean_span_length < 1:
            raise ValueError(
                f"A length of at least 1 was expected. Received: {mean_span_length=}."
            )
        self.first_sentinel = int(first_sentinel)
        self.noise_density = _rate("noise_density", noise_density)
        self.mean_span_length = mean_span_length

    def counts(self, num_tokens: int) -> tuple[int, int]:
        """Tokens that are taken out of so many, and spans."""
        if num_tokens < 2:
            raise ValueError(
                f"At least 2 tokens were expected. Received: {num_tokens=}."
            )
        noise = round(num_tokens * self.noise_density)
        noise = min(max(noise, 1), num_tokens - 1)
        spans = max(round(noise / self.mean_span_length), 1)
        return noise, min(spans, noise, num_tokens - noise)

    def __call__(
        self, tokens: tf.Tensor, seed: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Corrupts a batch of one length.

        Args:
            tokens: integers from 0 up to the first sentinel, `(batch, tokens)` with a
                known number of tokens.
            seed: int32 `(2,)`; all randomness comes from it.

        Returns:
            Inputs `(batch, tokens - noise + spans)` and targets `(batch, noise +
            spans)`, which are full: every row has as many spans. Each text begins with
            a gap and ends with a span.
        """
        batch, length = tf.shape(tokens)[0], int(tokens.shape[1])
        noise, spans = self.counts(length)
        gaps = _parts(random.fold(seed, 0), batch, length - noise, spans)
        taken = _parts(random.fold(seed, 1), batch, noise, spans)
        starts = tf.cumsum(gaps, 1) + tf.cumsum(taken, 1, exclusive=True)
        places = tf.range(length)[tf.newaxis, :, tf.newaxis]
        number = tf.reduce_sum(
            tf.cast(places >= starts[:, tf.newaxis, :], tf.int32), axis=2
        )
        ends = tf.cumsum(gaps, 1) + tf.cumsum(taken, 1)
        closed = tf.reduce_sum(
            tf.cast(places >= ends[:, tf.newaxis, :], tf.int32), axis=2
        )
        is_noise = number > closed
        sentinels = tf.range(spans) + self.first_sentinel
        inputs = self._filled(tokens, ~is_noise, number, sentinels, length - noise)
        targets = self._filled(
            tokens, is_noise, number - 1, sentinels, noise, ahead=True
        )
        return inputs, targets

    def _filled(
        self,
        tokens: tf.Tensor,
        kept: tf.Tensor,
        number: tf.Tensor,
        sentinels: tf.Tensor,
        count: int,
        *,
        ahead: bool = False,
    ) -> tf.Tensor:
        """Kept tokens with a sentinel behind each stretch, or ahead of it."""
        spans = int(sentinels.shape[0])
        batch = tf.shape(tokens)[0]
        # Places in the result: sentinels push what follows them on by one each.
        order = tf.cumsum(tf.cast(kept, tf.int32), 1, exclusive=True)
        pushed = order + number + (1 if ahead else 0)
        width = count + spans
        rows = tf.broadcast_to(tf.range(batch)[:, tf.newaxis], tf.shape(tokens))
        where = tf.stack([rows[kept], pushed[kept]], axis=1)
        result = tf.fill((batch, width), tf.cast(-1, tokens.dtype))
        result = tf.tensor_scatter_nd_update(result, where, tokens[kept])
        is_free = result < 0
        rank = tf.cumsum(tf.cast(is_free, tf.int32), 1, exclusive=True)
        marks = tf.gather(tf.cast(sentinels, tokens.dtype), rank % spans)
        return tf.ensure_shape(tf.where(is_free, marks, result), (None, width))


def _parts(seed: tf.Tensor, batch: tf.Tensor, total: int, count: int) -> tf.Tensor:
    """Positive numbers that sum to `total`, uniformly: int32 `(batch, count)`."""
    chance = random.uniform(seed, (batch, total - 1))
    # The first cuts of a random order are a uniform choice without repetition.
    cuts = tf.sort(tf.argsort(chance, axis=1)[:, : count - 1], axis=1) + 1
    edges = tf.concat(
        [
            tf.zeros((batch, 1), tf.int32),
            tf.cast(cuts, tf.int32),
            tf.fill((batch, 1), total),
        ],
        axis=1,
    )
    return edges[:, 1:] - edges[:, :-1]


def _rate(name: str, value: float) -> float:
    if not 0.0 < value < 1.0:
        raise ValueError(f"A share in (0, 1) was expected. Received: {name}={value!r}.")
    return float(value)
