"""The likelihood of binary images."""

import keras
import tensorflow as tf

from tfgenai.core import random
from tfgenai.core.likelihoods.likelihood import (
    LIKELIHOODS,
    Likelihood,
    all_but_first,
    event_shape,
    float32,
    sum_but_first,
    tempered,
)


@LIKELIHOODS.register("bernoulli")
@keras.saving.register_keras_serializable("tfgenai")
class Bernoulli(Likelihood):
    """Independent black or white pixels: -1 or +1, one logit of +1 each.

    This is a likelihood of *binary* images. On grey pixels `log_prob` is a negative
    cross-entropy, which trains well but is no log-likelihood and cannot be compared
    with published nats: binarise the data (`binarize=` of `tfgenai.data.load`) and say
    how. Likelihood estimates of models refuse grey images; see `supports`.

    Example:
        >>> x = tf.constant([[[[1.0]]], [[[-1.0]]]])
        >>> log_prob = Bernoulli().log_prob(x, tf.zeros((2, 1, 1, 1)))
        >>> [round(nats, 4) for nats in log_prob.numpy().tolist()]
        [-0.6931, -0.6931]
    """

    support = "pixels of -1 or +1"

    def num_parameters(self, channels: int) -> int:
        """One logit a value."""
        return channels

    def channels_of_parameters(self, channels: int) -> list[int] | None:
        """One each."""
        return list(range(channels))

    def log_prob(self, x: tf.Tensor, parameters: tf.Tensor) -> tf.Tensor:
        """Sum of log sigmoid(x · logit), nats per example; see the base class."""
        x, logits = float32(x), float32(parameters)
        # t·l - softplus(l), t = (x + 1) / 2. One exponential, which cannot overflow,
        # serves value and gradient; log1p is twice as slow, and what it saves (6e-8 a
        # pixel) is less than the rounding of the sum.
        size = tf.abs(logits)
        return sum_but_first(0.5 * (x * logits - size) - tf.math.log1p(tf.exp(-size)))

    def mean(self, parameters: tf.Tensor) -> tf.Tensor:
        """2 · sigmoid(logit) - 1."""
        return tf.tanh(0.5 * float32(parameters))

    def sample(
        self, parameters: tf.Tensor, seeds: tf.Tensor, *, stream: int = 0
    ) -> tf.Tensor:
        """Draws pixels of -1 or +1; see the base class."""
        logits = float32(parameters)
        u = random.row_uniform(seeds, event_shape(logits), stream)
        return tf.where(u < tf.sigmoid(logits), 1.0, -1.0)

    def draw(
        self,
        parameters: tf.Tensor,
        u: tf.Tensor,
        temperature: tf.Tensor | float = 1.0,
    ) -> tf.Tensor:
        """+1 where `u` is below its probability; see the base class."""
        logits, temperature = float32(parameters), float32(temperature)
        white = u < tf.sigmoid(tempered(logits, temperature))
        return tf.where(tf.where(temperature > 0, white, logits > 0), 1.0, -1.0)

    def supports(self, x: tf.Tensor) -> tf.Tensor:
        """Which examples are binary; bool `(batch,)`."""
        return all_but_first(tf.abs(x) == 1.0)
