"""Spacing: which noise levels a sampler visits, by number of step and of steps."""

from collections.abc import Callable

import tensorflow as tf

from tfgenai.core.registry import Registry
from tfgenai.diffusion.schedules import NoiseSchedule

Spacing = Callable[[NoiseSchedule, tf.Tensor, tf.Tensor], tf.Tensor]
SPACINGS: Registry[Spacing] = Registry("spacing")

_RHO = 7.0
# Where a schedule ends in pure noise, its noise-to-signal ratio is infinite; a factor
# of 1000 is more than any other schedule has.
_LARGEST_HALF_LOG_NSR = 7.0


@SPACINGS.register("trailing")
def trailing(schedule: NoiseSchedule, index: tf.Tensor, n: tf.Tensor) -> tf.Tensor:
    """From time 1 in equal steps whose end is the data.

    Lin et al. 2023, "Common Diffusion Noise Schedules and Sample Steps are Flawed",
    arXiv:2305.08891, table 2: the first level is that of pure noise.

    Args:
        schedule: the noise schedule.
        index: float32 `(batch,)`, number of the step, from 0.
        n: float32 `(batch,)`, number of steps.

    Returns:
        float32 `(batch,)`, times.
    """
    return 1.0 - index / n


@SPACINGS.register("leading")
def leading(schedule: NoiseSchedule, index: tf.Tensor, n: tf.Tensor) -> tf.Tensor:
    """In equal steps that end at the least noisy level; the first is not time 1.

    What DDIM's own code does; kept for comparison.
    """
    if schedule.num_timesteps is None:
        return tf.maximum((n - 1.0 - index) / n, schedule.min_time)
    total = float(schedule.num_timesteps)
    return ((n - 1.0 - index) * tf.floor(total / n) + 1.0) / total


@SPACINGS.register("linspace")
def linspace(schedule: NoiseSchedule, index: tf.Tensor, n: tf.Tensor) -> tf.Tensor:
    """In equal steps from time 1 to the least noisy level, both visited."""
    share = tf.math.divide_no_nan(index, n - 1.0)
    return 1.0 - (1.0 - schedule.min_time) * share


@SPACINGS.register("karras")
def karras(schedule: NoiseSchedule, index: tf.Tensor, n: tf.Tensor) -> tf.Tensor:
    """In equal steps of (sigma / alpha)^(1/7), closer together at small levels.

    Karras et al. 2022, arXiv:2206.00364, equation 5.
    """
    ends = schedule.level(tf.constant([1.0, schedule.min_time])).half_log_snr
    first = tf.maximum(ends[0], -_LARGEST_HALF_LOG_NSR)
    high, low = tf.exp(-first / _RHO), tf.exp(-ends[1] / _RHO)
    root = high + tf.math.divide_no_nan(index, n - 1.0) * (low - high)
    time = schedule.time_of(-_RHO * tf.math.log(root))
    return tf.where(index == 0, tf.ones_like(time), time)
