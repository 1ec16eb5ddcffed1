"""AutoGuidance: away from the answer of a smaller or less trained model."""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from tfgenai.core.conditions import Condition
from tfgenai.diffusion.guidance import Guidance, NoGuidance
from tfgenai.diffusion.levels import Level, expand
from tfgenai.diffusion.sampling import Sampling

AUTOGUIDANCE_SCALE = "autoguidance_scale"

_UNGUIDED = NoGuidance()
_MAX_SCALE = 100.0


class AutoGuidance(Guidance):
    """Away from a worse version of the model: D_weak + w (D - D_weak).

    Karras et al. 2024, "Guiding a Diffusion Model with a Bad Version of Itself",
    arXiv:2406.02507, equation 3 with the weaker model in the place of the unconditional
    one. It sharpens samples without taking away their variety, and needs neither labels
    nor `condition_dropout`. Both models are given the same conditions.

    The weaker model answers with its averaged weights, whatever it is doing else, and
    they are read when the sampler runs: further training of it shows.

    Args:
        weaker_model: a diffusion model of the same data and noise schedule, trained for
            less long, or smaller; its prediction type may differ.
        scale: w where the caller says nothing; 1 is no guidance.

    Raises:
        TypeError: if the weaker model is no diffusion model.
        ValueError: if the scale is not in [0, 100].

    Example:
        >>> from tfgenai.diffusion import DiffusionModel
        >>> model = DiffusionModel(data_shape=(2,))
        >>> weaker = DiffusionModel(data_shape=(2,), network_options={"hidden_dim": 8})
        >>> model.generate(4, guidance=AutoGuidance(weaker), num_steps=3).shape
        (4, 2)
    """

    def __init__(self, weaker_model: Any, scale: float = 2.0) -> None:
        if not isinstance(weaker_model, Sampling):
            raise TypeError(
                "A DiffusionModel was expected. Received: weaker_model of type "
                f"{type(weaker_model).__name__}."
            )
        if not 0 <= scale <= _MAX_SCALE:
            raise ValueError(
                f"A scale in [0, {_MAX_SCALE:g}] was expected. Received: "
                f"scale={scale}. The paper uses 1.4 to 3; 1 is no guidance."
            )
        self.weaker_model = weaker_model
        self.scale = scale
        self.models = (weaker_model,)

    def check(self, model: Any) -> None:
        """Refuses a weaker model of other data, schedule or conditions."""
        weaker = self.weaker_model
        pairs = {
            "data_shape": (model.data_shape, weaker.data_shape),
            "noise_schedule": (_describe(model), _describe(weaker)),
        }
        for name, (expected, received) in pairs.items():
            if expected != received:
                raise ValueError(
                    f"A weaker model with the model's {name}, {expected}, was "
                    f"expected. Received: weaker_model with {name} {received}. Train "
                    "it as the model, but for less long."
                )
        known = model.data_conditions()
        unknown = [c.name for c in weaker.data_conditions() if c not in known]
        if unknown:
            raise ValueError(
                f"A weaker model with the model's conditions "
                f"{[c.name for c in known]} or some of them was expected. Received: "
                f"weaker_model with other {unknown}. Train it as the model."
            )

    def conditions(self, model: Any) -> tuple[Condition, ...]:
        """`autoguidance_scale`."""
        return (
            Condition(
                AUTOGUIDANCE_SCALE,
                "float32",
                minimum=0.0,
                maximum=_MAX_SCALE,
                default=float(self.scale),
                description="1: no guidance; above: further away from the weaker model",
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
        """See the base class; without guidance the weaker model is not asked."""
        strong = _UNGUIDED.estimate(model, x, level, rows, previous)
        scale = rows[AUTOGUIDANCE_SCALE]
        w = expand(scale, x)

        def guided() -> tf.Tensor:
            weak = self._weak_estimate(x, level, rows, previous)
            # weak + 1 (strong - weak) is not strong to the bit.
            return tf.where(w == 1.0, strong, weak + w * (strong - weak))

        x0 = tf.cond(tf.reduce_any(scale != 1.0), guided, lambda: strong)
        return tf.ensure_shape(x0, x.shape)

    def _weak_estimate(
        self,
        x: tf.Tensor,
        level: Level,
        rows: Mapping[str, tf.Tensor],
        previous: tf.Tensor,
    ) -> tf.Tensor:
        with self.weaker_model.ema.standing_in():
            return _UNGUIDED.estimate(self.weaker_model, x, level, rows, previous)


def _describe(model: Any) -> str:
    schedule = model.schedule
    arguments = ", ".join(f"{k}={v}" for k, v in schedule.get_config().items())
    return f"{type(schedule).__name__}({arguments})"
