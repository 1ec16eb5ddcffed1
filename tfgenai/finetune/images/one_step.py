"""A generator of one step, trained on noise and what a diffusion model made of it."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfgenai.core import random
from tfgenai.core.generation import require_positive
from tfgenai.core.reductions import weighted_mean
from tfgenai.diffusion.diffusion import DiffusionModel
from tfgenai.diffusion.distill import Distillation, check_pair, check_solver
from tfgenai.diffusion.samplers import DDIM
from tfgenai.diffusion.samplers.sampler import initial_noise, level_at


@keras.saving.register_keras_serializable("tfgenai")
class OneStepDistillation(Distillation):
    """Distils a diffusion model into a function from noise to a sample.

    Luhman & Luhman 2021, "Knowledge Distillation in Iterative Generative Models for
    Improved Sampling Speed", arXiv:2101.02388: a deterministic sampler
    makes a sample of each noise, and the student learns to make it at once. `fit` takes
    `((noise, samples), y)`; `distill_one_step` makes them. Unlike
    `ConsistencyDistillation` it needs no data, and runs the teacher only beforehand.

    - `loss`: the squared error of the student's sample, averaged over the example and
      the batch.

    Args:
        teacher: the trained model; it is copied.
        initial_student: a model to begin with, of the teacher's schedule, shape and
            conditions, such as a smaller one; None for a copy of the teacher.
        seed: seed of dropout in training.
        ema_decay: decay of the averaged weights that `student()` has, an `EMADecay`, or
            None.
        name: name of the model.
        dtype: dtype policy of the student.

    Raises:
        TypeError: if teacher or student is no diffusion model.
        ValueError: if teacher and student do not fit.

    Example:
        >>> student = OneStepDistillation(DiffusionModel(data_shape=(2,))).student()
        >>> student.sampler.num_steps
        1
    """

    def __init__(
        self,
        teacher: DiffusionModel,
        *,
        initial_student: DiffusionModel | None = None,
        seed: int = 0,
        ema_decay: Any = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        check_pair(teacher, initial_student, None, has_boundary=False)
        super().__init__(seed=seed, ema_decay=ema_decay, name=name, dtype=dtype)
        self.solver = DDIM(1)
        self.make_parts(teacher, initial_student, None, self.solver)
        self.finish_init()

    def compute_losses(
        self,
        x: tuple[tf.Tensor, tf.Tensor],
        y: Any,
        sample_weight: tf.Tensor | None,
        *,
        seed: tf.Tensor,
        training: bool,
    ) -> dict[str, tf.Tensor]:
        """The loss of a batch of x = (standard normal noise, samples)."""
        noise, samples = x
        target, rows = self.teacher.diffused_batch(samples, y)
        zeros = tf.zeros(tf.shape(target)[:1], tf.int32)
        level = level_at(self.solver, self.teacher.schedule, zeros, zeros + 1)
        start = self.teacher.at_first_level(self.solver, noise, zeros + 1)
        estimate = self.student_estimate(start, level, rows, training=training)
        squared = (estimate - target) ** 2
        losses = tf.reduce_mean(squared, axis=list(range(1, target.shape.rank)))
        return {"loss": weighted_mean(losses, sample_weight)}

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        config = super().get_config()
        del config["guidance_scale"]  # it is in the samples
        return config


def distill_one_step(
    teacher: DiffusionModel,
    *,
    num_pairs: int = 10_000,
    num_steps: int = 50,
    epochs: int = 10,
    batch_size: int = 128,
    optimizer: Any = "adam",
    initial_student: DiffusionModel | None = None,
    callbacks: Sequence[Any] | None = None,
    seed: int = 0,
    ema_decay: Any = None,
    verbose: int | str = "auto",
    **conditions: Any,
) -> DiffusionModel:
    """A model that draws in one step what its teacher draws in many.

    See `OneStepDistillation`. The pairs are DDIM's: Song et al. 2021, arXiv:2010.02502,
    equation 12.

    Args:
        teacher: the trained model.
        num_pairs: pairs of noise and sample to learn from.
        num_steps: DDIM steps of the teacher.
        epochs: passes over the pairs.
        batch_size: pairs in a batch.
        optimizer: name of an optimizer, or a Keras optimizer.
        initial_student: a model to begin with; see `OneStepDistillation`.
        callbacks: as for `fit`.
        seed: seed of the noise.
        ema_decay: decay of averaged weights, which the result then has as its own.
        verbose: as for `fit`.
        **conditions: what the teacher's `generate` takes, such as `guidance_scale`, one
            value for all pairs or one for each. Labels are all classes in equal numbers
            where none are given.

    Returns:
        A new model of the teacher's class whose sampler takes one step.

    Raises:
        TypeError: if a model is no diffusion model, or a condition unknown.
        ValueError: if a number is out of range, or teacher and student do not fit.

    Example:
        ```python
        fast = distill_one_step(model, num_pairs=20_000, epochs=20)
        fast.generate(16, labels=3)
        ```
    """
    for name, value in {"num_pairs": num_pairs, "epochs": epochs}.items():
        require_positive(name, value)
    distillation = OneStepDistillation(
        teacher, initial_student=initial_student, seed=seed, ema_decay=ema_decay
    )
    sampler = DDIM(num_steps)
    check_solver(sampler, num_steps, teacher)
    if teacher.num_classes is not None and "labels" not in conditions:
        conditions["labels"] = (
            np.arange(num_pairs, dtype=np.int32) % teacher.num_classes
        )
    rows = teacher.check_rows_of(num_pairs, sampler, teacher.guidance, conditions)
    seeds = random.row_seeds(seed, num_pairs)
    noise = initial_noise(tf.constant(seeds), teacher.data_shape).numpy()
    samples = teacher.generate(num_pairs, seed=seeds, sampler=sampler, **conditions)
    names = [condition.name for condition in teacher.data_conditions()]
    distillation.compile(optimizer)
    distillation.fit(
        (noise, samples),
        {name: rows[name] for name in names} or None,
        batch_size=batch_size,
        epochs=epochs,
        callbacks=None if callbacks is None else list(callbacks),
        verbose=verbose,
    )
    return distillation.student()
