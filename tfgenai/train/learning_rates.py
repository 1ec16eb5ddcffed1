"""Learning-rate schedules: warm-up and cosine decay, and a schedule scaled down."""

from typing import Any

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable("tfgenai")
class WarmupCosine(keras.optimizers.schedules.LearningRateSchedule):
    """Rises linearly to a peak, then falls along half a cosine.

    Loshchilov & Hutter 2017, "SGDR: Stochastic Gradient Descent with Warm Restarts",
    arXiv:1608.03983, equation 5 without restarts, behind the linear warm-up of Goyal et
    al. 2017, "Accurate, Large Minibatch SGD", arXiv:1706.02677, section 2.2. With peak
    p, warm-up w, total n, final fraction f and step t from 0:

        t < w:  p (t + 1) / (w + 1)
        t ≥ w:  p (f + (1 - f) (1 + cos(π min((t - w) / (n - w), 1))) / 2)

    The first step already moves the weights, and step n and all later ones take p f.

    Args:
        peak: learning rate at the end of the warm-up, above 0.
        total_steps: optimizer steps until the end of the decay.
        warmup_steps: steps of the rise, below `total_steps`; 0 starts at the peak.
        final_fraction: share of `peak` that is left at the end, in [0, 1].

    Raises:
        ValueError: if a number is out of range.

    Example:
        >>> schedule = WarmupCosine(1.0, 110, warmup_steps=10)
        >>> [round(float(schedule(t)), 3) for t in (0, 9, 10, 60, 110)]
        [0.091, 0.909, 1.0, 0.5, 0.0]
    """

    def __init__(
        self,
        peak: float,
        total_steps: int,
        *,
        warmup_steps: int = 0,
        final_fraction: float = 0.0,
    ) -> None:
        if not peak > 0:
            raise ValueError(
                f"A learning rate above 0 was expected. Received: peak={peak!r}."
            )
        if not 0 <= warmup_steps < total_steps:
            raise ValueError(
                "0 <= warmup_steps < total_steps was expected. Received: "
                f"warmup_steps={warmup_steps}, total_steps={total_steps}. Train "
                "longer or warm up in fewer steps."
            )
        if not 0 <= final_fraction <= 1:
            raise ValueError(
                "A fraction in [0, 1] was expected. Received: "
                f"final_fraction={final_fraction!r}."
            )
        self.peak = peak
        self.total_steps = total_steps
        self.warmup_steps = warmup_steps
        self.final_fraction = final_fraction

    def __call__(self, step: Any) -> tf.Tensor:
        """The learning rate of a step counted from 0; float32 scalar."""
        t = tf.cast(step, tf.float32)
        rise = (t + 1.0) / (self.warmup_steps + 1.0)
        share = (t - self.warmup_steps) / (self.total_steps - self.warmup_steps)
        share = tf.clip_by_value(share, 0.0, 1.0)
        cosine = 0.5 * (1.0 + tf.cos(tf.constant(3.14159265358979) * share))
        fall = self.final_fraction + (1.0 - self.final_fraction) * cosine
        return self.peak * tf.where(t < self.warmup_steps, rise, fall)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            "peak": self.peak,
            "total_steps": self.total_steps,
            "warmup_steps": self.warmup_steps,
            "final_fraction": self.final_fraction,
        }


@keras.saving.register_keras_serializable("tfgenai")
class ScaledSchedule(keras.optimizers.schedules.LearningRateSchedule):
    """Another schedule times a factor: how a schedule is lowered after a rollback.

    Args:
        schedule: the schedule that is scaled.
        factor: what its learning rates are multiplied by.
    """

    def __init__(
        self,
        schedule: keras.optimizers.schedules.LearningRateSchedule,
        factor: float,
    ) -> None:
        self.schedule = schedule
        self.factor = factor

    def __call__(self, step: Any) -> tf.Tensor:
        """The scaled learning rate of a step."""
        return self.factor * self.schedule(step)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            "schedule": keras.saving.serialize_keras_object(self.schedule),
            "factor": self.factor,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "ScaledSchedule":
        """Makes the schedule from `get_config()`."""
        inner = keras.saving.deserialize_keras_object(config["schedule"])
        return cls(inner, config["factor"])


def scale_learning_rate(optimizer: Any, factor: float) -> None:
    """Multiplies an optimizer's learning rate, whether number or schedule.

    Args:
        optimizer: a Keras optimizer, possibly inside a `LossScaleOptimizer`. Where its
            rate is a schedule, a train function that was traced before keeps the old
            one and must be made again.
        factor: above 0.
    """
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)
    current = learning_rate_schedule(optimizer)
    if current is None:
        optimizer.learning_rate = float(optimizer.learning_rate.numpy()) * factor
    elif isinstance(current, ScaledSchedule):
        optimizer.learning_rate = ScaledSchedule(
            current.schedule, current.factor * factor
        )
    else:
        optimizer.learning_rate = ScaledSchedule(current, factor)


def learning_rate_schedule(optimizer: Any) -> Any:
    """The optimizer's schedule, or None where its learning rate is a number."""
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)
    rate = optimizer._learning_rate  # the public property evaluates a schedule
    base = keras.optimizers.schedules.LearningRateSchedule
    return rate if isinstance(rate, base) else None
