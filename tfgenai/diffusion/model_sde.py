"""The SDE of a noise schedule, and a model's score function to reverse it with."""

from typing import Any

import numpy as np
import tensorflow as tf

from tfgenai.core.conditions import check_conditions
from tfgenai.diffusion.levels import Level, expand, noise_of
from tfgenai.diffusion.schedules import NoiseSchedule
from tfgenai.diffusion.sde import SDE, Score

# As little of the data as Song's VP SDE leaves at time 1, alpha = e^-5 sigma: where a
# schedule ends in pure noise, the drift is infinite.
_LOWEST_HALF_LOG_SNR = -5.0


class ScheduleSDE(SDE):
    """The SDE whose marginals are those of a noise schedule, alpha x_0 + sigma noise.

    f(x, t) = (d log alpha/dt) x and g² = d sigma²/dt - 2 (d log alpha/dt) sigma²:
    Kingma et al. 2021, "Variational Diffusion Models", arXiv:2107.00630; the
    derivatives are taken by TensorFlow. A schedule that preserves the variance gives a
    VP SDE with beta = -2 d log alpha/dt, Karras's a VE SDE.

    Args:
        schedule: the noise schedule; its continuous form is used.

    Example:
        >>> from tfgenai.diffusion.schedules import Linear
        >>> half = tf.constant([0.5])
        >>> print(f"{ScheduleSDE(Linear()).diffusion(half)[0] ** 2:.2f}")
        10.05
    """

    def __init__(self, schedule: NoiseSchedule) -> None:
        self.schedule = schedule
        self.min_time = schedule.min_time
        with tf.init_scope():
            last = schedule.continuous_level(tf.ones((1,)))
            if float(last.half_log_snr[0]) < _LOWEST_HALF_LOG_SNR:
                lowest = tf.constant([_LOWEST_HALF_LOG_SNR])
                self.max_time = float(schedule.continuous_time_of(lowest)[0])
                last = schedule.continuous_level(tf.constant([self.max_time]))
            self.prior_std = float(last.sigma[0])

    def drift(self, x: tf.Tensor, t: tf.Tensor) -> tf.Tensor:
        """See the base class."""
        _, d_log_alpha, _ = self._derivatives(t)
        return expand(d_log_alpha, x) * x

    def diffusion(self, t: tf.Tensor) -> tf.Tensor:
        """See the base class; g² = -2 sigma² d half_log_snr/dt, which is the same."""
        sigma, _, d_half_log_snr = self._derivatives(t)
        return sigma * tf.sqrt(-2.0 * d_half_log_snr)

    def marginal(self, x0: tf.Tensor, t: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """See the base class."""
        level = self.schedule.continuous_level(t)
        return expand(level.alpha, x0) * x0, level.sigma

    def _derivatives(self, t: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(t)
            level = self.schedule.continuous_level(t)
            log_alpha = tf.math.log(level.alpha)

        def d_dt(value: tf.Tensor) -> tf.Tensor:
            return tape.gradient(value, t, unconnected_gradients="zero")

        return level.sigma, d_dt(log_alpha), d_dt(level.half_log_snr)


def sde_of(model: Any) -> ScheduleSDE:
    """The SDE that a diffusion model was trained to reverse.

    Args:
        model: a `DiffusionModel`. In discrete time its chain is one discretisation of
            the SDE; between its levels, the network sees times in between.
    """
    return ScheduleSDE(model.schedule)


def score_of(model: Any, **conditions: Any) -> Score:
    """A model's score function: -noise / sigma, for use with `sde_of(model)`.

    The weights are those of the moment: put calls into `with model.ema.applied():`
    for the averaged ones. There is no thresholding and no guidance.

    Args:
        model: a `DiffusionModel`.
        **conditions: `labels`, `vector` and `context`, where it takes them; one value
            for all rows, or one per row.

    Returns:
        A function of x float32 `(batch, ...)` and t float32 `(batch,)`, like x.

    Raises:
        TypeError: if a condition is unknown or of the wrong kind.
        ValueError: if one is missing or does not fit.

    Example:
        >>> import tfgenai
        >>> model = tfgenai.DiffusionModel(data_shape=(2,))
        >>> score_of(model)(tf.zeros((3, 2)), tf.fill((3,), 0.5)).shape
        TensorShape([3, 2])
    """
    wanted = model.data_conditions()
    given = [
        (np.asarray(conditions[c.name]), c) for c in wanted if c.name in conditions
    ]
    counts = [len(value) for value, c in given if value.ndim > len(c.shape)]
    rows = check_conditions(wanted, conditions, counts[0] if counts else 1)

    def score(x: tf.Tensor, t: tf.Tensor) -> tf.Tensor:
        level = _level_between(model.schedule, t)
        values = {
            c.name: tf.broadcast_to(
                rows[c.name], tf.concat([tf.shape(x)[:1], c.shape], axis=0)
            )
            for c in wanted
        }
        x0 = model.data_estimate(x, level, values)
        return -noise_of(x, x0, level) / expand(level.sigma, x)

    return score


def _level_between(schedule: NoiseSchedule, t: tf.Tensor) -> Level:
    """The SDE's level at t, not snapped to a grid; its time is the network's."""
    level = schedule.continuous_level(t)
    if schedule.num_timesteps is None:
        return level
    return level._replace(time=schedule.time_of(level.half_log_snr))
