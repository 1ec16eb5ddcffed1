"""The parts of a diffusion model by name or as objects, and whether they fit."""

import dataclasses
from typing import Any

import keras

from tfgenai.diffusion.predictions import PREDICTION_TYPES, Prediction
from tfgenai.diffusion.samplers import SAMPLERS, Sampler
from tfgenai.diffusion.schedules import (
    NOISE_SCHEDULES,
    Karras,
    NoiseSchedule,
    RectifiedFlow,
)
from tfgenai.diffusion.weightings import LOSS_WEIGHTINGS, LossWeighting


@dataclasses.dataclass(frozen=True)
class Parts:
    """What a caller said of the parts; see `DiffusionModel` for the meanings."""

    noise_schedule: str | NoiseSchedule
    num_timesteps: int | None
    zero_terminal_snr: bool
    prediction_type: str | Prediction | None
    loss_weighting: str | LossWeighting | None
    sampler: str | Sampler | None

    def get_config(self) -> dict[str, Any]:
        """The same as JSON values."""
        return {
            field.name: keras.saving.serialize_keras_object(value)
            if hasattr(value := getattr(self, field.name), "get_config")
            else value
            for field in dataclasses.fields(self)
        }


def resolve_parts(
    given: Parts,
) -> tuple[NoiseSchedule, Prediction, LossWeighting, Sampler]:
    """Makes the parts, fills in what papers use, and holds them against each other.

    Raises:
        ValueError: if a name is unknown or two parts do not fit; with the way out.
    """
    schedule = given.noise_schedule
    if isinstance(schedule, NoiseSchedule):
        if given.num_timesteps is not None or given.zero_terminal_snr:
            raise ValueError(
                "num_timesteps and zero_terminal_snr belong to the schedule where that "
                f"is an object. Received: num_timesteps={given.num_timesteps}, "
                f"zero_terminal_snr={given.zero_terminal_snr} beside "
                f"{type(schedule).__name__}. Give them to its constructor."
            )
    else:
        schedule = NOISE_SCHEDULES.create(
            schedule,
            num_timesteps=given.num_timesteps,
            zero_terminal_snr=given.zero_terminal_snr,
        )
    usual = _usual(schedule)
    prediction = PREDICTION_TYPES.create(given.prediction_type or usual[0])
    prediction.check(schedule)
    weighting = given.loss_weighting
    if weighting is None:
        weighting = usual[1] if given.prediction_type is None else "uniform"
    weighting = LOSS_WEIGHTINGS.create(weighting)
    weighting.check(schedule)
    sampler = make_sampler(given.sampler or usual[2], schedule, prediction)
    return schedule, prediction, weighting, sampler


def make_sampler(
    sampler: str | Sampler, schedule: NoiseSchedule, prediction: Prediction
) -> Sampler:
    """A sampler by name or as it is, held against the model.

    Raises:
        ValueError: if the name is unknown or it does not fit; with the way out.
        TypeError: if it is no sampler.
    """
    made = SAMPLERS.create(sampler)
    limit = schedule.num_timesteps
    if isinstance(sampler, str) and limit is not None and made.num_steps > limit:
        # A name asks for no number of steps; there are no more than levels.
        made = SAMPLERS.create(sampler, num_steps=limit)
    if not isinstance(made, Sampler):
        raise TypeError(
            f"One of {SAMPLERS.names()} or a Sampler was expected. Received: "
            f"sampler={sampler!r}."
        )
    made.check(schedule, prediction)
    if limit is not None and made.num_steps > limit:
        raise ValueError(
            f"At most the schedule's {limit} steps were expected. "
            f"Received: {type(made).__name__}(num_steps={made.num_steps}). Use fewer, "
            "or train in continuous time (num_timesteps=None)."
        )
    return made


def _usual(schedule: NoiseSchedule) -> tuple[str, str, str]:
    """Prediction, weighting and sampler that go with a schedule."""
    if isinstance(schedule, Karras):
        weighting = "edm" if schedule.num_timesteps is None else "uniform"
        return "edm", weighting, "heun"
    if isinstance(schedule, RectifiedFlow):
        return "flow", "logit_normal", "flow_euler"
    return "velocity", "uniform", "ddim"
