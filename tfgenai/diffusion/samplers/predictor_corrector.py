"""Predictor–corrector: an ancestral step, then Langevin dynamics where it came to."""

from typing import Any

import keras
import tensorflow as tf

from tfgenai.diffusion.levels import Level, expand, noise_of, where_level
from tfgenai.diffusion.samplers.exact_step import exact_step
from tfgenai.diffusion.samplers.sampler import SAMPLERS, Denoise, Sampler, Step

_MOST_CORRECTOR_STEPS = 3


@SAMPLERS.register("predictor_corrector")
@keras.saving.register_keras_serializable("tfgenai")
class PredictorCorrector(Sampler):
    """Ancestral sampling whose every level is put right by Langevin dynamics.

    Song et al. 2021, "Score-Based Generative Modeling through Stochastic Differential
    Equations", arXiv:2011.13456, algorithms 2 to 5. The predictor draws from the
    posterior of Ho et al. 2020, arXiv:2006.11239, equation 7. The corrector's step is
    `2 (snr sigma)²` times the share of the signal that the predictor's step kept;
    `sde_solvers.predictor_corrector` says why. The last step, to clean data, has no
    corrector.

    Args:
        num_steps: steps where the caller says nothing; each calls the network
            `1 + num_corrector_steps` times.
        num_corrector_steps: steps of Langevin dynamics at each level, 0 to 3.
        snr: signal-to-noise ratio of the corrector, r in the paper.
        spacing: see `Sampler`.

    Raises:
        ValueError: if a number is out of range.

    Example:
        >>> PredictorCorrector(num_steps=10).get_config()["snr"]
        0.16
    """

    def __init__(
        self,
        num_steps: int = 50,
        *,
        num_corrector_steps: int = 1,
        snr: float = 0.16,
        spacing: str = "trailing",
    ) -> None:
        super().__init__(num_steps, spacing=spacing)
        if num_corrector_steps not in range(_MOST_CORRECTOR_STEPS + 1):
            raise ValueError(
                f"0 to {_MOST_CORRECTOR_STEPS} corrector steps were expected. "
                f"Received: num_corrector_steps={num_corrector_steps!r}. Take more "
                "steps instead."
            )
        if not 0 < snr < 1:
            raise ValueError(
                "A signal-to-noise ratio in (0, 1) was expected. Received: "
                f"snr={snr}. The paper uses 0.16."
            )
        self.num_corrector_steps = num_corrector_steps
        self.snr = snr

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
        # Predictor: a draw of the posterior.
        mean, std = exact_step(x, x0, now, then, eta=1.0)
        x = mean + expand(std, x) * step.noise(0)
        # Clean data have no score; what is computed instead is not used.
        noisy = where_level(step.is_last, now, then)
        corrected = x
        for k in range(1, self.num_corrector_steps + 1):
            corrected = self._correct(denoise, corrected, now, noisy, step.noise(k))
        return tf.where(expand(step.is_last, x), x, corrected), x0, ()

    def _correct(
        self, denoise: Denoise, x: tf.Tensor, before: Level, level: Level, z: tf.Tensor
    ) -> tf.Tensor:
        """X + epsilon score + sqrt(2 epsilon) z, algorithms 4 and 5, line 5."""
        alpha = (before.alpha / level.alpha) ** 2
        epsilon = 2.0 * alpha * (self.snr * level.sigma) ** 2
        score = -noise_of(x, denoise(x, level), level) / expand(level.sigma, x)
        return x + expand(epsilon, x) * score + expand(tf.sqrt(2.0 * epsilon), x) * z

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "num_corrector_steps": self.num_corrector_steps,
            "snr": self.snr,
        }
