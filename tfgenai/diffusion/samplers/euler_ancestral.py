"""Euler ancestral: a step below the next level, then noise up to it."""

import keras
import tensorflow as tf

from tfgenai.diffusion.levels import expand, noise_of, squared_transition
from tfgenai.diffusion.samplers.sampler import SAMPLERS, Denoise, NoisySampler, Step


@SAMPLERS.register("euler_ancestral")
@keras.saving.register_keras_serializable("tfgenai")
class EulerAncestral(NoisySampler):
    """An Euler step to s_down, then noise of s_up, with s_down² + s_up² = s'².

    In units of the noise-to-signal ratio s = sigma / alpha. s_up = eta s'
    sqrt(1 - s'² / s²) is the standard deviation of the posterior of a process whose
    noise only grows, Song et al. 2021, arXiv:2011.13456, appendix F, equation 47, or a
    share of it as in Song et al. 2021, arXiv:2010.02502, equation 16. With eta = 1 it
    is ancestral sampling, with eta = 0 Euler's method.

    Args:
        num_steps: steps where the caller says nothing.
        eta: share of the posterior's standard deviation that is drawn anew.
        spacing: see `Sampler`.

    Raises:
        ValueError: if `eta` is no share.

    Example:
        >>> EulerAncestral(num_steps=20).get_config()
        {'num_steps': 20, 'spacing': 'trailing', 'eta': 1.0}
    """

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
        # Both in units of x at `then`: alpha' s' = sigma'.
        up = self.eta * then.sigma * tf.sqrt(squared_transition(now, then))
        down = tf.sqrt(tf.maximum(then.sigma**2 - up**2, 0.0))
        result = expand(then.alpha, x) * x0 + expand(down, x) * noise_of(x, x0, now)
        return result + expand(up, x) * step.noise(0), x0, ()
