"""Noise schedules: how data turn into noise over time, as pairs (alpha, sigma).

Time runs from 0, data, to 1, noise. With `num_timesteps` it takes the values
i / num_timesteps only, from the tables of the papers; without, it is continuous.
"""

import math
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfgenai.core.registry import Registry
from tfgenai.diffusion.levels import Level

NOISE_SCHEDULES: Registry[type] = Registry("noise_schedule")

_LARGEST_BETA = 0.999
# Below it a model of continuous time would be asked for what float32 cannot tell apart.
_MIN_TIME = 1e-3


class NoiseSchedule:
    """Base of every schedule.

    Args:
        num_timesteps: number of noise levels, or None for continuous time.
        zero_terminal_snr: whether the last level is pure noise, as samplers assume.
            Lin et al. 2023, "Common Diffusion Noise Schedules and Sample Steps are
            Flawed", arXiv:2305.08891, algorithm 1. It cannot be predicted as noise.

    Raises:
        ValueError: if `num_timesteps` is below 2, or the schedule cannot end in pure
            noise.
    """

    variance_preserving = True

    def __init__(
        self, *, num_timesteps: int | None = None, zero_terminal_snr: bool = False
    ) -> None:
        if num_timesteps is not None and (
            isinstance(num_timesteps, bool)
            or not isinstance(num_timesteps, int | np.integer)
            or num_timesteps < 2
        ):
            raise ValueError(
                "Two timesteps or more, or None for continuous time, were expected. "
                f"Received: num_timesteps={num_timesteps!r}. Papers use 1000."
            )
        self.num_timesteps = num_timesteps
        self.zero_terminal_snr = bool(zero_terminal_snr)
        self._table = None if num_timesteps is None else self._make_table(num_timesteps)

    @property
    def min_time(self) -> float:
        """The least noisy time that a model is trained at."""
        return _MIN_TIME if self.num_timesteps is None else 1.0 / self.num_timesteps

    @property
    def ends_in_noise(self) -> bool:
        """Whether nothing of the data is left at time 1."""
        return self.zero_terminal_snr

    def level(self, time: tf.Tensor) -> Level:
        """The noise level at a time.

        Args:
            time: float32 `(batch,)` in [0, 1]; snapped to the grid in discrete time.

        Returns:
            A `Level`; each entry float32 `(batch,)`.
        """
        time = tf.convert_to_tensor(time, tf.float32)
        if self.num_timesteps is None or self._table is None:
            return self.continuous_level(time)
        index = tf.cast(tf.round(time * float(self.num_timesteps)), tf.int32) - 1
        index = tf.clip_by_value(index, 0, self.num_timesteps - 1)
        snapped = tf.cast(index + 1, tf.float32) / float(self.num_timesteps)
        return Level(snapped, *(tf.gather(column, index) for column in self._table))

    def time_of(self, half_log_snr: tf.Tensor) -> tf.Tensor:
        """The time of a half log SNR; in discrete time between the grid's values.

        Args:
            half_log_snr: float32 `(batch,)`.

        Returns:
            float32 `(batch,)` in [0, 1].
        """
        if self.num_timesteps is None or self._table is None:
            return tf.clip_by_value(self.continuous_time_of(half_log_snr), 0.0, 1.0)
        # Ascending, as searchsorted wants; a last value of -inf has no neighbourhood.
        table = np.maximum(self._table[2][::-1], -30.0)
        steps = self.num_timesteps
        value = tf.clip_by_value(half_log_snr, table[0], table[-1])
        right = tf.clip_by_value(tf.searchsorted(table, value), 1, steps - 1)
        low, high = tf.gather(table, right - 1), tf.gather(table, right)
        share = (value - low) / (high - low)
        index = steps - (tf.cast(right - 1, tf.float32) + share)
        return index / float(steps)

    def level_of(self, half_log_snr: tf.Tensor) -> Level:
        """The noise level of a half log SNR `(batch,)`, on the grid or off it."""
        alpha, sigma = self.alpha_sigma_of(half_log_snr)
        return Level(self.time_of(half_log_snr), alpha, sigma, half_log_snr)

    def alpha_sigma_of(self, half_log_snr: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Alpha and sigma of a half log SNR; default: those that preserve variance."""
        return (
            tf.sqrt(tf.sigmoid(2.0 * half_log_snr)),
            tf.sqrt(tf.sigmoid(-2.0 * half_log_snr)),
        )

    def continuous_level(self, time: tf.Tensor) -> Level:
        """The level as a differentiable function of continuous time."""
        raise NotImplementedError

    def continuous_time_of(self, half_log_snr: tf.Tensor) -> tf.Tensor:
        """Inverse of `continuous_level(time).half_log_snr`."""
        raise NotImplementedError

    def table(self, num_timesteps: int) -> tuple[np.ndarray, np.ndarray]:
        """Factors alpha and sigma of the discrete levels, float64, one for each."""
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            "num_timesteps": self.num_timesteps,
            "zero_terminal_snr": self.zero_terminal_snr,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "NoiseSchedule":
        """Makes a schedule from `get_config()`."""
        return cls(**config)

    def _make_table(self, num_timesteps: int) -> tuple[np.ndarray, ...]:
        alpha, sigma = self.table(num_timesteps)
        with np.errstate(divide="ignore"):
            half_log_snr = np.log(alpha) - np.log(sigma)
        columns = (alpha, sigma, half_log_snr)
        return tuple(column.astype(np.float32) for column in columns)


class VariancePreserving(NoiseSchedule):
    """Schedules with alpha² + sigma² = 1, given by alpha_bar = alpha².

    A subclass writes `log_alpha_bar(time)`, its inverse `time_of_log_alpha_bar`, and
    `betas`, the variances of the discrete chain.
    """

    def log_alpha_bar(self, time: Any) -> Any:
        """Logarithm of alpha² at a time, as a tensor."""
        raise NotImplementedError

    def time_of_log_alpha_bar(self, value: Any) -> Any:
        """Inverse of `log_alpha_bar`."""
        raise NotImplementedError

    def betas(self, num_timesteps: int) -> np.ndarray:
        """Variances of the discrete chain, float64 `(num_timesteps,)`, unclipped."""
        raise NotImplementedError

    def continuous_level(self, time: tf.Tensor) -> Level:
        """See the base class."""
        log_alpha = 0.5 * self.log_alpha_bar(time)
        gap = -tf.math.expm1(log_alpha)  # 1 - alpha, without cancellation
        if self.zero_terminal_snr:
            # Lin et al. 2023, algorithm 1: shift the last alpha to 0, keep the first.
            gap = tf.minimum(gap / self._terminal_gap(), 1.0)
        alpha, sigma = 1.0 - gap, tf.sqrt(gap * (2.0 - gap))
        return Level(time, alpha, sigma, tf.math.log(alpha) - tf.math.log(sigma))

    def continuous_time_of(self, half_log_snr: tf.Tensor) -> tf.Tensor:
        """See the base class."""
        log_alpha_bar = -tf.math.softplus(-2.0 * half_log_snr)
        if self.zero_terminal_snr:
            gap = -tf.math.expm1(0.5 * log_alpha_bar) * self._terminal_gap()
            log_alpha_bar = 2.0 * tf.math.log1p(-gap)
        return self.time_of_log_alpha_bar(log_alpha_bar)

    def table(self, num_timesteps: int) -> tuple[np.ndarray, np.ndarray]:
        """See the base class; Ho et al. 2020, arXiv:2006.11239, equation 4."""
        betas = np.clip(self.betas(num_timesteps), 0.0, _LARGEST_BETA)
        log_alpha = 0.5 * np.cumsum(np.log1p(-betas))
        gap = -np.expm1(log_alpha)
        if self.zero_terminal_snr:
            # Algorithm 1: the first alpha stays, the last becomes 0.
            alpha = np.exp(log_alpha)
            alpha = (alpha - alpha[-1]) * alpha[0] / (alpha[0] - alpha[-1])
            gap = 1.0 - alpha
        return 1.0 - gap, np.sqrt(gap * (2.0 - gap))

    def _terminal_gap(self) -> float:
        with tf.init_scope():  # a number, also while a graph is being traced
            return float(-np.expm1(0.5 * float(self.log_alpha_bar(tf.constant(1.0)))))


@NOISE_SCHEDULES.register("linear")
@keras.saving.register_keras_serializable("tfgenai")
class Linear(VariancePreserving):
    """Variances that rise linearly.

    Ho et al. 2020, arXiv:2006.11239, section 4: from 1e-4 to 0.02 over 1000 steps. With
    another number of steps they are scaled by 1000 / num_timesteps, so that the last
    level is noise all the same. Continuous: Song et al. 2021, "Score-Based Generative
    Modeling through Stochastic Differential Equations", arXiv:2011.13456, equation 33.

    Example:
        >>> float(Linear(num_timesteps=100).level(tf.constant([1.0])).alpha[0]) < 0.02
        True
    """

    beta_min, beta_max = 0.1, 20.0

    def log_alpha_bar(self, time: Any) -> Any:
        """See the base class."""
        return -(
            self.beta_min * time + 0.5 * (self.beta_max - self.beta_min) * time * time
        )

    def time_of_log_alpha_bar(self, value: Any) -> Any:
        """See the base class."""
        slope = self.beta_max - self.beta_min
        root = tf.sqrt(self.beta_min**2 - 2.0 * slope * value)
        return -2.0 * value / (self.beta_min + root)

    def betas(self, num_timesteps: int) -> np.ndarray:
        """See the base class."""
        return np.linspace(self.beta_min, self.beta_max, num_timesteps) / num_timesteps


@NOISE_SCHEDULES.register("cosine")
@keras.saving.register_keras_serializable("tfgenai")
class Cosine(VariancePreserving):
    """alpha falls as a cosine, which leaves the images readable for longer.

    Discrete: Nichol & Dhariwal 2021, "Improved Denoising Diffusion Probabilistic
    Models", arXiv:2102.09672, equation 17, betas clipped at 0.999. Continuous: the half
    log SNR is cut at ±10, Kingma et al. 2021, arXiv:2107.00630.
    """

    _CUT = math.exp(-10.0)
    _WIDTH = math.pi / 2 - 2 * _CUT

    def continuous_level(self, time: tf.Tensor) -> Level:
        """See the base class."""
        if self.zero_terminal_snr:
            return super().continuous_level(time)
        alpha = tf.sin(self._CUT + (1.0 - time) * self._WIDTH)
        sigma = tf.sin(self._CUT + time * self._WIDTH)
        return Level(time, alpha, sigma, tf.math.log(alpha) - tf.math.log(sigma))

    def log_alpha_bar(self, time: Any) -> Any:
        """See the base class."""
        return 2.0 * tf.math.log(tf.sin(self._CUT + (1.0 - time) * self._WIDTH))

    def time_of_log_alpha_bar(self, value: Any) -> Any:
        """See the base class."""
        angle = tf.acos(tf.minimum(tf.exp(0.5 * value), 1.0))
        return (angle - self._CUT) / self._WIDTH

    def continuous_time_of(self, half_log_snr: tf.Tensor) -> tf.Tensor:
        """See the base class."""
        if self.zero_terminal_snr:
            return super().continuous_time_of(half_log_snr)
        return (tf.atan(tf.exp(-half_log_snr)) - self._CUT) / self._WIDTH

    def betas(self, num_timesteps: int) -> np.ndarray:
        """See the base class."""
        time = np.linspace(0.0, 1.0, num_timesteps + 1)
        alpha_bar = np.cos((time + 0.008) / 1.008 * np.pi / 2) ** 2
        return 1.0 - alpha_bar[1:] / alpha_bar[:-1]


@NOISE_SCHEDULES.register("sigmoid")
@keras.saving.register_keras_serializable("tfgenai")
class Sigmoid(VariancePreserving):
    """alpha_bar falls as a logistic function.

    Jabri et al. 2022, "Scalable Adaptive Computation for Iterative Generation",
    arXiv:2212.11972; Chen 2023, "On the Importance of Noise Scheduling for Diffusion
    Models", arXiv:2301.10972, algorithm 1, from -3 to 3 with temperature 1.
    """

    _START, _END = -3.0, 3.0
    _FLOOR = 1e-9

    def log_alpha_bar(self, time: Any) -> Any:
        """See the base class."""
        return tf.math.log(tf.maximum(1.0 - self._noise_share(time), self._FLOOR))

    def continuous_level(self, time: tf.Tensor) -> Level:
        """See the base class."""
        if self.zero_terminal_snr:
            return super().continuous_level(time)
        share = self._noise_share(time)  # sigma², without the cancellation of 1 - x
        alpha_bar = tf.maximum(self._noise_share(1.0 - time), self._FLOOR)
        alpha, sigma = tf.sqrt(alpha_bar), tf.sqrt(share)
        return Level(time, alpha, sigma, 0.5 * tf.math.log(alpha_bar / share))

    def time_of_log_alpha_bar(self, value: Any) -> Any:
        """See the base class."""
        first, last = (1.0 / (1.0 + math.exp(-x)) for x in (self._START, self._END))
        logistic = last - tf.exp(value) * (last - first)
        x = tf.math.log(logistic) - tf.math.log1p(-logistic)
        return (x - self._START) / (self._END - self._START)

    def betas(self, num_timesteps: int) -> np.ndarray:
        """See the base class."""
        time = np.linspace(0.0, 1.0, num_timesteps + 1)
        x = self._START + time * (self._END - self._START)
        logistic = 1.0 / (1.0 + np.exp(-x))
        alpha_bar = (logistic[-1] - logistic) / (logistic[-1] - logistic[0])
        return 1.0 - np.maximum(alpha_bar[1:], self._FLOOR) / alpha_bar[:-1]

    def _noise_share(self, time: Any) -> Any:
        # A difference of two logistic functions is a quotient of hyperbolic ones; the
        # range is symmetric, so the share of data is that of noise at 1 - time.
        width = self._END - self._START
        x = self._START + time * width
        scale = math.cosh(self._END / 2) / math.sinh(width / 2)
        return scale * tf.sinh(time * width / 2) / tf.cosh(x / 2)


@NOISE_SCHEDULES.register("karras")
@keras.saving.register_keras_serializable("tfgenai")
class Karras(NoiseSchedule):
    """Noise of growing variance on data that keep their size: alpha = 1.

    Karras et al. 2022, "Elucidating the Design Space of Diffusion-Based Generative
    Models", arXiv:2206.00364, equation 5: sigma^(1/rho) is linear in time.

    Args:
        sigma_min: standard deviation of the noise at time 0.
        sigma_max: standard deviation of the noise at time 1.
        rho: how much closer the small levels lie.
        num_timesteps: as in the base class.
        zero_terminal_snr: refused: the data are always there.
    """

    variance_preserving = False

    def __init__(
        self,
        *,
        sigma_min: float = 0.002,
        sigma_max: float = 80.0,
        rho: float = 7.0,
        num_timesteps: int | None = None,
        zero_terminal_snr: bool = False,
    ) -> None:
        if zero_terminal_snr:
            raise ValueError(
                "A schedule that can end in pure noise was expected. Received: "
                "zero_terminal_snr=True with noise_schedule='karras', whose data keep "
                "their size. Raise sigma_max, or use 'cosine', 'linear', 'sigmoid' or "
                "'rectified_flow'."
            )
        if not 0 < sigma_min < sigma_max or rho <= 0:
            raise ValueError(
                "0 < sigma_min < sigma_max and a positive rho were expected. Received: "
                f"sigma_min={sigma_min}, sigma_max={sigma_max}, rho={rho}."
            )
        self.sigma_min = sigma_min
        self.sigma_max = sigma_max
        self.rho = rho
        super().__init__(num_timesteps=num_timesteps)

    @property
    def min_time(self) -> float:
        """The least noisy time that a model is trained at."""
        return 0.0 if self.num_timesteps is None else 1.0 / self.num_timesteps

    def continuous_level(self, time: tf.Tensor) -> Level:
        """See the base class."""
        low, high = self._roots()
        sigma = (low + time * (high - low)) ** self.rho
        return Level(time, tf.ones_like(sigma), sigma, -tf.math.log(sigma))

    def alpha_sigma_of(self, half_log_snr: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """See the base class."""
        return tf.ones_like(half_log_snr), tf.exp(-half_log_snr)

    def continuous_time_of(self, half_log_snr: tf.Tensor) -> tf.Tensor:
        """See the base class."""
        low, high = self._roots()
        return (tf.exp(-half_log_snr / self.rho) - low) / (high - low)

    def table(self, num_timesteps: int) -> tuple[np.ndarray, np.ndarray]:
        """See the base class."""
        low, high = self._roots()
        sigma = np.linspace(low, high, num_timesteps) ** self.rho
        return np.ones_like(sigma), sigma

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "sigma_min": self.sigma_min,
            "sigma_max": self.sigma_max,
            "rho": self.rho,
        }

    def _roots(self) -> tuple[float, float]:
        return self.sigma_min ** (1 / self.rho), self.sigma_max ** (1 / self.rho)


@NOISE_SCHEDULES.register("rectified_flow")
@keras.saving.register_keras_serializable("tfgenai")
class RectifiedFlow(NoiseSchedule):
    """The straight line from data to noise: alpha = 1 - time, sigma = time.

    Liu et al. 2023, "Flow Straight and Fast", arXiv:2209.03003; Lipman et al. 2023,
    "Flow Matching for Generative Modeling", arXiv:2210.02747. It ends in pure noise,
    whatever `zero_terminal_snr`.
    """

    variance_preserving = False

    @property
    def ends_in_noise(self) -> bool:
        """Always."""
        return True

    def continuous_level(self, time: tf.Tensor) -> Level:
        """See the base class."""
        return Level(time, 1.0 - time, time, tf.math.log1p(-time) - tf.math.log(time))

    def alpha_sigma_of(self, half_log_snr: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """See the base class."""
        return tf.sigmoid(half_log_snr), tf.sigmoid(-half_log_snr)

    def continuous_time_of(self, half_log_snr: tf.Tensor) -> tf.Tensor:
        """See the base class."""
        return tf.sigmoid(-half_log_snr)

    def table(self, num_timesteps: int) -> tuple[np.ndarray, np.ndarray]:
        """See the base class."""
        time = np.arange(1, num_timesteps + 1) / num_timesteps
        return 1.0 - time, time
