"""Heun: two looks at every step, and noise on request; the sampler of EDM."""

import math
from typing import Any

import keras
import tensorflow as tf

from tfgenai.diffusion.levels import (
    Level,
    expand,
    noise_of,
    squared_transition,
    where_level,
)
from tfgenai.diffusion.samplers.exact_step import exact_step
from tfgenai.diffusion.samplers.sampler import SAMPLERS, Denoise, Sampler, Step


@SAMPLERS.register("heun")
@keras.saving.register_keras_serializable("tfgenai")
class Heun(Sampler):
    """Heun's method with churn; order 2, two calls per step but the last.

    Karras et al. 2022, "Elucidating the Design Space of Diffusion-Based Generative
    Models", arXiv:2206.00364, algorithm 2, and its levels, equation 5. There alpha = 1
    and dx = noise d sigma. Other schedules have dx = x_0 d alpha + noise d sigma, both
    integrated by the trapezoidal rule, which begins in pure noise without a quotient
    by alpha; on a rectified flow that is Heun's method in time.

    Args:
        num_steps: steps where the caller says nothing.
        s_churn: S_churn, how much noise is added and taken out again, spread over the
            steps; 0 is deterministic.
        s_min: S_min, least sigma / alpha at which noise is added.
        s_max: S_max, largest; None for no limit.
        s_noise: S_noise, standard deviation of the noise that is added.
        spacing: see `Sampler`.

    Raises:
        ValueError: if a number is negative.

    Example:
        >>> Heun(num_steps=32, s_churn=40.0).get_config()["s_churn"]
        40.0
    """

    def __init__(
        self,
        num_steps: int = 18,
        *,
        s_churn: float = 0.0,
        s_min: float = 0.0,
        s_max: float | None = None,
        s_noise: float = 1.0,
        spacing: str = "karras",
    ) -> None:
        super().__init__(num_steps, spacing=spacing)
        numbers = {
            "s_churn": s_churn,
            "s_min": s_min,
            "s_max": 0.0 if s_max is None else s_max,
            "s_noise": s_noise,
        }
        for name, value in numbers.items():
            if not 0 <= value < math.inf:
                raise ValueError(
                    "A finite number, 0 or above, was expected. Received: "
                    f"{name}={value}."
                )
        self.s_churn = s_churn
        self.s_min = s_min
        self.s_max = s_max
        self.s_noise = s_noise

    def step(
        self,
        denoise: Denoise,
        x: tf.Tensor,
        states: tuple[tf.Tensor, ...],
        step: Step,
    ) -> tuple[tf.Tensor, tf.Tensor, tuple[tf.Tensor, ...]]:
        """See the base class."""
        now, then = step.now, step.then
        if self.s_churn:
            x, now = self._add_noise(x, step)
        x0 = denoise(x, now)
        euler, _ = exact_step(x, x0, now, then)  # lines 7 and 8

        def corrected() -> tf.Tensor:
            # Rows in their last step have no level to look at; what they get is unused.
            level = where_level(step.is_last, now, then)
            second = denoise(euler, level)  # line 10
            noise, second_noise = noise_of(x, x0, now), noise_of(euler, second, level)
            change = expand(then.alpha - now.alpha, x) * (second - x0)
            change += expand(then.sigma - now.sigma, x) * (second_noise - noise)
            # Line 11: the Euler step has the first halves twice.
            return tf.where(expand(step.is_last, x), euler, euler + 0.5 * change)

        result = tf.cond(tf.reduce_all(step.is_last), lambda: euler, corrected)
        return tf.ensure_shape(result, x.shape), x0, ()

    def _add_noise(self, x: tf.Tensor, step: Step) -> tuple[tf.Tensor, Level]:
        """Lines 4 to 6: back to a noisier level, never beyond the schedule's last."""
        now, schedule = step.now, step.schedule
        s = tf.exp(-now.half_log_snr)
        inside = (s >= self.s_min) & (now.alpha > 0.0)
        if self.s_max is not None:
            inside &= s <= self.s_max
        gamma = self.s_churn / tf.cast(step.num_steps, tf.float32)
        gamma = tf.minimum(gamma, math.sqrt(2.0) - 1.0)
        hat = schedule.level(schedule.time_of(now.half_log_snr - tf.math.log1p(gamma)))
        hat = where_level(inside & (hat.half_log_snr < now.half_log_snr), hat, now)
        kept = tf.where(inside, hat.alpha / now.alpha, 1.0)
        std = hat.sigma * tf.sqrt(squared_transition(hat, now)) * self.s_noise
        return expand(kept, x) * x + expand(std, x) * step.noise(0), hat

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "s_churn": self.s_churn,
            "s_min": self.s_min,
            "s_max": self.s_max,
            "s_noise": self.s_noise,
        }
