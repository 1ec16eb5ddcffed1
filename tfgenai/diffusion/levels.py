"""Noise levels: the pair (alpha, sigma) of each row, which is all a sampler sees."""

from typing import NamedTuple

import tensorflow as tf


class Level(NamedTuple):
    """How much data and how much noise a row holds: x_t = alpha x_0 + sigma noise.

    Args:
        time: float32 `(batch,)` in [0, 1]; 1 is noise, 0 is data.
        alpha: float32 `(batch,)`, factor of the data.
        sigma: float32 `(batch,)`, factor of the noise.
        half_log_snr: float32 `(batch,)`, log(alpha / sigma), nats; kept beside the
            two because it cannot be had from them where one is close to 0 or 1.
    """

    time: tf.Tensor
    alpha: tf.Tensor
    sigma: tf.Tensor
    half_log_snr: tf.Tensor

    @property
    def snr(self) -> tf.Tensor:
        """Signal-to-noise ratio alpha² / sigma², float32 `(batch,)`."""
        return tf.exp(2.0 * self.half_log_snr)


def clean_level(like: tf.Tensor) -> Level:
    """The level of data without noise, for as many rows as `like` has."""
    zeros = tf.zeros_like(like, tf.float32)
    return Level(zeros, zeros + 1.0, zeros, zeros + float("inf"))


def where_level(condition: tf.Tensor, a: Level, b: Level) -> Level:
    """Row by row `a` where the condition `(batch,)` holds, else `b`."""
    return Level(*(tf.where(condition, x, y) for x, y in zip(a, b, strict=True)))


def expand(values: tf.Tensor, like: tf.Tensor) -> tf.Tensor:
    """Reshapes `(batch,)` so that it broadcasts against `like` `(batch, ...)`."""
    return tf.reshape(values, (-1,) + (1,) * (like.shape.rank - 1))


def add_noise(x0: tf.Tensor, noise: tf.Tensor, level: Level) -> tf.Tensor:
    """A draw of q(x_t | x_0): alpha x_0 + sigma noise.

    Ho et al. 2020, "Denoising Diffusion Probabilistic Models", arXiv:2006.11239,
    equation 4.
    """
    return expand(level.alpha, x0) * x0 + expand(level.sigma, x0) * noise


def noise_of(x: tf.Tensor, x0: tf.Tensor, level: Level) -> tf.Tensor:
    """The noise in `x` if its data are `x0`: (x - alpha x_0) / sigma."""
    return (x - expand(level.alpha, x) * x0) / expand(level.sigma, x)


def half_log_snr_gain(now: Level, then: Level) -> tf.Tensor:
    """Step h in half log SNR from one level to a less noisy one, nats, `(batch,)`.

    Infinite from pure noise and to clean data; 0 between equal levels, those included.
    """
    gain = then.half_log_snr - now.half_log_snr
    return tf.where(then.half_log_snr == now.half_log_snr, 0.0, gain)


def squared_transition(now: Level, then: Level) -> tf.Tensor:
    """Share of noise variance that came between two levels, float32 `(batch,)`.

    1 - SNR(now) / SNR(then) for `then` less noisy: sigma²_{t|s} / sigma²_t of Kingma et
    al. 2021, "Variational Diffusion Models", arXiv:2107.00630, appendix A.1, in a form
    without cancellation.
    """
    return -tf.math.expm1(-2.0 * half_log_snr_gain(now, then))
