"""Euler-Maruyama: the reverse SDE in steps of its drift and diffusion."""

import keras
import tensorflow as tf

from tfgenai.diffusion.levels import (
    expand,
    half_log_snr_gain,
    noise_of,
    squared_transition,
)
from tfgenai.diffusion.samplers.sampler import SAMPLERS, Denoise, Sampler, Step


@SAMPLERS.register("euler_maruyama")
@keras.saving.register_keras_serializable("tfgenai")
class EulerMaruyama(Sampler):
    """Euler-Maruyama on dx = (f x - g² score) dt + g dw; order 1 in law.

    Song et al. 2021, "Score-Based Generative Modeling through Stochastic Differential
    Equations", arXiv:2011.13456, equation 6, the reverse SDE. Drift and diffusion over
    a step are the differences that the forward process has between its two levels, as
    in appendix E, equation 46: f dt becomes 1 - alpha_{t|s} and g² dt becomes
    sigma²_{t|s}, which stay finite in pure noise. The last step is the data estimate
    (appendix G), without noise. It needs many steps; see `DDPM` for exact ones.

    Args:
        num_steps: steps where the caller says nothing.
        spacing: see `Sampler`.

    Example:
        >>> EulerMaruyama(num_steps=500).get_config()
        {'num_steps': 500, 'spacing': 'trailing'}
    """

    def __init__(self, num_steps: int = 1000, *, spacing: str = "trailing") -> None:
        super().__init__(num_steps, spacing=spacing)

    def step(
        self,
        denoise: Denoise,
        x: tf.Tensor,
        states: tuple[tf.Tensor, ...],
        step: Step,
    ) -> tuple[tf.Tensor, tf.Tensor, tuple[tf.Tensor, ...]]:
        """See the base class."""
        now, then = step.now, step.then
        x0 = denoise(x, now)
        # alpha_{t|s} = alpha_t / alpha_s, from what is finite where both alphas are 0.
        h = half_log_snr_gain(now, then)
        kept = tf.where(step.is_last, 0.0, tf.exp(-h) * now.sigma / then.sigma)
        drawn = now.sigma**2 * squared_transition(now, then)
        # score = -noise / sigma
        mean = expand(2.0 - kept, x) * x - expand(drawn / now.sigma, x) * noise_of(
            x, x0, now
        )
        result = mean + expand(tf.sqrt(drawn), x) * step.noise(0)
        return tf.where(expand(step.is_last, x), x0, result), x0, ()
