"""DDPM: ancestral sampling, a draw of the posterior at every step."""

from typing import Any

import keras
import tensorflow as tf

from tfgenai.diffusion.levels import expand, squared_transition
from tfgenai.diffusion.samplers.exact_step import exact_step
from tfgenai.diffusion.samplers.sampler import SAMPLERS, Denoise, Sampler, Step

VARIANCES = ("small", "large")


@SAMPLERS.register("ddpm")
@keras.saving.register_keras_serializable("tfgenai")
class DDPM(Sampler):
    """Ancestral sampling: every step draws from the posterior q(x_s | x_t, x_0).

    Ho et al. 2020, "Denoising Diffusion Probabilistic Models", arXiv:2006.11239,
    algorithm 2: the mean is that of equation 7. The variance is that of equation 7 as
    well, or beta_t, which is right for data of unit variance (section 3.2). The last
    step draws nothing. It is made for as many steps as there are levels.

    Args:
        num_steps: steps where the caller says nothing.
        variance: `"small"`, the posterior's, or `"large"`, beta_t.
        spacing: see `Sampler`.

    Raises:
        ValueError: if the variance is unknown.

    Example:
        >>> DDPM(num_steps=100, variance="large").get_config()
        {'num_steps': 100, 'spacing': 'trailing', 'variance': 'large'}
    """

    def __init__(
        self,
        num_steps: int = 1000,
        *,
        variance: str = "small",
        spacing: str = "trailing",
    ) -> None:
        super().__init__(num_steps, spacing=spacing)
        if variance not in VARIANCES:
            raise ValueError(
                f"One of {VARIANCES} was expected. Received: variance={variance!r}."
            )
        self.variance = variance

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
        mean, std = exact_step(x, x0, now, then, eta=1.0)
        if self.variance == "large":
            # beta_t of levels that need not be neighbours: sigma²_{t|s}.
            std = now.sigma * tf.sqrt(squared_transition(now, then))
            std = tf.where(step.is_last, 0.0, std)  # algorithm 2, line 3
        return mean + expand(std, x) * step.noise(0), x0, ()

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "variance": self.variance}
