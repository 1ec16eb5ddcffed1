"""DPM-Solver++(2M): order 2 from one call of the network per step."""

import keras
import tensorflow as tf

from tfgenai.diffusion.samplers.exact_step import change_by_history, exact_step
from tfgenai.diffusion.samplers.sampler import SAMPLERS, Denoise, Sampler, Step


@SAMPLERS.register("dpmpp_2m")
@keras.saving.register_keras_serializable("tfgenai")
class DPMPP2M(Sampler):
    """DPM-Solver++(2M), a multistep method of order 2.

    Lu et al. 2022, "DPM-Solver++: Fast Solver for Guided Sampling of Diffusion
    Probabilistic Models", arXiv:2211.01095, algorithm 2: the exact step for a data
    estimate that goes on as it did over the step before. The first step and the last,
    which is infinite in the solver's variable, are of order 1.

    Args:
        num_steps: steps where the caller says nothing.
        spacing: see `Sampler`.

    Example:
        >>> DPMPP2M(num_steps=15).get_config()
        {'num_steps': 15, 'spacing': 'trailing'}
    """

    num_states = 1  # the data estimate of the step before

    def __init__(self, num_steps: int = 20, *, spacing: str = "trailing") -> None:
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
        change, _ = change_by_history(x0, states[0], step)
        # Algorithm 2, line 8: D = x_0 + (x_0 - previous x_0) / 2r.
        result, _ = exact_step(x, x0 + 0.5 * change, step.now, step.then)
        return result, x0, (x0,)
