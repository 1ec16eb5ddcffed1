"""ConsistencyDistillation: a student that jumps to the end of its teacher's path."""

from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf

from tfgenai.core.ema import WeightAverage
from tfgenai.core.ema_decay import resolve_decay
from tfgenai.core.registry import Registry
from tfgenai.diffusion.diffusion import DiffusionModel
from tfgenai.diffusion.distill import Distillation, check_pair, check_solver
from tfgenai.diffusion.levels import Level, expand, where_level
from tfgenai.diffusion.parts import make_sampler
from tfgenai.diffusion.samplers import Consistency, Sampler

DISTANCES: Registry[Any] = Registry("distance")

_HUBER_SCALE = 0.00054


@DISTANCES.register("l2")
def l2(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
    """Squared distance, averaged over the example; float32 `(batch,)`."""
    return tf.reduce_mean((a - b) ** 2, axis=list(range(1, a.shape.rank)))


@DISTANCES.register("pseudo_huber")
def pseudo_huber(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
    """sqrt(|a - b|² + c²) - c with c = 0.00054 sqrt(size); float32 `(batch,)`.

    Song & Dhariwal 2023, "Improved Techniques for Training Consistency Models",
    arXiv:2310.14189, equation 7.
    """
    squared = tf.reduce_sum((a - b) ** 2, axis=list(range(1, a.shape.rank)))
    c = _HUBER_SCALE * float(tf.TensorShape(a.shape[1:]).num_elements()) ** 0.5
    return tf.sqrt(squared + c * c) - c


@keras.saving.register_keras_serializable("tfgenai")
class ConsistencyDistillation(Distillation):
    """Distils a diffusion model into one that samples in one step, or in a few.

    Song et al. 2023, "Consistency Models", arXiv:2303.01469, algorithm 2. The student's
    data estimate f becomes the same at neighbouring points of a trajectory of its
    teacher, so that it is the trajectory's end:

        loss = E[d(f(x_t, t), f⁻(x_s, s))],  x_s = solver step of the teacher from x_t,

    where f⁻ has an average of the student's weights and no gradient. Trajectories end
    at time 0; there the data estimate of every prediction type that is taken is x
    itself, whatever the network says, which is the boundary condition (equation 5, with
    c_skip = 1 and c_out = 0).

    - `loss`: the mean distance, over the batch.

    Args:
        teacher: the trained model; it is copied, with its averaged weights.
        num_levels: levels of the teacher's trajectories, N of the paper.
        solver: `"ddim"`, `"heun"`, or another deterministic sampler, which makes the
            teacher's steps; of an object, the spacing counts and not its `num_steps`.
        distance: `"pseudo_huber"` or `"l2"`.
        target_decay: decay of the average f⁻, or None for the student's own weights.
        guidance_scale: guidance scale of the teacher, which the student then has
            without guidance; None for the teacher's own.
        initial_student: a model to begin with, of the teacher's schedule, shape and
            conditions; None for a copy of the teacher.
        num_steps: steps that the student's sampler takes where the caller says nothing.
        seed: seed of all noise in training.
        ema_decay: decay of the averaged weights that `student()` has, an `EMADecay`, or
            None.
        name: name of the model.
        dtype: dtype policy of the student.

    Raises:
        TypeError: if teacher or student is no diffusion model.
        ValueError: if an argument is out of range, or teacher, student and solver do
            not fit.

    Example:
        >>> from tfgenai.diffusion import DiffusionModel
        >>> distillation = ConsistencyDistillation(DiffusionModel(data_shape=(2,)))
        >>> student = distillation.student()  # after compile() and fit(data)
        >>> student.generate(3, num_steps=1).shape
        (3, 2)
    """

    def __init__(
        self,
        teacher: DiffusionModel,
        *,
        num_levels: int = 40,
        solver: str | Sampler = "ddim",
        distance: str = "pseudo_huber",
        target_decay: Any = 0.95,
        guidance_scale: float | None = None,
        initial_student: DiffusionModel | None = None,
        num_steps: int = 2,
        seed: int = 0,
        ema_decay: Any = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        check_pair(teacher, initial_student, guidance_scale, has_boundary=True)
        made = make_sampler(solver, teacher.schedule, teacher.prediction)
        check_solver(made, num_levels, teacher)
        DISTANCES.get(distance)
        decay = resolve_decay(target_decay)
        super().__init__(seed=seed, ema_decay=ema_decay, name=name, dtype=dtype)
        self.num_levels = num_levels
        self.solver = made
        self.distance = distance
        self.target_decay = target_decay
        self.num_steps = num_steps
        sampler = Consistency(num_steps, spacing=made.spacing)
        self.make_parts(teacher, initial_student, guidance_scale, sampler)
        self.finish_init()
        self.target = WeightAverage(
            self, self.student_model.averaged_weights(), decay, name="target"
        )

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
        following, then = self.teacher_step(x, index, self.num_levels, rows)
        at_end = index + 1 >= self.num_levels
        # At the end f is the identity; the network has no input there.
        inner = where_level(at_end, level, then)
        target = tf.where(
            expand(at_end, x),
            following,
            self.target_estimate(following, inner, rows),
        )
        estimate = self.student_estimate(x, level, rows, training=training)
        return DISTANCES.get(self.distance)(estimate, tf.stop_gradient(target))

    def target_estimate(
        self, x: tf.Tensor, level: Level, rows: Mapping[str, tf.Tensor]
    ) -> tf.Tensor:
        """f⁻, the data estimate with the target's weights; without a gradient."""
        with self.target.standing_in():
            estimate = self.student_estimate(x, level, rows, training=False)
        return tf.stop_gradient(estimate)

    def finish_step(self, losses: Mapping[str, tf.Tensor], x: Any) -> dict[str, Any]:
        """Moves the target, then as the base class."""
        self.target.update()
        return super().finish_step(losses, x)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        serialize = keras.saving.serialize_keras_object
        decay = self.target_decay
        return {
            **super().get_config(),
            "num_levels": self.num_levels,
            "solver": serialize(self.solver),
            "distance": self.distance,
            "target_decay": serialize(decay) if hasattr(decay, "factor") else decay,
            "num_steps": self.num_steps,
        }
