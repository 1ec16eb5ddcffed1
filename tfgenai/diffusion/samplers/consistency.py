"""Consistency sampling: from noise to data in one step, or in a few with new noise."""

import keras
import tensorflow as tf

from tfgenai.diffusion.levels import add_noise
from tfgenai.diffusion.samplers.sampler import SAMPLERS, Denoise, Sampler, Step


@SAMPLERS.register("consistency")
@keras.saving.register_keras_serializable("tfgenai")
class Consistency(Sampler):
    """Takes the data estimate for the sample, adds new noise, and does so again.

    Song et al. 2023, "Consistency Models", arXiv:2303.01469, algorithm 1. It is meant
    for models whose data estimate is the end of a whole trajectory, such as
    `ConsistencyDistillation` makes; from others it draws blurred samples.

    Args:
        num_steps: steps where the caller says nothing; 1 to 4 are usual.
        spacing: see `Sampler`.

    Example:
        >>> Consistency().get_config()
        {'num_steps': 2, 'spacing': 'trailing'}
    """

    def __init__(self, num_steps: int = 2, *, spacing: str = "trailing") -> None:
        super().__init__(num_steps, spacing=spacing)

    def step(
        self,
        denoise: Denoise,
        x: tf.Tensor,
        states: tuple[tf.Tensor, ...],
        step: Step,
    ) -> tuple[tf.Tensor, tf.Tensor, tuple[tf.Tensor, ...]]:
        """See the base class."""
        x0 = denoise(x, step.now)
        return add_noise(x0, step.noise(0), step.then), x0, ()
