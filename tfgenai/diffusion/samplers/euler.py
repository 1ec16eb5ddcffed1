"""Euler: a straight step in the noise-to-signal ratio."""

import keras
import tensorflow as tf

from tfgenai.diffusion.samplers.exact_step import exact_step
from tfgenai.diffusion.samplers.sampler import SAMPLERS, Denoise, Sampler, Step


@SAMPLERS.register("euler")
@keras.saving.register_keras_serializable("tfgenai")
class Euler(Sampler):
    """Euler's method in the noise-to-signal ratio; order 1.

    Karras et al. 2022, "Elucidating the Design Space of Diffusion-Based Generative
    Models", arXiv:2206.00364, algorithm 1 without lines 5 to 7, on dy/ds =
    (y - x_0) / s with y = x / alpha and s = sigma / alpha. Its step y' = x_0 + s' (y -
    x_0) / s is that of DDIM without noise, and the exact step of the ODE for an
    estimate that stays; in that form it may begin in pure noise, where s is infinite.

    Args:
        num_steps: steps where the caller says nothing.
        spacing: see `Sampler`.

    Example:
        >>> Euler(num_steps=20).get_config()
        {'num_steps': 20, 'spacing': 'trailing'}
    """

    def step(
        self,
        denoise: Denoise,
        x: tf.Tensor,
        states: tuple[tf.Tensor, ...],
        step: Step,
    ) -> tuple[tf.Tensor, tf.Tensor, tuple[tf.Tensor, ...]]:
        """See the base class."""
        x0 = denoise(x, step.now)
        result, _ = exact_step(x, x0, step.now, step.then)
        return result, x0, ()
