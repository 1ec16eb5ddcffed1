"""The likelihood of grey levels without an order: one logit each."""

from typing import Any

import keras
import tensorflow as tf

from tfgenai.core import random
from tfgenai.core.likelihoods.discretized_logistic import on_levels
from tfgenai.core.likelihoods.likelihood import (
    LIKELIHOODS,
    Likelihood,
    event_shape,
    float32,
    sum_but_first,
    tempered_softmax,
)
from tfgenai.core.token_sampling import invert_cdf


def cross_entropy(index: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """-log softmax(logits)[index], in nats.

    With two axes TensorFlow's own function asks nothing at run time; with more, and a
    size that is not known beforehand, it adds a check that fails a whole served batch.

    Args:
        index: int32 `(...)`, from 0 to the number of logits.
        logits: float32 `(..., num_logits)`, whose last size is known.

    Returns:
        float32 `(...)`.

    Example:
        >>> round(float(cross_entropy(tf.constant(1), tf.constant([0.0, 0.0]))), 4)
        0.6931
    """
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(
        tf.reshape(index, [-1]), tf.reshape(logits, [-1, logits.shape[-1]])
    )
    return tf.ensure_shape(tf.reshape(losses, tf.shape(index)), index.shape)


@LIKELIHOODS.register("categorical")
@keras.saving.register_keras_serializable("tfgenai")
class Categorical(Likelihood):
    """Independent grey levels, each with a logit of its own.

    Van den Oord et al. 2016, "Pixel Recurrent Neural Networks", arXiv:1601.06759,
    section 3.3: it can take any shape, at the price of `num_levels` parameters a value,
    which stand channel after channel.

    Args:
        num_levels: grey levels, equally spaced from -1 to 1.

    Raises:
        ValueError: if there are fewer than two levels.

    Example:
        >>> x = tf.constant([[[[-1.0]]], [[[1.0]]]])
        >>> log_prob = Categorical(4).log_prob(x, tf.zeros((2, 1, 1, 4)))
        >>> [round(nats, 4) for nats in log_prob.numpy().tolist()]
        [-1.3863, -1.3863]
    """

    def __init__(self, num_levels: int = 256) -> None:
        if not isinstance(num_levels, int) or num_levels < 2:
            raise ValueError(
                "Two grey levels or more were expected. Received: "
                f"num_levels={num_levels}. 8-bit images have 256."
            )
        self.num_levels = num_levels
        self.support = f"{num_levels} equally spaced grey levels from -1 to 1"

    def num_parameters(self, channels: int) -> int:
        """A logit for each level of each value."""
        return channels * self.num_levels

    def channels_of_parameters(self, channels: int) -> list[int] | None:
        """The levels of the first channel come first."""
        return [c for c in range(channels) for _ in range(self.num_levels)]

    def log_prob(self, x: tf.Tensor, parameters: tf.Tensor) -> tf.Tensor:
        """Sum of log-probabilities in nats per example; see the base class."""
        position = (float32(x) + 1.0) * (0.5 * (self.num_levels - 1))
        index = tf.clip_by_value(
            tf.cast(tf.round(position), tf.int32), 0, self.num_levels - 1
        )
        logits = self._logits(parameters)
        return -sum_but_first(cross_entropy(index, logits))

    def mean(self, parameters: tf.Tensor) -> tf.Tensor:
        """The expected level."""
        levels = tf.linspace(-1.0, 1.0, self.num_levels)
        return tf.reduce_sum(tf.nn.softmax(self._logits(parameters)) * levels, axis=-1)

    def sample(
        self, parameters: tf.Tensor, seeds: tf.Tensor, *, stream: int = 0
    ) -> tf.Tensor:
        """Draws grey levels; see the base class."""
        shape = event_shape(self._logits(parameters))[:-1]
        return self.draw(parameters, random.row_uniform(seeds, shape, stream))

    def draw(
        self,
        parameters: tf.Tensor,
        u: tf.Tensor,
        temperature: tf.Tensor | float = 1.0,
    ) -> tf.Tensor:
        """The level where the distribution function passes `u`; see the base class."""
        logits = self._logits(parameters)
        # Temperatures have one axis less than logits: that of the values.
        warm = tf.convert_to_tensor(temperature)[..., tf.newaxis]
        index = invert_cdf(tempered_softmax(logits, warm), u)
        likeliest = tf.argmax(logits, axis=-1, output_type=tf.int32)
        index = tf.where(tf.convert_to_tensor(temperature) > 0, index, likeliest)
        return tf.cast(index, tf.float32) * (2.0 / (self.num_levels - 1)) - 1.0

    def supports(self, x: tf.Tensor) -> tf.Tensor:
        """Which examples lie on the levels; bool `(batch,)`."""
        return on_levels(x, self.num_levels)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"num_levels": self.num_levels}

    def _logits(self, parameters: tf.Tensor) -> tf.Tensor:
        parameters = float32(parameters)
        channels = parameters.shape[-1] // self.num_levels
        shape = tf.concat(
            [tf.shape(parameters)[:-1], [channels, self.num_levels]], axis=0
        )
        logits = tf.reshape(parameters, shape)
        logits.set_shape([*parameters.shape[:-1], channels, self.num_levels])
        return logits
