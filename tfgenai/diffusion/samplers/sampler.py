"""Sampler: from noise to data in one graph, with a number of steps for each row."""

import dataclasses
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from tfgenai.core import random
from tfgenai.core.registry import Registry
from tfgenai.diffusion.levels import Level, clean_level, expand, where_level
from tfgenai.diffusion.predictions import Prediction
from tfgenai.diffusion.samplers.spacing import SPACINGS
from tfgenai.diffusion.schedules import NoiseSchedule

SAMPLERS: Registry[type["Sampler"]] = Registry("sampler")

Denoise = Callable[[tf.Tensor, Level], tf.Tensor]
_DRAWS_PER_STEP = 4
_INITIAL_STREAM = 0


@dataclasses.dataclass(frozen=True)
class Step:
    """What a sampler knows of one step; every tensor has one entry per row.

    Args:
        schedule: the noise schedule.
        index: int32 `(batch,)`, number of the step, from 0.
        num_steps: int32 `(batch,)`, number of steps.
        previous: the level of the step before; `now` in the first step.
        now: the level of `x`.
        then: the level to go to; without noise in the last step.
        is_first: bool `(batch,)`.
        is_last: bool `(batch,)`.
        noise: `noise(k)` draws standard normal noise like `x`, k in 0 … 3; a function
            of the row's seed and the step.
    """

    schedule: NoiseSchedule
    index: tf.Tensor
    num_steps: tf.Tensor
    previous: Level
    now: Level
    then: Level
    is_first: tf.Tensor
    is_last: tf.Tensor
    noise: Callable[[int], tf.Tensor]


class Sampler:
    """Base of every sampler.

    A subclass writes `step`. Its constructor's arguments are its config.

    Args:
        num_steps: steps where the caller says nothing.
        spacing: `"trailing"`, `"leading"`, `"linspace"` or `"karras"`; see `spacing`.

    Raises:
        ValueError: if a number is out of range or the spacing unknown.
    """

    # Tensors like x that are carried from step to step: a multistep method's memory.
    num_states = 0

    def __init__(self, num_steps: int = 50, *, spacing: str = "trailing") -> None:
        if (
            isinstance(num_steps, bool)
            or not isinstance(num_steps, int)
            or num_steps < 1
        ):
            raise ValueError(
                "A positive number of steps was expected. Received: "
                f"num_steps={num_steps!r}."
            )
        SPACINGS.get(spacing)
        self.num_steps = num_steps
        self.spacing = spacing

    def check(self, schedule: NoiseSchedule, prediction: Prediction) -> None:
        """Refuses a model that this sampler does not fit.

        Raises:
            ValueError: with the way out.
        """

    def step(
        self,
        denoise: Denoise,
        x: tf.Tensor,
        states: tuple[tf.Tensor, ...],
        step: Step,
    ) -> tuple[tf.Tensor, tf.Tensor, tuple[tf.Tensor, ...]]:
        """One step from `step.now` to `step.then`.

        Args:
            denoise: the estimate of the data at a level: `denoise(x, level)`, like x.
            x: float32 `(batch, ...)` at the level `step.now`.
            states: `num_states` tensors like x from the step before; zeros at first.
            step: levels, numbers and noise.

        Returns:
            x at the level `step.then`, the data estimate, the new states.
        """
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"num_steps": self.num_steps, "spacing": self.spacing}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Sampler":
        """Makes a sampler from `get_config()`."""
        return cls(**config)


class NoisySampler(Sampler):
    """Base of samplers that draw a share of their noise anew in each step.

    Args:
        num_steps: steps where the caller says nothing.
        eta: that share, in [0, 1]; 0 is deterministic.
        spacing: see `Sampler`.

    Raises:
        ValueError: if `eta` is no share.
    """

    def __init__(
        self, num_steps: int = 50, *, eta: float = 1.0, spacing: str = "trailing"
    ) -> None:
        super().__init__(num_steps, spacing=spacing)
        if not 0 <= eta <= 1:
            raise ValueError(f"A share in [0, 1] was expected. Received: eta={eta}.")
        self.eta = eta

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "eta": self.eta}


def level_at(
    sampler: Sampler, schedule: NoiseSchedule, index: tf.Tensor, num_steps: tf.Tensor
) -> Level:
    """The level of a step, or that of clean data after the last.

    Args:
        sampler: names the spacing.
        schedule: the noise schedule.
        index: int32 `(batch,)`.
        num_steps: int32 `(batch,)`.
    """
    n = tf.cast(num_steps, tf.float32)
    # Beyond the ends there is no level; what is computed there is not used.
    k = tf.clip_by_value(tf.cast(index, tf.float32), 0.0, n - 1.0)
    level = schedule.level(SPACINGS.get(sampler.spacing)(schedule, k, n))
    return where_level(index >= num_steps, clean_level(level.time), level)


def make_step(
    sampler: Sampler,
    schedule: NoiseSchedule,
    seeds: tf.Tensor,
    index: tf.Tensor,
    num_steps: tf.Tensor,
    start: tf.Tensor,
    shape: tuple[int, ...],
) -> Step:
    """Describes step `index` of rows that take `num_steps` steps each.

    Args:
        sampler: names the spacing.
        schedule: the noise schedule.
        seeds: int64 `(batch,)`.
        index: int32 `(batch,)`.
        num_steps: int32 `(batch,)`.
        start: int32 `(batch,)`, number of the row's first step.
        shape: shape of a row of x.
    """
    levels = [level_at(sampler, schedule, index + k, num_steps) for k in (-1, 0, 1)]
    is_first = index <= start
    stream = 1 + index[:, tf.newaxis] * _DRAWS_PER_STEP
    return Step(
        schedule=schedule,
        index=index,
        num_steps=num_steps,
        previous=where_level(is_first, levels[1], levels[0]),
        now=levels[1],
        then=levels[2],
        is_first=is_first,
        is_last=index + 1 >= num_steps,
        noise=lambda k: random.row_normal(seeds, shape, stream + k),
    )


def initial_noise(seeds: tf.Tensor, shape: tuple[int, ...]) -> tf.Tensor:
    """The standard normal noise that a row begins with, `(batch, *shape)`."""
    return random.row_normal(seeds, shape, _INITIAL_STREAM)


def run_sampler(
    sampler: Sampler,
    schedule: NoiseSchedule,
    denoise: Callable[[tf.Tensor, Level, tf.Tensor], tf.Tensor],
    x: tf.Tensor,
    seeds: tf.Tensor,
    num_steps: tf.Tensor,
    start: tf.Tensor | None = None,
) -> tf.Tensor:
    """Runs all steps in one `while_loop`; a row that is done stands still.

    Memory does not grow with the number of steps, and a row's result does not depend
    on how many its neighbours take.

    Args:
        sampler: the sampler.
        schedule: the noise schedule.
        denoise: `denoise(x, level, x0)`, the data estimate, given the last one.
        x: float32 `(batch, ...)`, at the level of each row's first step.
        seeds: int64 `(batch,)`.
        num_steps: int32 `(batch,)`.
        start: int32 `(batch,)`, each row's first step; None for 0.

    Returns:
        float32 `(batch, ...)`, data.
    """
    num_steps = tf.cast(num_steps, tf.int32)
    start = tf.zeros_like(num_steps) if start is None else start
    states = tuple(tf.zeros_like(x) for _ in range(sampler.num_states))

    def body(
        k: tf.Tensor, x: tf.Tensor, x0: tf.Tensor, states: tuple[tf.Tensor, ...]
    ) -> tuple[Any, ...]:
        return k + 1, *advance(
            sampler, schedule, denoise, (x, x0, states), seeds, k, num_steps, start
        )

    last = tf.reduce_max(num_steps)
    _, x, _, _ = tf.while_loop(
        lambda k, *_: k < last,
        body,
        (tf.reduce_min(start), x, tf.zeros_like(x), states),
        parallel_iterations=1,
    )
    return x


def advance(
    sampler: Sampler,
    schedule: NoiseSchedule,
    denoise: Callable[[tf.Tensor, Level, tf.Tensor], tf.Tensor],
    carried: tuple[tf.Tensor, tf.Tensor, tuple[tf.Tensor, ...]],
    seeds: tf.Tensor,
    k: tf.Tensor,
    num_steps: tf.Tensor,
    start: tf.Tensor,
) -> tuple[tf.Tensor, tf.Tensor, tuple[tf.Tensor, ...]]:
    """Takes step `k`; rows that have not begun or are done stand still.

    Args:
        sampler: the sampler.
        schedule: the noise schedule.
        denoise: `denoise(x, level, x0)`, the data estimate, given the last one.
        carried: x, the last data estimate, and the sampler's states.
        seeds: int64 `(batch,)`.
        k: int32 scalar, number of the step.
        num_steps: int32 `(batch,)`.
        start: int32 `(batch,)`, each row's first step.

    Returns:
        What is carried to the next step.
    """
    x, x0, states = carried
    index = tf.zeros_like(num_steps) + k
    shape = tuple(x.shape[1:])
    step = make_step(sampler, schedule, seeds, index, num_steps, start, shape)
    new = sampler.step(lambda y, level: denoise(y, level, x0), x, states, step)
    moving = expand((index >= start) & (index < num_steps), x)

    def keep(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
        return tf.ensure_shape(tf.where(moving, a, b), b.shape)

    kept_states = tuple(keep(a, b) for a, b in zip(new[2], states, strict=True))
    return keep(new[0], x), keep(new[1], x0), kept_states
