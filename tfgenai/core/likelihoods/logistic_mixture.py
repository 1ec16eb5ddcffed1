"""The likelihood of PixelCNN++: a mixture of discretised logistics per pixel."""

from typing import Any

import keras
import tensorflow as tf

from tfgenai.core import random
from tfgenai.core.likelihoods.discretized_logistic import (
    log_logistic_mass,
    logistic_quantile,
    on_levels,
    to_level,
)
from tfgenai.core.likelihoods.likelihood import (
    LIKELIHOODS,
    Likelihood,
    event_shape,
    float32,
    tempered_softmax,
)
from tfgenai.core.token_sampling import invert_cdf


@LIKELIHOODS.register("discretized_logistic_mixture")
@keras.saving.register_keras_serializable("tfgenai")
class DiscretizedLogisticMixture(Likelihood):
    """Grey levels from a mixture; the channels of a pixel depend on each other.

    Salimans et al. 2017, "PixelCNN++: Improving the PixelCNN with Discretized Logistic
    Mixture Likelihood and Other Modifications", arXiv:1701.05517, equations 1 to 3: all
    channels of a pixel share the mixture's component, and within a component the mean
    of a channel is linear in the values of the channels before it. Per component the
    network gives a logit, a mean and a log scale per channel, and a coefficient per
    pair of channels; three channels and ten components make 100 parameters a pixel.

    Args:
        num_components: components per pixel.
        num_levels: grey levels, equally spaced from -1 to 1.

    Raises:
        ValueError: if there is no component, or fewer than two levels.

    Example:
        >>> DiscretizedLogisticMixture(10).num_parameters(channels=3)
        100
    """

    def __init__(self, num_components: int = 10, *, num_levels: int = 256) -> None:
        if not isinstance(num_components, int) or num_components < 1:
            raise ValueError(
                "One component or more was expected. Received: "
                f"num_components={num_components}. PixelCNN++ uses 10."
            )
        if not isinstance(num_levels, int) or num_levels < 2:
            raise ValueError(
                "Two grey levels or more were expected. Received: "
                f"num_levels={num_levels}. 8-bit images have 256."
            )
        self.num_components = num_components
        self.num_levels = num_levels
        self.support = f"{num_levels} equally spaced grey levels from -1 to 1"

    def num_parameters(self, channels: int) -> int:
        """Logits, means, log scales and coefficients of all components."""
        pairs = channels * (channels - 1) // 2
        return self.num_components * (1 + 2 * channels + pairs)

    def channels_of_parameters(self, channels: int) -> list[int] | None:
        """None: channels share the component. One channel has nothing to share."""
        if channels == 1:
            return [0] * self.num_parameters(1)
        return None

    def num_uniforms(self, channels: int) -> int:
        """One for each channel, and one for the component."""
        return channels + 1

    def log_prob(self, x: tf.Tensor, parameters: tf.Tensor) -> tf.Tensor:
        """Sum of log-probabilities in nats per example; see the base class."""
        x = float32(x)
        logits, means, log_scales, coefficients = self._split(parameters)
        log_mass = tf.nn.log_softmax(logits)
        for c in range(len(means)):
            value = x[..., c : c + 1]
            mean = means[c]
            for before in range(c):
                mean += coefficients[c][before] * x[..., before : before + 1]
            log_mass += log_logistic_mass(value, mean, log_scales[c], self.num_levels)
        log_pixel = tf.reduce_logsumexp(log_mass, axis=-1)
        return tf.reduce_sum(log_pixel, axis=list(range(1, log_pixel.shape.rank)))

    def mean(self, parameters: tf.Tensor) -> tf.Tensor:
        """The mean before rounding to levels, cut to [-1, 1]."""
        logits, means, _, coefficients = self._split(parameters)
        weights = tf.nn.softmax(logits)
        expected: list[tf.Tensor] = []
        for c in range(len(means)):
            mean = means[c]
            for before in range(c):
                mean += coefficients[c][before] * expected[before]
            expected.append(mean)
        channels = [tf.reduce_sum(weights * e, axis=-1) for e in expected]
        return tf.clip_by_value(tf.stack(channels, axis=-1), -1.0, 1.0)

    def sample(
        self, parameters: tf.Tensor, seeds: tf.Tensor, *, stream: int = 0
    ) -> tf.Tensor:
        """Draws a component per pixel, then its channels in order; see the base class.

        The streams `stream` and `stream + 1` are used.
        """
        logits, means, _, _ = self._split(parameters)
        pixels = event_shape(logits)[:-1]
        u = random.row_uniform(seeds, (*pixels, len(means)), stream + 1)
        threshold = random.row_uniform(seeds, (*pixels, 1), stream)
        return self.draw(parameters, tf.concat([u, threshold], axis=-1))

    def draw(
        self,
        parameters: tf.Tensor,
        u: tf.Tensor,
        temperature: tf.Tensor | float = 1.0,
    ) -> tf.Tensor:
        """The component at the last of `u`, its quantiles at the others.

        A temperature divides the components' logits and multiplies their scales; zero
        gives the mean of the heaviest component.
        """
        logits, means, log_scales, coefficients = self._split(parameters)
        temperature = float32(temperature)
        # The component is where the distribution function passes the threshold.
        index = invert_cdf(tempered_softmax(logits, temperature), u[..., -1])
        likeliest = tf.argmax(logits, axis=-1, output_type=tf.int32)
        scale = temperature[..., 0] if temperature.shape.rank else temperature
        index = tf.where(scale > 0, index, likeliest)
        chosen = tf.one_hot(index, self.num_components)

        def of_chosen(values: tf.Tensor) -> tf.Tensor:
            return tf.reduce_sum(values * chosen, axis=-1)

        channels: list[tf.Tensor] = []
        for c in range(len(means)):
            mean = of_chosen(means[c])
            for before in range(c):
                mean += of_chosen(coefficients[c][before]) * channels[before]
            deviation = logistic_quantile(u[..., c], 0.0, of_chosen(log_scales[c]))
            channels.append(to_level(mean + scale * deviation, self.num_levels))
        return tf.stack(channels, axis=-1)

    def supports(self, x: tf.Tensor) -> tf.Tensor:
        """Which examples lie on the levels; bool `(batch,)`."""
        return on_levels(x, self.num_levels)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            "num_components": self.num_components,
            "num_levels": self.num_levels,
        }

    def _split(
        self, parameters: tf.Tensor
    ) -> tuple[tf.Tensor, list[tf.Tensor], list[tf.Tensor], list[list[tf.Tensor]]]:
        # Each returned tensor is (..., num_components).
        parameters = float32(parameters)
        size, length = self.num_components, parameters.shape[-1]
        channels = 1
        while self.num_parameters(channels) < length:
            channels += 1
        if self.num_parameters(channels) != length:
            raise ValueError(
                f"{self.num_components} components have "
                f"{self.num_parameters(1)} (grey) or {self.num_parameters(3)} (colour) "
                f"parameters a pixel. Received: parameters of shape {parameters.shape}."
                " Give the network's last layer as many channels."
            )
        groups = iter(tf.split(parameters, length // size, axis=-1))
        logits = next(groups)
        means = [next(groups) for _ in range(channels)]
        log_scales = [next(groups) for _ in range(channels)]
        # In [-1, 1], as in the authors' code.
        coefficients = [
            [tf.tanh(next(groups)) for _ in range(c)] for c in range(channels)
        ]
        return logits, means, log_scales, coefficients
