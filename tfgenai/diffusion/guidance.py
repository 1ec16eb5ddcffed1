"""Guidance: what is added to a network's answer to make samples follow a condition."""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from tfgenai.core.conditions import Condition
from tfgenai.diffusion.levels import Level, expand
from tfgenai.layers.adapters import adapter_rows, current_rows

GUIDANCE_SCALE = "guidance_scale"


class Guidance:
    """Base of every guidance: how the data estimate of a step is made.

    A subclass writes `estimate`, and `conditions` where it has knobs of its own.
    """

    # Keras models whose weights `estimate` reads besides the diffusion model's.
    models: tuple[Any, ...] = ()

    def check(self, model: Any) -> None:
        """Refuses a model that cannot be guided so, before any work begins.

        Args:
            model: the diffusion model.

        Raises:
            ValueError: with the way out.
        """

    def conditions(self, model: Any) -> tuple[Condition, ...]:
        """What `generate` of `model` takes besides, one value a row."""
        return ()

    def estimate(
        self,
        model: Any,
        x: tf.Tensor,
        level: Level,
        rows: Mapping[str, tf.Tensor],
        previous: tf.Tensor,
    ) -> tf.Tensor:
        """The data estimate, before thresholding.

        Args:
            model: the diffusion model, with `predict_output`, `prediction` and
                `schedule`.
            x: float32 `(batch, ...)` at the level.
            level: the noise level.
            rows: conditions and knobs by name.
            previous: the data estimate of the step before, like x.

        Returns:
            float32 `(batch, ...)`.
        """
        raise NotImplementedError


class NoGuidance(Guidance):
    """The network's answer as it is, with its conditions."""

    def estimate(
        self,
        model: Any,
        x: tf.Tensor,
        level: Level,
        rows: Mapping[str, tf.Tensor],
        previous: tf.Tensor,
    ) -> tf.Tensor:
        """See the base class."""
        kept = tf.ones_like(level.time, tf.bool)
        output = model.predict_output(x, level, rows, kept, previous)
        return model.prediction.to_x0(output, x, level)


class ClassifierFreeGuidance(Guidance):
    """Away from the answer without conditions: u + w (c - u).

    Ho & Salimans 2022, "Classifier-Free Diffusion Guidance", arXiv:2207.12598, equation
    6, with w = 1 for no guidance and w = 0 for no condition; both are the network's own
    answers to the bit. The standard deviation may be taken back towards that of the
    conditional answer: Lin et al. 2023, arXiv:2305.08891, equations 15 and 16. Guidance
    may be confined to an interval of times: Kynkäänniemi et al. 2024, "Applying
    Guidance in a Limited Interval Improves Sample and Distribution Quality in Diffusion
    Models", arXiv:2404.07724, equation 4.

    Both answers come from one call of the network on twice the rows. Where no row of a
    batch asks for guidance, there is one call on the rows alone.

    Args:
        default_scale: the guidance scale where the caller says nothing.
    """

    def __init__(self, default_scale: float = 1.0) -> None:
        self.default_scale = default_scale

    def check(self, model: Any) -> None:
        """Refuses a model that has no answer without conditions."""
        if not model.condition_dropout:
            reason = (
                "trained with condition_dropout=0"
                if model.data_conditions()
                else "without conditions"
            )
            raise ValueError(
                "A conditional model trained with condition_dropout was expected. "
                f"Received: guidance=ClassifierFreeGuidance for a model {reason}. "
                "Train one with condition_dropout=0.1, or guide this one with "
                "AutoGuidance or ClassifierGuidance."
            )

    def conditions(self, model: Any) -> tuple[Condition, ...]:
        """`guidance_scale`, `guidance_rescale` and the interval's two ends."""
        return (
            Condition(
                GUIDANCE_SCALE,
                "float32",
                minimum=0.0,
                maximum=100.0,
                default=float(self.default_scale),
                description="1: as trained; above: follow the condition more closely; "
                "0: without the condition",
            ),
            Condition(
                "guidance_rescale",
                "float32",
                default=0.0,
                minimum=0.0,
                maximum=1.0,
                description="share of the unguided standard deviation that is restored",
            ),
            Condition(
                "guidance_start",
                "float32",
                default=1.0,
                minimum=0.0,
                maximum=1.0,
                description="time, from 1 (noise) down, at which guidance begins",
            ),
            Condition(
                "guidance_end",
                "float32",
                default=0.0,
                minimum=0.0,
                maximum=1.0,
                description="time, down to 0 (data), at which guidance ends",
            ),
        )

    def estimate(
        self,
        model: Any,
        x: tf.Tensor,
        level: Level,
        rows: Mapping[str, tf.Tensor],
        previous: tf.Tensor,
    ) -> tf.Tensor:
        """See the base class."""
        inside = (level.time <= rows["guidance_start"]) & (
            level.time >= rows["guidance_end"]
        )
        scale = tf.where(inside, rows[GUIDANCE_SCALE], 1.0)
        yes = tf.ones_like(level.time, tf.bool)

        def plain() -> tf.Tensor:
            return model.predict_output(x, level, rows, yes, previous)

        def guided() -> tf.Tensor:
            asked = current_rows()
            with adapter_rows(None if asked is None else _twice(asked)):
                outputs = model.predict_output(
                    _twice(x),
                    Level(*(_twice(value) for value in level)),
                    {name: _twice(value) for name, value in rows.items()},
                    tf.concat([yes, ~yes], 0),
                    _twice(previous),
                )
            with_condition, without = tf.split(outputs, 2)
            return _combine(with_condition, without, scale, rows["guidance_rescale"])

        output = tf.cond(tf.reduce_any(scale != 1.0), guided, plain)
        output = tf.ensure_shape(output, x.shape)
        return model.prediction.to_x0(output, x, level)


def _combine(
    with_condition: tf.Tensor, without: tf.Tensor, scale: tf.Tensor, rescale: tf.Tensor
) -> tf.Tensor:
    w = expand(scale, without)
    guided = without + w * (with_condition - without)
    axes = list(range(1, guided.shape.rank))
    # Lin et al. 2023, equations 15 and 16.
    ratio = tf.math.divide_no_nan(
        tf.math.reduce_std(with_condition, axes, keepdims=True),
        tf.math.reduce_std(guided, axes, keepdims=True),
    )
    share = expand(rescale, without)
    guided = guided * (share * ratio + (1.0 - share))
    # u + 1 (c - u) differs from c in a third of all float32 values.
    guided = tf.where(w == 1.0, with_condition, guided)
    return tf.where(w == 0.0, without, guided)


def _twice(values: tf.Tensor) -> tf.Tensor:
    return tf.concat([values, values], 0)
