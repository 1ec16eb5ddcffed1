"""What the network predicts, and how it becomes an estimate of the data.

All are the same model in other units: at a given level each is a linear function of
the data estimate and x_t. Salimans & Ho 2022, "Progressive Distillation for Fast
Sampling of Diffusion Models", arXiv:2202.00512, section 4 and appendix D.
"""

from typing import Any

import keras
import tensorflow as tf

from tfgenai.core.registry import Registry
from tfgenai.diffusion.levels import Level, expand
from tfgenai.diffusion.schedules import NoiseSchedule, RectifiedFlow

PREDICTION_TYPES: Registry[type] = Registry("prediction_type")


class Prediction:
    """Base of every prediction type."""

    name = ""

    def check(self, schedule: NoiseSchedule) -> None:
        """Refuses a schedule at which the data cannot be recovered.

        Raises:
            ValueError: with the way out.
        """

    def inputs(self, x: tf.Tensor, level: Level) -> tuple[tf.Tensor, tf.Tensor]:
        """What the network is given: x_t of unit size, and a time `(batch,)`."""
        return x, level.time

    def to_x0(self, output: tf.Tensor, x: tf.Tensor, level: Level) -> tf.Tensor:
        """The data estimate of a network output at x_t."""
        raise NotImplementedError

    def target(
        self, x0: tf.Tensor, noise: tf.Tensor, x: tf.Tensor, level: Level
    ) -> tf.Tensor:
        """What the network should have said."""
        raise NotImplementedError

    def error_scale(self, level: Level) -> tf.Tensor:
        """Error of the data estimate over the error of the output, `(batch,)`."""
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Prediction":
        """Makes a prediction type from `get_config()`."""
        return cls(**config)


def _refuse_zero_snr(name: str, schedule: NoiseSchedule) -> None:
    if schedule.ends_in_noise:
        raise ValueError(
            "A prediction that says something of the data at pure noise was expected. "
            f"Received: prediction_type={name!r} with "
            f"noise_schedule={type(schedule).__name__}(zero_terminal_snr="
            f"{schedule.zero_terminal_snr}), whose last level is pure noise. Use "
            "prediction_type='velocity', 'x0' or 'flow', or zero_terminal_snr=False."
        )


@PREDICTION_TYPES.register("epsilon")
@keras.saving.register_keras_serializable("tfgenai")
class Epsilon(Prediction):
    """The noise. Ho et al. 2020, arXiv:2006.11239, equation 15."""

    name = "epsilon"

    def check(self, schedule: NoiseSchedule) -> None:
        """Refuses schedules that end in pure noise."""
        _refuse_zero_snr(self.name, schedule)

    def to_x0(self, output: tf.Tensor, x: tf.Tensor, level: Level) -> tf.Tensor:
        """See the base class."""
        return (x - expand(level.sigma, x) * output) / expand(level.alpha, x)

    def target(
        self, x0: tf.Tensor, noise: tf.Tensor, x: tf.Tensor, level: Level
    ) -> tf.Tensor:
        """See the base class."""
        return noise

    def error_scale(self, level: Level) -> tf.Tensor:
        """See the base class."""
        return level.sigma / level.alpha


@PREDICTION_TYPES.register("x0")
@keras.saving.register_keras_serializable("tfgenai")
class Data(Prediction):
    """The data themselves."""

    name = "x0"

    def to_x0(self, output: tf.Tensor, x: tf.Tensor, level: Level) -> tf.Tensor:
        """See the base class."""
        return output

    def target(
        self, x0: tf.Tensor, noise: tf.Tensor, x: tf.Tensor, level: Level
    ) -> tf.Tensor:
        """See the base class."""
        return x0

    def error_scale(self, level: Level) -> tf.Tensor:
        """See the base class."""
        return tf.ones_like(level.sigma)


@PREDICTION_TYPES.register("velocity")
@keras.saving.register_keras_serializable("tfgenai")
class Velocity(Prediction):
    """v = alpha noise - sigma x_0. Salimans & Ho 2022, appendix D.

    On schedules that do not preserve the variance both factors are divided by
    alpha² + sigma² on the way back, which is 1 on those that do.
    """

    name = "velocity"

    def to_x0(self, output: tf.Tensor, x: tf.Tensor, level: Level) -> tf.Tensor:
        """See the base class."""
        total = level.alpha**2 + level.sigma**2
        return (
            expand(level.alpha / total, x) * x - expand(level.sigma / total, x) * output
        )

    def target(
        self, x0: tf.Tensor, noise: tf.Tensor, x: tf.Tensor, level: Level
    ) -> tf.Tensor:
        """See the base class."""
        return expand(level.alpha, x0) * noise - expand(level.sigma, x0) * x0

    def error_scale(self, level: Level) -> tf.Tensor:
        """See the base class."""
        return level.sigma / (level.alpha**2 + level.sigma**2)


@PREDICTION_TYPES.register("flow")
@keras.saving.register_keras_serializable("tfgenai")
class Flow(Prediction):
    """u = noise - x_0, the velocity of the straight line.

    Lipman et al. 2023, arXiv:2210.02747, equation 23, with time running to noise.
    """

    name = "flow"

    def check(self, schedule: NoiseSchedule) -> None:
        """Refuses other schedules than the straight line, whose velocity this is."""
        if not isinstance(schedule, RectifiedFlow):
            raise ValueError(
                "noise_schedule='rectified_flow' was expected with "
                "prediction_type='flow'. Received: "
                f"noise_schedule={type(schedule).__name__}. Use it, or "
                "prediction_type='velocity'."
            )

    def to_x0(self, output: tf.Tensor, x: tf.Tensor, level: Level) -> tf.Tensor:
        """See the base class."""
        return x - expand(level.sigma, x) * output

    def target(
        self, x0: tf.Tensor, noise: tf.Tensor, x: tf.Tensor, level: Level
    ) -> tf.Tensor:
        """See the base class."""
        return noise - x0

    def error_scale(self, level: Level) -> tf.Tensor:
        """See the base class."""
        return level.sigma


@PREDICTION_TYPES.register("edm")
@keras.saving.register_keras_serializable("tfgenai")
class EDM(Prediction):
    """The preconditioned output whose target has unit variance at every level.

    Karras et al. 2022, arXiv:2206.00364, equation 7 and table 1, for x_t / alpha and
    sigma / alpha, so that it fits other schedules, too.

    Args:
        sigma_data: standard deviation of the data.
    """

    name = "edm"

    def __init__(self, sigma_data: float = 0.5) -> None:
        if not sigma_data > 0:
            raise ValueError(
                "A positive standard deviation of the data was expected. Received: "
                f"sigma_data={sigma_data}."
            )
        self.sigma_data = sigma_data

    def check(self, schedule: NoiseSchedule) -> None:
        """Refuses schedules that end in pure noise."""
        _refuse_zero_snr(self.name, schedule)

    def inputs(self, x: tf.Tensor, level: Level) -> tuple[tf.Tensor, tf.Tensor]:
        """c_in x and c_noise."""
        sigma = level.sigma / level.alpha
        c_in = 1.0 / tf.sqrt(sigma**2 + self.sigma_data**2)
        return expand(c_in / level.alpha, x) * x, -0.25 * level.half_log_snr

    def to_x0(self, output: tf.Tensor, x: tf.Tensor, level: Level) -> tf.Tensor:
        """Equation 7: c_skip x + c_out F."""
        c_skip, c_out = self._factors(level)
        return expand(c_skip / level.alpha, x) * x + expand(c_out, x) * output

    def target(
        self, x0: tf.Tensor, noise: tf.Tensor, x: tf.Tensor, level: Level
    ) -> tf.Tensor:
        """See the base class."""
        c_skip, c_out = self._factors(level)
        return (x0 - expand(c_skip / level.alpha, x) * x) / expand(c_out, x)

    def error_scale(self, level: Level) -> tf.Tensor:
        """See the base class."""
        return self._factors(level)[1]

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"sigma_data": self.sigma_data}

    def _factors(self, level: Level) -> tuple[tf.Tensor, tf.Tensor]:
        sigma = level.sigma / level.alpha
        total = sigma**2 + self.sigma_data**2
        c_skip = self.sigma_data**2 / total
        return c_skip, sigma * self.sigma_data / tf.sqrt(total)
