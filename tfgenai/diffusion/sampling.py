"""How a diffusion model samples: from noise, from an image, or around a known part."""

from collections.abc import Callable, Hashable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from tfgenai.core.conditions import Condition, check_conditions
from tfgenai.core.generation import Generation, require_positive
from tfgenai.diffusion.guidance import GUIDANCE_SCALE, Guidance, NoGuidance
from tfgenai.diffusion.levels import Level, expand
from tfgenai.diffusion.parts import make_sampler
from tfgenai.diffusion.predictions import Prediction
from tfgenai.diffusion.samplers.sampler import (
    Sampler,
    initial_noise,
    level_at,
    run_sampler,
)
from tfgenai.diffusion.schedules import NoiseSchedule
from tfgenai.diffusion.thresholding import threshold

NUM_STEPS = "num_steps"
# More than any published sampler takes, and what continuous time allows.
MAX_NUM_STEPS = 1000

Project = Callable[[tf.Tensor], tf.Tensor]


class Sampling(Generation):
    """The part of `DiffusionModel` that runs samplers."""

    schedule: NoiseSchedule
    prediction: Prediction
    sampler: Sampler
    guidance: Guidance
    data_shape: tuple[int, ...]
    image_shape: tuple[int, ...] | None
    thresholding: str
    condition_dropout: float
    data_conditions: Callable[[], tuple[Condition, ...]]

    @property
    def output_name(self) -> str:
        """Name of the samples in a signature's answer."""
        return "samples" if self.image_shape is None else "images"

    def conditions_with(
        self, sampler: Sampler, guidance: Guidance, max_num_steps: int | None = None
    ) -> tuple[Condition, ...]:
        """What a caller may say of each sample, with that sampler and guidance."""
        limit = max_num_steps or self.schedule.num_timesteps or MAX_NUM_STEPS
        num_steps = Condition(
            NUM_STEPS,
            "int32",
            minimum=1,
            maximum=limit,
            default=min(sampler.num_steps, limit),
            description="steps of the sampler",
        )
        return (*self.data_conditions(), num_steps, *guidance.conditions(self))

    def generate(  # type: ignore[override]  # sampler and guidance besides
        self,
        n: int = 1,
        *,
        seed: Any = None,
        batch_size: int | None = None,
        jit_compile: bool = False,
        sampler: str | Sampler | None = None,
        guidance: Guidance | None = None,
        **conditions: Any,
    ) -> np.ndarray:
        """Draws samples with the averaged weights.

        Args:
            n: number of samples.
            seed: an int, expanded to one seed a row; or the `n` row seeds; None means
                the model's seed.
            batch_size: rows per call of the network; default `min(n, 256)`.
            jit_compile: whether XLA compiles the sampler.
            sampler: name or object; None for the model's own.
            guidance: how samples are guided; None for the model's own: classifier-free
                where it was trained with `condition_dropout`, otherwise none.
            **conditions: `labels`, `vector` and `context` where the model takes them,
                `num_steps`, and the guidance's knobs; one value for all rows, or one
                per row.

        Returns:
            float32 `(n, ...)`.

        Raises:
            ValueError: if a number is out of range, a required condition is missing,
                the sampler does not fit the model, or guidance was asked of a model
                that cannot be guided.
            TypeError: if a condition is unknown or of the wrong kind.
        """
        require_positive("n", n)
        if batch_size is not None:
            require_positive("batch_size", batch_size)
        sampler, guidance = self.resolve(sampler, guidance)
        rows = self.check_rows_of(n, sampler, guidance, conditions)
        return self.run_in_batches(
            self.compiled_run(sampler, guidance, jit_compile),
            {"seeds": self.check_row_seeds(seed, n), **rows},
            batch_size,
        )

    def sample(self, seeds: tf.Tensor, **rows: tf.Tensor) -> tf.Tensor:
        """Samples of the model's own sampler; see the base class."""
        return self.sample_with(self.sampler, self.guidance, seeds, rows)

    def sample_with(
        self,
        sampler: Sampler,
        guidance: Guidance,
        seeds: tf.Tensor,
        rows: Mapping[str, tf.Tensor],
        *,
        x: tf.Tensor | None = None,
        start: tf.Tensor | None = None,
        project: Project | None = None,
    ) -> tf.Tensor:
        """Runs a sampler as a pure function of its arguments, safe inside a graph.

        Args:
            sampler: the sampler.
            guidance: the guidance.
            seeds: int64 `(batch,)`.
            rows: conditions and knobs by name, `num_steps` among them.
            x: float32 `(batch, ...)` at the level of step `start`; None for noise.
            start: int32 `(batch,)`, the first step of each row; None for 0.
            project: applied to every data estimate, for example to put known pixels in.

        Returns:
            float32 `(batch, ...)`, samples as `decode_samples` gives them.
        """
        num_steps = rows[NUM_STEPS]
        if x is None:
            x = self.initial_x(sampler, seeds, num_steps)
        denoise = self.make_denoise(guidance, rows, project)
        x0 = run_sampler(sampler, self.schedule, denoise, x, seeds, num_steps, start)
        return self.decode_samples(x0, rows)

    def encode_data(self, x: tf.Tensor, rows: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """What is diffused, from what a caller gives; here the same.

        Args:
            x: float32 `(batch, ...)`, data such as images.
            rows: conditions by name.

        Returns:
            float32 `(batch, *data_shape)`.
        """
        return x

    def decode_samples(self, x: tf.Tensor, rows: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """What a caller gets, from what was diffused; inverse of `encode_data`."""
        return x

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """Shape of one example as a caller sees it."""
        return self.data_shape if self.image_shape is None else self.image_shape

    def initial_x(
        self, sampler: Sampler, seeds: tf.Tensor, num_steps: tf.Tensor
    ) -> tf.Tensor:
        """The noise that sampling begins with, at the level of the first step."""
        noise = initial_noise(seeds, self.data_shape)
        return self.at_first_level(sampler, noise, num_steps)

    def at_first_level(
        self, sampler: Sampler, noise: tf.Tensor, num_steps: tf.Tensor
    ) -> tf.Tensor:
        """Standard normal noise as sampling begins with it."""
        if self.schedule.variance_preserving:
            return noise
        first = level_at(sampler, self.schedule, tf.zeros_like(num_steps), num_steps)
        return expand(first.sigma, noise) * noise

    def make_denoise(
        self,
        guidance: Guidance,
        rows: Mapping[str, tf.Tensor],
        project: Project | None = None,
    ) -> Callable[[tf.Tensor, Level, tf.Tensor], tf.Tensor]:
        """The data estimate of a step, guided and kept in range."""

        def denoise(x: tf.Tensor, level: Level, previous: tf.Tensor) -> tf.Tensor:
            x0 = guidance.estimate(self, x, level, rows, previous)
            x0 = threshold(x0, self.thresholding)
            return x0 if project is None else project(x0)

        return denoise

    def resolve(
        self, sampler: str | Sampler | None, guidance: Guidance | None
    ) -> tuple[Sampler, Guidance]:
        """The sampler and the guidance of a call, held against the model.

        Raises:
            ValueError: if the sampler is unknown, or one of them does not fit.
            TypeError: if one of them is something else.
        """
        if guidance is None:
            guidance = self.guidance
        elif not isinstance(guidance, Guidance):
            raise TypeError(
                "A Guidance, or None for the model's own, was expected. Received: "
                f"guidance={guidance!r}. A scale is given as guidance_scale."
            )
        else:
            guidance.check(self)
        if sampler is None:
            return self.sampler, guidance
        return make_sampler(sampler, self.schedule, self.prediction), guidance

    def check_rows_of(
        self,
        n: int,
        sampler: Sampler,
        guidance: Guidance,
        conditions: Mapping[str, Any],
    ) -> dict[str, np.ndarray]:
        """A call's conditions, checked, one array `(n, ...)` for each.

        Raises:
            ValueError: if a value does not fit, or guidance is asked of a model that
                cannot be guided.
            TypeError: if a name is unknown.
        """
        known = self.conditions_with(sampler, guidance)
        if conditions.get(GUIDANCE_SCALE) is not None and GUIDANCE_SCALE not in {
            c.name for c in known
        }:
            reason = (
                "the model has no conditions to follow"
                if not self.data_conditions()
                else "it was trained with condition_dropout=0"
                if isinstance(guidance, NoGuidance)
                else f"{type(guidance).__name__} has a scale of its own"
            )
            raise ValueError(
                "A model that can be guided was expected. Received: "
                f"guidance_scale={conditions[GUIDANCE_SCALE]}, but {reason}. Leave it "
                "out, or train a conditional model with condition_dropout=0.1."
            )
        return check_conditions(known, conditions, n)

    def compiled_run(
        self, sampler: Sampler, guidance: Guidance, jit_compile: bool
    ) -> Any:
        """The graph of `sample_with` for one sampler and guidance."""
        key = sampling_key("sample", sampler, guidance)

        def run(seeds: tf.Tensor, **rows: tf.Tensor) -> tf.Tensor:
            return self.sample_with(sampler, guidance, seeds, rows)

        return self.compiled_sampler(key, run, jit_compile)


def sampling_key(function: Hashable, sampler: Sampler, guidance: Guidance) -> Hashable:
    """What tells the graph of a function with a sampler and a guidance from others."""
    return (function, type(sampler), str(sampler.get_config()), guidance)
