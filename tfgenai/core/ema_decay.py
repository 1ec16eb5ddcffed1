"""How fast an average of weights forgets: constant, by half-life, by power of time."""

import abc
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfgenai.core.registry import Registry

EMA_DECAYS: Registry[type["EMADecay"]] = Registry("ema_decay")


class EMADecay(abc.ABC):
    """Base: the factor on the average in each training step."""

    @abc.abstractmethod
    def factor(self, step: tf.Tensor) -> tf.Tensor:
        """The factor of a step.

        Args:
            step: float32 scalar, number of the step, from 0.

        Returns:
            float32 scalar in [0, 1).
        """

    @abc.abstractmethod
    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "EMADecay":
        """Makes a decay from `get_config()`."""
        return cls(**config)


@EMA_DECAYS.register("constant")
@keras.saving.register_keras_serializable("tfgenai")
class ConstantDecay(EMADecay):
    """A constant factor, lower at first: min(decay, (1 + t) / (10 + t)).

    Without the second term early samples would be dominated by the initial weights.

    Args:
        decay: in (0, 1).

    Example:
        >>> round(float(ConstantDecay(0.999).factor(tf.constant(0.0))), 3)
        0.1
    """

    def __init__(self, decay: float) -> None:
        if not 0 < decay < 1:
            raise ValueError(
                "A decay in (0, 1), or None for no average, was expected. Received: "
                f"ema_decay={decay}."
            )
        self.decay = decay

    def factor(self, step: tf.Tensor) -> tf.Tensor:
        """See the base class."""
        return tf.minimum(self.decay, (1.0 + step) / (10.0 + step))

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"decay": self.decay}

    def __str__(self) -> str:
        return f"{self.decay:g}"


@EMA_DECAYS.register("half_life")
@keras.saving.register_keras_serializable("tfgenai")
class HalfLifeDecay(EMADecay):
    """Weights count half after so many steps, fewer at first.

    Karras et al. 2022, "Elucidating the Design Space of Diffusion-Based Generative
    Models", arXiv:2206.00364, appendix F.2, with the ramp-up of its code.

    Args:
        half_life: steps after which a weight's share has halved.
        rampup_ratio: at step t the half-life is at most so large a share of t.

    Example:
        >>> decay = HalfLifeDecay(100.0)
        >>> round(float(decay.factor(tf.constant(1e6))) ** 100, 3)
        0.5
    """

    def __init__(self, half_life: float, *, rampup_ratio: float = 0.05) -> None:
        if not half_life > 0 or not rampup_ratio > 0:
            raise ValueError(
                "A positive number of steps and a positive share were expected. "
                f"Received: half_life={half_life}, rampup_ratio={rampup_ratio}."
            )
        self.half_life = half_life
        self.rampup_ratio = rampup_ratio

    def factor(self, step: tf.Tensor) -> tf.Tensor:
        """See the base class."""
        half_life = tf.minimum(self.half_life, (step + 1.0) * self.rampup_ratio)
        return 0.5 ** (1.0 / half_life)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"half_life": self.half_life, "rampup_ratio": self.rampup_ratio}

    def __str__(self) -> str:
        return f"half-life {self.half_life:g} steps"


@EMA_DECAYS.register("power")
@keras.saving.register_keras_serializable("tfgenai")
class PowerDecay(EMADecay):
    """Weights count by a power of their time, whatever the length of the run.

    Karras et al. 2024, "Analyzing and Improving the Training Dynamics of Diffusion
    Models", arXiv:2312.02696, equations 121 to 127: the factor is
    (1 - 1/t)^(gamma + 1), and the weight of step s in the average at step t is
    proportional to s^gamma.

    Args:
        relative_std: standard deviation of that profile as a share of t, in (0, 0.288);
            a tenth of the run is 0.1.

    Example:
        >>> round(PowerDecay(0.1).gamma, 2)
        6.94
    """

    def __init__(self, relative_std: float = 0.1) -> None:
        if not 0 < relative_std < 12**-0.5:
            raise ValueError(
                "A share in (0, 0.288), the width of a uniform profile, was expected. "
                f"Received: relative_std={relative_std}. The paper uses 0.05 to 0.2."
            )
        self.relative_std = relative_std

    @property
    def gamma(self) -> float:
        """The exponent that gives the width.

        The positive root of (g + 1) / ((g + 2)² (g + 3)) = relative_std².
        """
        ratio = self.relative_std**-2
        return float(np.roots([1.0, 7.0, 16.0 - ratio, 12.0 - ratio]).real.max())

    def factor(self, step: tf.Tensor) -> tf.Tensor:
        """See the base class."""
        return (1.0 - 1.0 / (step + 1.0)) ** (self.gamma + 1.0)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"relative_std": self.relative_std}

    def __str__(self) -> str:
        return f"power profile of relative width {self.relative_std:g}"


def resolve_decay(value: Any) -> EMADecay | None:
    """A decay from a number or an object; None stays.

    Raises:
        ValueError: if a number is not in (0, 1).
        TypeError: if it is something else.
    """
    if value is None or isinstance(value, EMADecay):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(
            "A decay in (0, 1), an EMADecay or None was expected. Received: "
            f"ema_decay={value!r}."
        )
    return ConstantDecay(float(value))
