"""Distillation: a student that draws in a few steps what its teacher draws in many."""

from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf

from tfgenai.core import random
from tfgenai.core.conditions import Condition
from tfgenai.core.copies import copy_of, frozen_copy
from tfgenai.core.model import GenerativeModel
from tfgenai.core.reductions import weighted_mean
from tfgenai.diffusion.diffusion import DiffusionModel
from tfgenai.diffusion.guidance import GUIDANCE_SCALE
from tfgenai.diffusion.inversion import draws_noise
from tfgenai.diffusion.levels import Level, add_noise, clean_level
from tfgenai.diffusion.samplers.sampler import Sampler, level_at, make_step

_INDEX_STREAM, _NOISE_STREAM = 1, 2
# Errors of the output that sampling from noise makes larger than this are hopeless.
_LARGEST_ERROR_SCALE = 1000.0


class Distillation(GenerativeModel):
    """Base: a frozen teacher, a student of the same noise levels, and their loss.

    A subclass sets `num_levels`, the levels at which the student is trained, and
    `solver` before `make_parts`, and writes `row_losses`. Where the teacher is guided,
    so is what the student learns: it needs no guidance and half the calls of a network;
    Meng et al. 2023, "On Distillation of Guided Diffusion Models", arXiv:2210.03142,
    section 3.1, for one scale.
    """

    num_levels: int
    solver: Sampler

    def make_parts(
        self,
        teacher: DiffusionModel,
        initial_student: DiffusionModel | None,
        guidance_scale: float | None,
        sampler: Sampler,
    ) -> None:
        """Makes teacher and student; to be called before `finish_init`.

        Args:
            teacher: the model to learn from; it is copied.
            initial_student: the model to begin with, or None for the teacher.
            guidance_scale: the scale of the teacher, or None for its own.
            sampler: the student's sampler.
        """
        self.guidance_scale = guidance_scale
        self._student_is_given = initial_student is not None
        self.teacher = frozen_copy(teacher)
        self.student_model = copy_of(
            teacher if initial_student is None else initial_student,
            like={
                "name": "student",
                "dtype": keras.dtype_policies.serialize(self.dtype_policy),
                "condition_dropout": 0.0,
                "guidance_scale": 1.0,
                "sampler": keras.saving.serialize_keras_object(sampler),
            },
        )
        self.image_shape = teacher.image_shape
        self.num_classes = teacher.num_classes

    def student(self) -> DiffusionModel:
        """The student as a model of its own, with the averaged weights.

        Returns:
            A new model of the teacher's class, not compiled, whose sampler takes as
            many steps as it was distilled for.
        """
        with self.ema.applied():
            return copy_of(self.student_model)

    def averaged_weights(self) -> list[keras.Variable]:
        """The student's."""
        return self.student_model.averaged_weights()

    # ---- training ------------------------------------------------------------

    def row_losses(
        self,
        x: tf.Tensor,
        index: tf.Tensor,
        level: Level,
        rows: Mapping[str, tf.Tensor],
        *,
        training: bool,
    ) -> tf.Tensor:
        """The loss of each row.

        Args:
            x: float32 `(batch, ...)`, noisy data.
            index: int32 `(batch,)` in 0 … num_levels - 1, number of their level.
            level: that level.
            rows: conditions by name.
            training: whether the student's layers behave as in training.

        Returns:
            float32 `(batch,)`.
        """
        raise NotImplementedError

    def compute_losses(
        self,
        x: tf.Tensor,
        y: Any,
        sample_weight: tf.Tensor | None,
        *,
        seed: tf.Tensor,
        training: bool,
    ) -> dict[str, tf.Tensor]:
        """The mean of `row_losses` at levels drawn uniformly."""
        teacher = self.teacher
        x, rows = teacher.diffused_batch(x, y)
        size = tf.shape(x)[:1]
        # Not `random.integers`: tests and replicas know one source of uniform noise.
        u = random.uniform(random.fold(seed, _INDEX_STREAM), size)
        index = tf.cast(u * float(self.num_levels), tf.int32)
        level = level_at(
            self.solver, teacher.schedule, index, tf.fill(size, self.num_levels)
        )
        noise = random.normal(random.fold(seed, _NOISE_STREAM), tf.shape(x))
        noisy = add_noise(x, noise, level)
        losses = self.row_losses(noisy, index, level, rows, training=training)
        return {"loss": weighted_mean(losses, sample_weight)}

    def teacher_step(
        self,
        x: tf.Tensor,
        index: tf.Tensor,
        num_steps: int,
        rows: Mapping[str, tf.Tensor],
    ) -> tuple[tf.Tensor, Level]:
        """One step of the teacher's solver, guided, without a gradient.

        Args:
            x: float32 `(batch, ...)` at the level of step `index`.
            index: int32 `(batch,)`.
            num_steps: steps that a whole trajectory has.
            rows: conditions by name.

        Returns:
            x at the next level, and that level.
        """
        teacher = self.teacher
        knobs = teacher.guidance.conditions(teacher)
        values = {c.name: c.default for c in knobs if c.is_knob}
        if self.guidance_scale is not None:
            values[GUIDANCE_SCALE] = self.guidance_scale
        rows = {
            **rows,
            **{k: tf.fill(tf.shape(index), float(v)) for k, v in values.items()},
        }
        denoise = teacher.make_denoise(teacher.guidance, rows)
        step = make_step(
            self.solver,
            teacher.schedule,
            tf.zeros_like(index, tf.int64),
            index,
            tf.fill(tf.shape(index), num_steps),
            index,
            tuple(x.shape[1:]),
        )
        nothing = tf.zeros_like(x)
        result, _, _ = self.solver.step(
            lambda y, level: denoise(y, level, nothing), x, (), step
        )
        return tf.stop_gradient(result), step.then

    def student_estimate(
        self,
        x: tf.Tensor,
        level: Level,
        rows: Mapping[str, tf.Tensor],
        *,
        training: bool,
    ) -> tf.Tensor:
        """The student's data estimate, float32 like `x`."""
        return self.student_model.data_estimate(x, level, rows, training=training)

    # ---- sampling ------------------------------------------------------------

    @property
    def output_name(self) -> str:
        """Name of the samples in a signature's answer."""
        return self.student_model.output_name

    def conditions(self) -> tuple[Condition, ...]:
        """The student's."""
        return self.student_model.conditions()

    def sample(self, seeds: tf.Tensor, **rows: tf.Tensor) -> tf.Tensor:
        """The student's samples."""
        return self.student_model.sample(seeds, **rows)

    def get_config(self) -> dict[str, Any]:
        """The base's constructor arguments; subclasses add theirs."""
        serialize = keras.saving.serialize_keras_object
        return {
            **super().get_config(),
            "teacher": serialize(self.teacher),
            "initial_student": (
                serialize(self.student_model) if self._student_is_given else None
            ),
            "guidance_scale": self.guidance_scale,
        }


def check_pair(
    teacher: Any, student: Any, guidance_scale: float | None, *, has_boundary: bool
) -> None:
    """Refuses a teacher or a student that cannot be used.

    Args:
        teacher: the teacher.
        student: the model to begin with, or None.
        guidance_scale: the scale of the teacher, or None.
        has_boundary: whether the student's estimate must be exact on clean data.

    Raises:
        TypeError: if one is no diffusion model.
        ValueError: with the way out.
    """
    for name, model in (("teacher", teacher), ("initial_student", student)):
        if model is None and name == "initial_student":
            return
        if not isinstance(model, DiffusionModel):
            raise TypeError(
                f"A DiffusionModel was expected. Received: {name} of type "
                f"{type(model).__name__}."
            )
        if model.self_conditioning:
            raise ValueError(
                "A model without self-conditioning was expected: a single step has no "
                f"estimate before it. Received: {name} with self_conditioning=True."
            )
        if name == "teacher":
            _check_scale(model, guidance_scale)
        if name == "initial_student" or student is None:
            _check_prediction(model, has_boundary=has_boundary)
    config = keras.saving.serialize_keras_object
    for what, one, other in (
        ("data_shape", teacher.data_shape, student.data_shape),
        ("noise_schedule", config(teacher.schedule), config(student.schedule)),
        ("conditions", teacher.data_conditions(), student.data_conditions()),
    ):
        if one != other:
            raise ValueError(
                f"The teacher's {what} was expected of the student. Received: "
                f"{other} instead of {one}. Make the student alike; its network may "
                "be smaller."
            )


def check_solver(solver: Sampler, num_steps: int, model: DiffusionModel) -> None:
    """Refuses a solver that does not walk along a trajectory step by step.

    Raises:
        ValueError: with the way out.
    """
    if solver.num_states or draws_noise(solver, model.schedule):
        raise ValueError(
            "A deterministic solver that needs no step before was expected. Received: "
            f"solver={type(solver).__name__}. Use 'ddim' or 'heun'."
        )
    limit = model.schedule.num_timesteps
    if num_steps < 1 or (limit is not None and num_steps > limit):
        raise ValueError(
            f"Between 1 and {limit or 'any number of'} steps of the teacher were "
            f"expected. Received: {num_steps}. Take fewer."
        )


def _check_scale(teacher: DiffusionModel, guidance_scale: float | None) -> None:
    if guidance_scale is None:
        return
    if not teacher.condition_dropout or not guidance_scale >= 0:
        raise ValueError(
            "A scale of 0 or more and a teacher trained with condition_dropout were "
            f"expected. Received: guidance_scale={guidance_scale}, condition_dropout="
            f"{teacher.condition_dropout}. Leave the scale out."
        )


def _check_prediction(model: DiffusionModel, *, has_boundary: bool) -> None:
    noise = model.schedule.level(tf.constant([1.0]))
    clean = clean_level(noise.time)
    largest = float(model.prediction.error_scale(noise)[0])
    smallest = float(model.prediction.error_scale(clean)[0])
    name = f"prediction_type={model.prediction.name!r}"
    if not largest <= _LARGEST_ERROR_SCALE:
        raise ValueError(
            "A prediction that says something of the data at time 1 was expected, for "
            f"steps that begin there. Received: {name}, whose errors count "
            f"{largest:.0f} times there. Train the teacher with 'velocity', or give an "
            "initial_student that has it."
        )
    if has_boundary and smallest != 0.0:
        raise ValueError(
            "A prediction whose data estimate is exact where there is no noise was "
            f"expected. Received: {name}. Train the teacher with 'velocity', 'flow' "
            "or 'edm', or give an initial_student that has it."
        )
