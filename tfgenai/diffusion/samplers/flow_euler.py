"""Euler's method in the time of a rectified flow."""

import keras
import tensorflow as tf

from tfgenai.diffusion.levels import expand
from tfgenai.diffusion.predictions import Prediction
from tfgenai.diffusion.samplers.sampler import SAMPLERS, Denoise, Sampler, Step
from tfgenai.diffusion.schedules import NoiseSchedule, RectifiedFlow


@SAMPLERS.register("flow_euler")
@keras.saving.register_keras_serializable("tfgenai")
class FlowEuler(Sampler):
    """Euler's method on dx/dt = noise - x_0; order 1, exact for straight paths.

    Liu et al. 2023, "Flow Straight and Fast: Learning to Generate and Transfer Data
    with Rectified Flow", arXiv:2209.03003, equation 1 with time running to noise.

    Args:
        num_steps: steps where the caller says nothing.
        spacing: see `Sampler`.

    Example:
        >>> FlowEuler(num_steps=8).get_config()
        {'num_steps': 8, 'spacing': 'trailing'}
    """

    def check(self, schedule: NoiseSchedule, prediction: Prediction) -> None:
        """Refuses schedules that are no rectified flow."""
        check_flow("flow_euler", schedule)

    def step(
        self,
        denoise: Denoise,
        x: tf.Tensor,
        states: tuple[tf.Tensor, ...],
        step: Step,
    ) -> tuple[tf.Tensor, tf.Tensor, tuple[tf.Tensor, ...]]:
        """See the base class."""
        x0 = denoise(x, step.now)
        # On the straight line alpha + sigma = 1, so noise - x_0 = (x - x_0) / time.
        velocity = (x - x0) / expand(step.now.sigma, x)
        return x + expand(step.then.sigma - step.now.sigma, x) * velocity, x0, ()


def check_flow(name: str, schedule: NoiseSchedule) -> None:
    """Refuses schedules whose time is not that of a rectified flow.

    Raises:
        ValueError: with the way out.
    """
    if not isinstance(schedule, RectifiedFlow):
        raise ValueError(
            "noise_schedule='rectified_flow' was expected with a sampler in its time. "
            f"Received: sampler={name!r} with "
            f"noise_schedule={type(schedule).__name__}. Use sampler='euler' or 'heun', "
            "which fit every schedule."
        )
