"""Draws images pixel by pixel, in one graph, without computing anything twice.

The vertical stack needs only rows that are complete, so it is computed once for each
row, all columns at once; the horizontal one once for each pixel. What layers need of
the past is handed from step to step. `draw_by_full_passes` is the definition that this
is held to: a pass over the whole image for every value.
"""

from typing import Any

import tensorflow as tf

from tfgenai.autoregressive.network import PixelNetwork
from tfgenai.core import random
from tfgenai.core.likelihoods import Likelihood


def draw_images(
    network: PixelNetwork,
    likelihood: Likelihood,
    seeds: tf.Tensor,
    temperature: tf.Tensor,
    labels: tf.Tensor | None = None,
    *,
    images: tf.Tensor | None = None,
    is_known: tf.Tensor | None = None,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Draws images, or the unknown pixels of images.

    Args:
        network: gives the parameters of each pixel.
        likelihood: draws a pixel from them, by the inverse distribution function.
        seeds: int64 `(batch,)`; row i depends on seeds[i] alone.
        temperature: float32 `(batch,)`; 0 takes the likeliest values.
        labels: float one-hot `(batch, num_classes)`, or None.
        images: float32 `(batch, height, width, channels)` where some pixels are known.
        is_known: bool `(batch, height, width)`, with `images`: which pixels are kept.

    Returns:
        The images, float32 `(batch, height, width, channels)`, and their log-likelihood
        at temperature 1, nats `(batch,)`, known pixels included.
    """
    height, width, channels = network.image_shape
    batch = tf.shape(seeds)[0]
    u = _pixel_uniforms(network, likelihood, seeds)
    temperature = temperature[:, tf.newaxis]
    if images is not None and is_known is not None:
        images = tf.transpose(images, (1, 2, 0, 3))
        is_known = tf.transpose(is_known, (1, 2, 0))[..., tf.newaxis]

    def pixels_of_row(i: tf.Tensor, terms: list[tf.Tensor], *carried: Any) -> Any:
        sizes = [term.shape[-1] for term in terms]
        # Column by column, so that a pixel's part is one piece of memory.
        columns = tf.transpose(tf.concat(terms, axis=-1)[:, 0], (1, 0, 2))

        def step(
            j: tf.Tensor,
            drawn: tf.TensorArray,
            left: tf.Tensor,
            before: tf.Tensor,
            state: Any,
            log_prob: tf.Tensor,
        ) -> tuple[Any, ...]:
            parts = tf.split(columns[j], sizes, axis=-1)
            pixel = tf.zeros_like(before)
            for channel in range(network.num_groups):
                parameters, after = network.step_pixel(
                    pixel, left, before, i * width + j, parts, state
                )
                values = likelihood.draw(parameters, u[i, j], temperature)
                if images is not None and is_known is not None:
                    values = tf.where(is_known[i, j], images[i, j], values)
                pixel = _with_channel(pixel, values, channel, network.num_groups)
            # In the last pass the parameters are those of every channel.
            log_prob += likelihood.log_prob(
                pixel[:, tf.newaxis, tf.newaxis],
                parameters[:, tf.newaxis, tf.newaxis],
            )
            left = tf.concat([left, pixel[:, tf.newaxis]], axis=1)[:, 1:]
            return j + 1, drawn.write(j, pixel), left, pixel, after, log_prob

        before, state, log_prob = carried
        drawn = tf.TensorArray(
            tf.float32, width, element_shape=tf.TensorShape((None, channels))
        )
        left = network.first_horizontal.initial_past(batch, tf.float32)
        _, drawn, _, before, state, log_prob = tf.while_loop(
            lambda j, *_: j < width,
            step,
            (tf.constant(0), drawn, left, before, network.start_row(state), log_prob),
            parallel_iterations=1,
        )
        return tf.transpose(drawn.stack(), (1, 0, 2)), before, state, log_prob

    def step_row(
        i: tf.Tensor,
        rows: tf.TensorArray,
        above: tf.Tensor,
        row_state: Any,
        *carried: Any,
    ) -> tuple[Any, ...]:
        terms, row_state = network.step_row(above, i, row_state, labels)
        row, *carried = pixels_of_row(i, terms, *carried)
        return i + 1, rows.write(i, row), row[:, tf.newaxis], row_state, *carried

    rows = tf.TensorArray(
        tf.float32, height, element_shape=tf.TensorShape((None, width, channels))
    )
    first = (
        tf.zeros(tf.stack([batch, 1, width, channels])),
        network.initial_row_state(batch),
        tf.zeros(tf.stack([batch, channels])),
        network.initial_pixel_state(batch),
        tf.zeros(tf.stack([batch])),
    )
    _, rows, *_, log_prob = tf.while_loop(
        lambda i, *_: i < height,
        step_row,
        (tf.constant(0), rows, *first),
        parallel_iterations=1,
    )
    return tf.transpose(rows.stack(), (1, 0, 2, 3)), log_prob


def draw_by_full_passes(
    network: PixelNetwork,
    likelihood: Likelihood,
    seeds: tf.Tensor,
    temperature: tf.Tensor,
    labels: tf.Tensor | None = None,
) -> tf.Tensor:
    """The images of `draw_images`, by a pass over the whole image for every value.

    Args:
        network: see `draw_images`, also for the other arguments.
        likelihood: draws a pixel from its parameters.
        seeds: int64 `(batch,)`.
        temperature: float32 `(batch,)`.
        labels: float one-hot `(batch, num_classes)`, or None.

    Returns:
        float32 `(batch, height, width, channels)`.
    """
    height, width, channels = network.image_shape
    u = _pixel_uniforms(network, likelihood, seeds)

    def step(position: tf.Tensor, x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        i, j = position // width, position % width
        here = tf.reshape(
            tf.one_hot(position, height * width, True, False), (height, width, 1)
        )
        for channel in range(network.num_groups):
            parameters = network(x, labels)[:, i, j]
            values = likelihood.draw(parameters, u[i, j], temperature[:, tf.newaxis])
            pixel = _with_channel(x[:, i, j], values, channel, network.num_groups)
            x = tf.where(here, pixel[:, tf.newaxis, tf.newaxis], x)
        return position + 1, x

    shape = tf.stack([tf.shape(seeds)[0], height, width, channels])
    _, x = tf.while_loop(
        lambda position, _: position < height * width,
        step,
        (tf.constant(0), tf.zeros(shape)),
        parallel_iterations=1,
    )
    return x


def _pixel_uniforms(
    network: PixelNetwork, likelihood: Likelihood, seeds: tf.Tensor
) -> tf.Tensor:
    """All uniform numbers, `(height, width, batch, num_uniforms)`."""
    height, width, channels = network.image_shape
    u = random.row_uniform(seeds, (height, width, likelihood.num_uniforms(channels)))
    return tf.transpose(u, (1, 2, 0, 3))


def _with_channel(
    pixel: tf.Tensor, values: tf.Tensor, channel: int, num_groups: int
) -> tf.Tensor:
    """The pixel with one channel's value, or with all where they are drawn together."""
    if num_groups == 1:
        return values
    return tf.where(tf.range(num_groups) == channel, values, pixel)
