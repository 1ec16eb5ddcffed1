"""DDIM: the deterministic sampler of any diffusion model, with noise on request."""

import keras
import tensorflow as tf

from tfgenai.diffusion.levels import expand, noise_of, squared_transition
from tfgenai.diffusion.samplers.sampler import SAMPLERS, Denoise, NoisySampler, Step


@SAMPLERS.register("ddim")
@keras.saving.register_keras_serializable("tfgenai")
class DDIM(NoisySampler):
    """Denoising diffusion implicit models, of order 1.

    Song et al. 2021, "Denoising Diffusion Implicit Models", arXiv:2010.02502, equation
    12. With `eta=1` and all steps it is the ancestral sampler of Ho et al. 2020; on a
    rectified flow with `eta=0` it is Euler's method.

    Args:
        num_steps: steps where the caller says nothing.
        eta: share of the posterior's standard deviation that is drawn anew; 0 is
            deterministic.
        spacing: see `Sampler`.

    Example:
        >>> DDIM(num_steps=10, eta=0.5).get_config()
        {'num_steps': 10, 'spacing': 'trailing', 'eta': 0.5}
    """

    def __init__(
        self, num_steps: int = 50, *, eta: float = 0.0, spacing: str = "trailing"
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
        now, then = step.now, step.then
        x0 = denoise(x, now)
        # Equation 16: the posterior's variance, of which a share eta² is drawn.
        variance = self.eta**2 * then.sigma**2 * squared_transition(now, then)
        kept = tf.sqrt(tf.maximum(then.sigma**2 - variance, 0.0))
        result = expand(then.alpha, x) * x0 + expand(kept, x) * noise_of(x, x0, now)
        if self.eta:
            result += expand(tf.sqrt(variance), x) * step.noise(0)
        return result, x0, ()
