"""Heun's method in the time of a rectified flow."""

import keras
import tensorflow as tf

from tfgenai.diffusion.levels import expand, where_level
from tfgenai.diffusion.predictions import Prediction
from tfgenai.diffusion.samplers.flow_euler import check_flow
from tfgenai.diffusion.samplers.sampler import SAMPLERS, Denoise, Sampler, Step
from tfgenai.diffusion.schedules import NoiseSchedule


@SAMPLERS.register("flow_heun")
@keras.saving.register_keras_serializable("tfgenai")
class FlowHeun(Sampler):
    """Heun's method on dx/dt = noise - x_0; order 2, two calls per step but the last.

    Liu et al. 2023, "Flow Straight and Fast: Learning to Generate and Transfer Data
    with Rectified Flow", arXiv:2209.03003, equation 1 with time running to noise;
    Karras et al. 2022, arXiv:2206.00364, algorithm 1, whose last step is Euler's.

    Args:
        num_steps: steps where the caller says nothing.
        spacing: see `Sampler`.

    Example:
        >>> FlowHeun(num_steps=8).get_config()
        {'num_steps': 8, 'spacing': 'trailing'}
    """

    def __init__(self, num_steps: int = 25, *, spacing: str = "trailing") -> None:
        super().__init__(num_steps, spacing=spacing)

    def check(self, schedule: NoiseSchedule, prediction: Prediction) -> None:
        """Refuses schedules that are no rectified flow."""
        check_flow("flow_heun", schedule)

    def step(
        self,
        denoise: Denoise,
        x: tf.Tensor,
        states: tuple[tf.Tensor, ...],
        step: Step,
    ) -> tuple[tf.Tensor, tf.Tensor, tuple[tf.Tensor, ...]]:
        """See the base class."""
        now, then = step.now, step.then
        dt = expand(then.sigma - now.sigma, x)
        x0 = denoise(x, now)
        velocity = (x - x0) / expand(now.sigma, x)
        euler = x + dt * velocity

        def corrected() -> tf.Tensor:
            # Rows in their last step have no level to look at; what they get is unused.
            level = where_level(step.is_last, now, then)
            second = (euler - denoise(euler, level)) / expand(level.sigma, x)
            mean = 0.5 * (velocity + second)
            return tf.where(expand(step.is_last, x), euler, x + dt * mean)

        result = tf.cond(tf.reduce_all(step.is_last), lambda: euler, corrected)
        return tf.ensure_shape(result, x.shape), x0, ()
