"""Loss weightings: which noise levels are drawn in training, and what they count.

A weighting maps uniform numbers to training times and gives each the weight of the
network's squared error there. Weights of the papers are for the error of the data
estimate; `Prediction.error_scale` carries them over.
"""

from typing import Any

import keras
import tensorflow as tf

from tfgenai.core.registry import Registry
from tfgenai.diffusion.levels import Level
from tfgenai.diffusion.predictions import Prediction
from tfgenai.diffusion.schedules import Karras, NoiseSchedule, RectifiedFlow

LOSS_WEIGHTINGS: Registry[type] = Registry("loss_weighting")


class LossWeighting:
    """Base of every weighting; by itself uniform in time."""

    def check(self, schedule: NoiseSchedule) -> None:
        """Refuses a schedule that it makes no sense on.

        Raises:
            ValueError: with the way out.
        """

    def times(self, u: tf.Tensor, schedule: NoiseSchedule) -> tf.Tensor:
        """Training times of uniform numbers.

        Args:
            u: float32 `(batch,)` in [0, 1).
            schedule: the noise schedule.

        Returns:
            float32 `(batch,)` in [min_time, 1].
        """
        if schedule.num_timesteps is not None:
            steps = float(schedule.num_timesteps)
            return (tf.floor(u * steps) + 1.0) / steps
        return schedule.min_time + (1.0 - schedule.min_time) * u

    def weight(self, level: Level, prediction: Prediction) -> tf.Tensor:
        """Weight of the squared error of the network's output, `(batch,)`."""
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "LossWeighting":
        """Makes a weighting from `get_config()`."""
        return cls(**config)


@LOSS_WEIGHTINGS.register("uniform")
@keras.saving.register_keras_serializable("tfgenai")
class Uniform(LossWeighting):
    """The plain squared error of the output, as in Ho et al. 2020, equation 14."""

    def weight(self, level: Level, prediction: Prediction) -> tf.Tensor:
        """One."""
        return tf.ones_like(level.sigma)


@LOSS_WEIGHTINGS.register("snr")
@keras.saving.register_keras_serializable("tfgenai")
class SNR(LossWeighting):
    """The signal-to-noise ratio on the data's error: the error of the noise.

    Salimans & Ho 2022, arXiv:2202.00512, section 4.
    """

    def weight(self, level: Level, prediction: Prediction) -> tf.Tensor:
        """SNR times the squared scale."""
        return (level.alpha / level.sigma * prediction.error_scale(level)) ** 2


@LOSS_WEIGHTINGS.register("min_snr")
@keras.saving.register_keras_serializable("tfgenai")
class MinSNR(LossWeighting):
    """The signal-to-noise ratio cut at gamma, on the data's error.

    Hang et al. 2023, "Efficient Diffusion Training via Min-SNR Weighting Strategy",
    arXiv:2303.09556, section 3.4.

    Args:
        gamma: where it is cut.
    """

    def __init__(self, gamma: float = 5.0) -> None:
        if not gamma > 0:
            raise ValueError(
                f"A positive number was expected. Received: gamma={gamma}. The paper "
                "uses 5."
            )
        self.gamma = gamma

    def weight(self, level: Level, prediction: Prediction) -> tf.Tensor:
        """min(SNR, gamma) times the squared scale."""
        scale = prediction.error_scale(level)
        # Each factor is bounded, where SNR alone is not.
        return tf.minimum(
            (level.alpha / level.sigma * scale) ** 2, self.gamma * scale**2
        )

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"gamma": self.gamma}


@LOSS_WEIGHTINGS.register("edm")
@keras.saving.register_keras_serializable("tfgenai")
class LogNormal(LossWeighting):
    """Noise levels whose logarithm is normal, each with weight 1 on the output.

    Karras et al. 2022, arXiv:2206.00364, table 1: lambda = 1 / c_out², so that the
    output's error has weight 1.

    Args:
        mean: mean of log(sigma / alpha), P_mean of the paper.
        std: its standard deviation, P_std.
    """

    def __init__(self, mean: float = -1.2, std: float = 1.2) -> None:
        if not std > 0:
            raise ValueError(
                f"A positive standard deviation was expected. Received: std={std}."
            )
        self.mean = mean
        self.std = std

    def check(self, schedule: NoiseSchedule) -> None:
        """Refuses discrete time and schedules other than Karras's."""
        if not isinstance(schedule, Karras) or schedule.num_timesteps is not None:
            raise ValueError(
                "noise_schedule='karras' in continuous time was expected with "
                f"loss_weighting='edm'. Received: "
                f"noise_schedule={type(schedule).__name__}(num_timesteps="
                f"{schedule.num_timesteps}). Use 'min_snr', or that schedule."
            )

    def times(self, u: tf.Tensor, schedule: NoiseSchedule) -> tf.Tensor:
        """See the base class."""
        return schedule.time_of(-(self.mean + self.std * _standard_normal(u)))

    def weight(self, level: Level, prediction: Prediction) -> tf.Tensor:
        """One."""
        return tf.ones_like(level.sigma)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"mean": self.mean, "std": self.std}


@LOSS_WEIGHTINGS.register("logit_normal")
@keras.saving.register_keras_serializable("tfgenai")
class LogitNormal(LossWeighting):
    """Times whose logit is normal: the middle of the line is drawn more often.

    Esser et al. 2024, "Scaling Rectified Flow Transformers for High-Resolution Image
    Synthesis", arXiv:2403.03206, section 3.1.

    Args:
        mean: mean of the logit; above 0 draws noisier times.
        std: its standard deviation.
    """

    def __init__(self, mean: float = 0.0, std: float = 1.0) -> None:
        if not std > 0:
            raise ValueError(
                f"A positive standard deviation was expected. Received: std={std}."
            )
        self.mean = mean
        self.std = std

    def check(self, schedule: NoiseSchedule) -> None:
        """Refuses other schedules than the straight line."""
        if not isinstance(schedule, RectifiedFlow):
            raise ValueError(
                "noise_schedule='rectified_flow' was expected with "
                "loss_weighting='logit_normal'. Received: "
                f"noise_schedule={type(schedule).__name__}. Use 'uniform' or 'min_snr'."
            )

    def times(self, u: tf.Tensor, schedule: NoiseSchedule) -> tf.Tensor:
        """See the base class."""
        time = tf.sigmoid(self.mean + self.std * _standard_normal(u))
        return tf.clip_by_value(schedule.level(time).time, schedule.min_time, 1.0)

    def weight(self, level: Level, prediction: Prediction) -> tf.Tensor:
        """One."""
        return tf.ones_like(level.sigma)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"mean": self.mean, "std": self.std}


def _standard_normal(u: tf.Tensor) -> tf.Tensor:
    """Quantiles of the standard normal distribution, away from infinity."""
    return tf.math.ndtri(tf.clip_by_value(u, 1e-6, 1.0 - 1e-6))
