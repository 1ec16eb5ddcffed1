"""The base of the likelihoods, their registry, and what all of them need."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tfgenai.core import backend as _backend  # noqa: F401
from tfgenai.core.registry import Registry

# Far below what has a probability in float32; its multiples are still finite.
_LEAST_LOGIT = -1e9

LIKELIHOODS: Registry[type["Likelihood"]] = Registry("likelihood")


class Likelihood:
    """Base of the likelihoods: parameters in, nats per example out.

    Attributes:
        support: in words, the data that the likelihood is of.
        is_density: whether `log_prob` is the logarithm of a density, so that its value
            depends on the unit of the data, rather than of a probability.
    """

    support = "finite values"
    is_density = False

    def num_parameters(self, channels: int) -> int:
        """Length of the parameters' last axis for images of so many channels."""
        raise NotImplementedError(f"{type(self).__name__} lacks num_parameters().")

    def log_prob(self, x: tf.Tensor, parameters: tf.Tensor) -> tf.Tensor:
        """Log-likelihood of each example.

        Args:
            x: float `(batch, height, width, channels)` in [-1, 1].
            parameters: float `(batch, height, width, num_parameters)`.

        Returns:
            float32 `(batch,)`, nats, **summed** over all axes but the first.
        """
        raise NotImplementedError(f"{type(self).__name__} lacks log_prob().")

    def mean(self, parameters: tf.Tensor) -> tf.Tensor:
        """The expected image, float32 `(batch, height, width, channels)` in [-1, 1]."""
        raise NotImplementedError(f"{type(self).__name__} lacks mean().")

    def sample(
        self, parameters: tf.Tensor, seeds: tf.Tensor, *, stream: int = 0
    ) -> tf.Tensor:
        """Draws one image a row.

        Args:
            parameters: float `(batch, height, width, num_parameters)`.
            seeds: int64 `(batch,)`; row i depends on seeds[i] alone.
            stream: first number that sets these draws apart from others of the row.

        Returns:
            float32 `(batch, height, width, channels)` in [-1, 1].
        """
        raise NotImplementedError(f"{type(self).__name__} lacks sample().")

    def channels_of_parameters(self, channels: int) -> list[int] | None:
        """For each parameter of a pixel, the channel whose value it is about.

        None where the channels of a pixel depend on each other within the likelihood,
        so that every parameter is about all of them.
        """
        raise NotImplementedError(
            f"{type(self).__name__} lacks channels_of_parameters()."
        )

    def num_uniforms(self, channels: int) -> int:
        """Uniform numbers that `draw` takes for a pixel."""
        return channels

    def draw(
        self,
        parameters: tf.Tensor,
        u: tf.Tensor,
        temperature: tf.Tensor | float = 1.0,
    ) -> tf.Tensor:
        """Pixels at given values of the distribution function.

        Args:
            parameters: float `(..., num_parameters)`.
            u: float32 `(..., num_uniforms)` in [0, 1).
            temperature: float32 that broadcasts to the result; 1.0 is the
                distribution itself, 0.0 its likeliest value.

        Returns:
            float32 `(..., channels)` in [-1, 1].
        """
        raise NotImplementedError(f"{type(self).__name__} lacks draw().")

    def supports(self, x: tf.Tensor) -> tf.Tensor:
        """Which examples lie in the support; bool `(batch,)`.

        Outside of it a number may come out of `log_prob`, but not a log-likelihood.
        """
        return all_but_first(tf.math.is_finite(x))

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Likelihood":
        """Makes a likelihood from `get_config()`."""
        return cls(**config)


def bits_per_dim(
    log_prob: float | np.ndarray,
    image_shape: Sequence[int],
    *,
    level_width: float | None = None,
) -> np.ndarray:
    """Bits per dimension of a log-likelihood.

    Args:
        log_prob: nats per example, a number or an array.
        image_shape: shape of one example; its size is the number of dimensions.
        level_width: for log-densities, the distance between two neighbouring levels of
            the data in the density's unit, 2 / 255 for 8-bit images in [-1, 1]: the
            density times this width is the mass that a level has. None for
            log-probabilities.

    Returns:
        float64 like `log_prob`; 8.0 for a uniform distribution over 256 levels.

    Raises:
        ValueError: if `level_width` is not positive.

    Example:
        >>> import math
        >>> float(bits_per_dim(-784 * math.log(256.0), (28, 28, 1)))
        8.0
    """
    if level_width is not None and not level_width > 0:
        raise ValueError(
            "A positive width was expected. Received: "
            f"level_width={level_width}. Use None for probabilities."
        )
    num_dims = math.prod(image_shape)
    nats = np.asarray(log_prob, np.float64)
    if level_width is not None:
        nats = nats + num_dims * math.log(level_width)
    return -nats / (num_dims * math.log(2.0))


def float32(x: Any) -> tf.Tensor:
    """`x` as a float32 tensor; nothing is added to the graph when it is one."""
    x = tf.convert_to_tensor(x)
    return x if x.dtype == tf.float32 else tf.cast(x, tf.float32)


def tempered(logits: tf.Tensor, temperature: tf.Tensor) -> tf.Tensor:
    """Logits over the temperature; as they are where that is zero."""
    return logits / tf.where(temperature > 0, temperature, 1.0)


def tempered_softmax(logits: tf.Tensor, temperature: tf.Tensor) -> tf.Tensor:
    """Probabilities of choices `(..., choices)`, finite at any temperature."""
    below = logits - tf.reduce_max(logits, axis=-1, keepdims=True)
    return tf.nn.softmax(tf.maximum(tempered(below, temperature), _LEAST_LOGIT))


def event_shape(x: tf.Tensor) -> list[int]:
    """Static shape without the batch axis."""
    return x.shape[1:].as_list()


def sum_but_first(x: tf.Tensor) -> tf.Tensor:
    """Sum over all axes but the first, `(batch,)`."""
    return tf.reduce_sum(x, axis=list(range(1, x.shape.rank)))


def all_but_first(x: tf.Tensor) -> tf.Tensor:
    """Logical and over all axes but the first, bool `(batch,)`."""
    return tf.reduce_all(x, axis=list(range(1, x.shape.rank)))
