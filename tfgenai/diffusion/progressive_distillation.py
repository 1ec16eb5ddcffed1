"""ProgressiveDistillation: a student whose step is worth two of its teacher's."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

from tfgenai.diffusion.diffusion import DiffusionModel
from tfgenai.diffusion.distill import Distillation, check_pair, check_solver
from tfgenai.diffusion.levels import Level, expand
from tfgenai.diffusion.samplers import DDIM


@keras.saving.register_keras_serializable("tfgenai")
class ProgressiveDistillation(Distillation):
    """One round: a student of N DDIM steps from a teacher of 2 N.

    Salimans & Ho 2022, "Progressive Distillation for Fast Sampling of Diffusion
    Models", arXiv:2202.00512, algorithm 2. The student's data estimate is trained to be
    the one with which a single DDIM step ends where two steps of the teacher end.
    `distill_progressively` runs round after round.

    - `loss`: the squared error of that estimate, averaged over the example, times
      max(SNR, 1) (section 4), averaged over the batch.

    Args:
        teacher: the trained model; it is copied, with its averaged weights.
        num_steps: steps of the student, N.
        guidance_scale: guidance scale of the teacher, which the student then has
            without guidance; None for the teacher's own.
        initial_student: a model to begin with, of the teacher's schedule, shape and
            conditions; None for a copy of the teacher.
        seed: seed of all noise in training.
        ema_decay: decay of the averaged weights that `student()` has, an `EMADecay`, or
            None.
        name: name of the model.
        dtype: dtype policy of the student.

    Raises:
        TypeError: if teacher or student is no diffusion model.
        ValueError: if an argument is out of range, or teacher and student do not fit.

    Example:
        >>> from tfgenai.diffusion import DiffusionModel
        >>> model = DiffusionModel(data_shape=(2,))
        >>> student = ProgressiveDistillation(model, 8).student()
        >>> student.sampler.num_steps
        8
    """

    def __init__(
        self,
        teacher: DiffusionModel,
        num_steps: int = 4,
        *,
        guidance_scale: float | None = None,
        initial_student: DiffusionModel | None = None,
        seed: int = 0,
        ema_decay: Any = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        check_pair(teacher, initial_student, guidance_scale, has_boundary=False)
        sampler = DDIM(num_steps)
        check_solver(sampler, 2 * num_steps, teacher)
        super().__init__(seed=seed, ema_decay=ema_decay, name=name, dtype=dtype)
        self.num_steps = num_steps
        self.num_levels = num_steps
        self.solver = sampler
        self.make_parts(teacher, initial_student, guidance_scale, sampler)
        self.finish_init()

    def row_losses(
        self,
        x: tf.Tensor,
        index: tf.Tensor,
        level: Level,
        rows: Mapping[str, tf.Tensor],
        *,
        training: bool,
    ) -> tf.Tensor:
        """Algorithm 2; see the class and the base class."""
        half, _ = self.teacher_step(x, 2 * index, 2 * self.num_steps, rows)
        end, then = self.teacher_step(half, 2 * index + 1, 2 * self.num_steps, rows)
        # The data estimate of a DDIM step from x to `end`; appendix G.
        share = then.sigma / level.sigma
        target = (end - expand(share, x) * x) / expand(
            then.alpha - share * level.alpha, x
        )
        estimate = self.student_estimate(x, level, rows, training=training)
        axes = list(range(1, x.shape.rank))
        squared = tf.reduce_mean((estimate - tf.stop_gradient(target)) ** 2, axis=axes)
        return tf.maximum(level.snr, 1.0) * squared

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "num_steps": self.num_steps}


def distill_progressively(
    teacher: DiffusionModel,
    data: Any,
    *,
    from_steps: int,
    num_steps: int = 4,
    epochs: int = 1,
    optimizer: Callable[[], Any] | str = "adam",
    guidance_scale: float | None = None,
    callbacks: Callable[[int], Sequence[Any]] | None = None,
    jit_compile: bool | str = "auto",
    verbose: int | str = "auto",
    **options: Any,
) -> DiffusionModel:
    """Halves the number of steps, round after round, until few are left.

    Each round is a `ProgressiveDistillation` whose teacher is the student before it;
    Salimans & Ho 2022, arXiv:2202.00512, algorithm 2, outer loop. With a
    `tfgenai.train.Backup` in each round, of a folder of its own, a killed run goes on
    where it was.

    Args:
        teacher: the trained model.
        data: what `fit` takes.
        from_steps: DDIM steps at which the teacher is good enough.
        num_steps: steps of the last student; `from_steps` is this times a power of 2.
        epochs: epochs of each round.
        optimizer: name of an optimizer, or a function that makes one for each round.
        guidance_scale: guidance scale of the first teacher; None for its own.
        callbacks: `callbacks(num_steps)` makes the callbacks of the round whose student
            takes so many steps.
        jit_compile: as for `compile`.
        verbose: as for `fit`.
        **options: further arguments of `ProgressiveDistillation`, such as `ema_decay`.

    Returns:
        The last student.

    Raises:
        ValueError: if `from_steps` is not `num_steps` times a power of 2.

    Example:
        ```python
        fast = distill_progressively(model, data, from_steps=32, num_steps=4, epochs=5)
        fast.generate(16, labels=3)
        ```
    """
    ratio = from_steps // max(num_steps, 1)
    if num_steps < 1 or ratio * num_steps != from_steps or ratio & (ratio - 1):
        raise ValueError(
            "from_steps, a number of at least two times num_steps and a power of 2 "
            f"times it, was expected. Received: from_steps={from_steps}, num_steps="
            f"{num_steps}. For 4 steps: 8, 16, 32, 64, …"
        )
    if ratio < 2:
        raise ValueError(
            "More steps than the student's were expected of the teacher. Received: "
            f"from_steps={from_steps}, num_steps={num_steps}."
        )
    model, steps = teacher, from_steps
    while steps > num_steps:
        steps //= 2
        round_ = ProgressiveDistillation(
            model, steps, guidance_scale=guidance_scale, **options
        )
        guidance_scale = None  # what the first student has learned, the next ones copy
        round_.compile(
            optimizer() if callable(optimizer) else optimizer, jit_compile=jit_compile
        )
        round_.fit(
            data,
            epochs=epochs,
            callbacks=None if callbacks is None else list(callbacks(steps)),
            verbose=verbose,
        )
        model = round_.student()
    return model
