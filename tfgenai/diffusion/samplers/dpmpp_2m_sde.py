"""SDE-DPM-Solver++(2M): the multistep method with noise drawn at every step."""

import keras
import tensorflow as tf

from tfgenai.diffusion.levels import expand
from tfgenai.diffusion.samplers.exact_step import change_by_history, exact_step
from tfgenai.diffusion.samplers.sampler import SAMPLERS, Denoise, NoisySampler, Step


@SAMPLERS.register("dpmpp_2m_sde")
@keras.saving.register_keras_serializable("tfgenai")
class DPMPP2MSDE(NoisySampler):
    """SDE-DPM-Solver++(2M), the multistep method of order 2 on the reverse SDE.

    Lu et al. 2022, "DPM-Solver++: Fast Solver for Guided Sampling of Diffusion
    Probabilistic Models", arXiv:2211.01095, the SDE solvers of its second version, by
    the midpoint rule: the exact step of the SDE for a data estimate that goes on as it
    did over the step before. The first step and the last are of order 1.

    Args:
        num_steps: steps where the caller says nothing.
        eta: how much noise is drawn anew: 1 is the reverse SDE, 0 DPM-Solver++(2M).
        spacing: see `Sampler`.

    Raises:
        ValueError: if `eta` is out of range.

    Example:
        >>> DPMPP2MSDE(num_steps=25).get_config()
        {'num_steps': 25, 'spacing': 'trailing', 'eta': 1.0}
    """

    num_states = 1  # the data estimate of the step before

    def __init__(
        self, num_steps: int = 25, *, eta: float = 1.0, spacing: str = "trailing"
    ) -> None:
        super().__init__(num_steps, eta=eta, spacing=spacing)

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
        mean, std = exact_step(x, x0 + 0.5 * change, step.now, step.then, eta=self.eta)
        return mean + expand(std, x) * step.noise(0), x0, (x0,)
