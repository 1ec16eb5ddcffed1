"""The variational bound on log p(x) of a diffusion model, in nats per example.

Kingma et al. 2021, "Variational Diffusion Models", arXiv:2107.00630, equations 11 to
16: three terms, of which only the diffusion loss needs the network. It is estimated
without bias from one level per example, drawn where the noise is predicted equally
hard, so that few examples give a good figure.
"""

import math
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from tfgenai.core import random
from tfgenai.diffusion.levels import Level, add_noise, expand
from tfgenai.diffusion.schedules import NoiseSchedule

# Below this half log SNR, x_t holds less than e^-20 of the data's power.
_LOWEST_HALF_LOG_SNR = -10.0
_TIME_STREAM, _NOISE_STREAM, _RECONSTRUCTION_STREAM = 101, 102, 103


def variational_bound(
    x: tf.Tensor,
    denoise: Callable[[tf.Tensor, Level], tf.Tensor],
    schedule: NoiseSchedule,
    *,
    seed: tf.Tensor,
    num_pixel_levels: int | None,
) -> tf.Tensor:
    """An unbiased estimate of the upper bound on -log p(x).

    Args:
        x: float32 `(batch, ...)`, data; with `num_pixel_levels` in [-1, 1].
        denoise: the model's estimate of the data, without thresholding.
        schedule: the noise schedule; discrete time gives the bound of the chain with
            `num_timesteps` steps and the posterior's variance, continuous time its
            limit.
        seed: int32 `(2,)`.
        num_pixel_levels: number of equal steps in [-1, 1] that data take, 256 for
            images of bytes: -log of a probability. None: -log of a density.

    Returns:
        float32 `(batch,)`, nats per example.
    """
    first = schedule.level(tf.fill(tf.shape(x)[:1], schedule.min_time))
    return (
        _prior_loss(x, schedule)
        + _reconstruction_loss(x, first, seed, num_pixel_levels)
        + _diffusion_loss(x, denoise, schedule, seed)
    )


def _prior_loss(x: tf.Tensor, schedule: NoiseSchedule) -> tf.Tensor:
    """KL between q(x_1 | x) and the noise that samplers begin with, `(batch,)`."""
    last = schedule.level(tf.fill(tf.shape(x)[:1], 1.0))
    snr = tf.exp(2.0 * tf.maximum(last.half_log_snr, _LOWEST_HALF_LOG_SNR))
    return 0.5 * snr * _sum(x * x)


def _diffusion_loss(
    x: tf.Tensor,
    denoise: Callable[[tf.Tensor, Level], tf.Tensor],
    schedule: NoiseSchedule,
    seed: tf.Tensor,
) -> tf.Tensor:
    u = stratified_uniform(random.fold(seed, _TIME_STREAM), tf.shape(x)[0])
    noise = random.normal(random.fold(seed, _NOISE_STREAM), tf.shape(x))
    if schedule.num_timesteps is None:
        # Equation 16 over the log SNR, in which the integrand is the noise's error.
        ends = schedule.level(tf.constant([schedule.min_time, 1.0])).half_log_snr
        low = tf.maximum(ends[1], _LOWEST_HALF_LOG_SNR)
        level = schedule.level_of(low + u * (ends[0] - low))
        factor = (ends[0] - low) * level.snr
    else:
        index, weight = _draw_step(u, schedule)
        level = schedule.level((index + 1.0) / float(schedule.num_timesteps))
        factor = tf.gather(weight, tf.cast(index, tf.int32))
    error = x - denoise(add_noise(x, noise, level), level)
    return factor * _sum(error * error)


def _draw_step(u: tf.Tensor, schedule: NoiseSchedule) -> tuple[tf.Tensor, np.ndarray]:
    """Numbers of steps by importance, and 1/2 (SNR(s) - SNR(t)) / probability.

    Equation 13 sums over all steps; a step is drawn in proportion to its share of the
    log SNR, because each log SNR costs about as much.
    """
    steps = int(schedule.num_timesteps or 0)
    time = np.arange(1, steps + 1, dtype=np.float32) / steps
    with tf.init_scope():
        half = schedule.level(tf.constant(time)).half_log_snr.numpy().astype(np.float64)
    half = np.maximum(half, _LOWEST_HALF_LOG_SNR)
    share = np.concatenate([[0.0], half[:-1] - half[1:]])
    share /= share.sum()
    snr = np.exp(2.0 * half)
    difference = np.concatenate([[0.0], snr[:-1] - snr[1:]])
    weight = np.divide(
        0.5 * difference, share, out=np.zeros_like(share), where=share > 0
    )
    edges = np.cumsum(share).astype(np.float32)
    index = tf.searchsorted(edges, u, side="right")
    return tf.cast(tf.clip_by_value(index, 1, steps - 1), tf.float32), weight.astype(
        np.float32
    )


def _reconstruction_loss(
    x: tf.Tensor, first: Level, seed: tf.Tensor, num_pixel_levels: int | None
) -> tf.Tensor:
    """-log p(x | x at the first level); its model is fixed, appendix A.3."""
    noise = random.normal(random.fold(seed, _RECONSTRUCTION_STREAM), tf.shape(x))
    half_log_snr = first.half_log_snr
    size = math.prod(x.shape[1:])
    if num_pixel_levels is None:
        return 0.5 * _sum(noise * noise) + size * (
            0.5 * math.log(2.0 * math.pi) - half_log_snr
        )
    # p(x | z) is proportional to q(z | x): a softmax over the grey levels.
    spacing = 2.0 / (num_pixel_levels - 1)
    precision = 0.5 * expand(tf.exp(2.0 * half_log_snr), x)
    z = x + expand(tf.exp(-half_log_snr), x) * noise
    nearest = tf.clip_by_value(
        tf.round((z + 1.0) / spacing), 0.0, float(num_pixel_levels - 1)
    )
    largest = -precision * (z - (nearest * spacing - 1.0)) ** 2

    def add(k: tf.Tensor, total: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        grey = tf.cast(k, tf.float32) * spacing - 1.0
        return k + 1, total + tf.exp(-precision * (z - grey) ** 2 - largest)

    _, total = tf.while_loop(
        lambda k, _: k < num_pixel_levels,
        add,
        (tf.constant(0), tf.zeros_like(x)),
        parallel_iterations=1,
    )
    return _sum(largest + tf.math.log(total) + precision * (z - x) ** 2)


def stratified_uniform(seed: tf.Tensor, n: tf.Tensor) -> tf.Tensor:
    """`n` uniform numbers, one in each n-th of [0, 1), neighbours together; `(n,)`.

    Each is uniform by itself, and together they cover the range, which takes noise out
    of a batch's mean: Kingma et al. 2021, appendix I.1.
    """
    offset = random.uniform(seed, (1,))
    places = tf.cast(tf.range(n), tf.float32) / tf.cast(n, tf.float32)
    u = tf.math.floormod(offset + places, 1.0)
    return tf.minimum(u, 1.0 - 2.0**-24)


def _sum(values: tf.Tensor) -> tf.Tensor:
    return tf.reduce_sum(values, axis=list(range(1, values.shape.rank)))
