"""Progressive distillation: a step of the student ends where two of the teacher do."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from distillable import (
    exact_end,
    exact_teacher,
    fresh_student,
    gaussian_data,
    noise,
)

from tfgenai.diffusion import ProgressiveDistillation, distill_progressively


class GivesTheTarget(ProgressiveDistillation):
    """With a student's estimate that the test chooses."""

    def student_estimate(self, x, level, rows, *, training):
        return self.chosen


def ddim(teacher, x, start, end):
    """One DDIM step between two times, derived from equation 12 with NumPy."""
    now = teacher.schedule.level(tf.fill((len(x),), np.float32(start)))
    x0 = teacher.call(tf.constant(x, tf.float32), now.time).numpy()
    alpha, sigma = now.alpha.numpy()[:, None], now.sigma.numpy()[:, None]
    if end == 0.0:
        return x0
    then = teacher.schedule.level(tf.fill((len(x),), np.float32(end)))
    eps = (x - alpha * x0) / sigma
    return then.alpha.numpy()[:, None] * x0 + then.sigma.numpy()[:, None] * eps


@pytest.mark.parametrize("schedule", ["cosine", "karras", "rectified_flow"])
@pytest.mark.parametrize("index", [0, 2])
def test_the_target_brings_one_step_to_the_end_of_two(schedule, index):
    teacher = exact_teacher(schedule)
    model = GivesTheTarget(teacher, 3, initial_student=fresh_student(schedule))
    now, then = 1.0 - index / 3, 1.0 - (index + 1) / 3
    then = 0.0 if index == 2 else then
    level = teacher.schedule.level(tf.fill((4,), now))
    x = noise(4) * float(level.sigma[0])
    end = ddim(teacher, ddim(teacher, x, now, now - 1 / 6), now - 1 / 6, then)
    # the estimate with which x's line through (alpha, sigma) passes through the end
    if then == 0.0:
        target = end
    else:
        after = teacher.schedule.level(tf.fill((4,), then))
        factors = np.array(
            [
                [level.alpha[0], level.sigma[0]],
                [after.alpha[0], after.sigma[0]],
            ],
            np.float64,
        )
        flat = np.stack([x.ravel(), end.ravel()])
        target = np.linalg.solve(factors, flat)[0].reshape(x.shape)
    weight = max(float(level.snr[0]), 1.0)
    for error in (0.0, 0.5):
        model.chosen = tf.constant(target + error, tf.float32)
        losses = model.row_losses(
            tf.constant(x), tf.fill((4,), index), level, {}, training=False
        )
        np.testing.assert_allclose(
            losses, weight * error**2, rtol=1e-3, atol=1e-6 * weight
        )


def test_rounds_halve_the_steps_and_each_has_its_callbacks():
    rounds = []

    def callbacks(steps):
        rounds.append(steps)
        return []

    student = distill_progressively(
        fresh_student(),
        noise(8),
        from_steps=8,
        num_steps=2,
        callbacks=callbacks,
        optimizer=lambda: keras.optimizers.SGD(1e-3),
        jit_compile=False,
        verbose=0,
    )
    assert rounds == [4, 2]
    assert student.sampler.num_steps == 2


@pytest.mark.parametrize(("from_steps", "num_steps"), [(6, 4), (12, 4), (4, 4), (0, 1)])
def test_other_numbers_of_steps_are_refused(from_steps, num_steps):
    with pytest.raises(ValueError, match=f"from_steps={from_steps}"):
        distill_progressively(
            fresh_student(), noise(8), from_steps=from_steps, num_steps=num_steps
        )


@pytest.mark.slow
def test_one_step_of_the_last_student_is_many_of_the_teacher():
    """Sixteen DDIM steps; a single one of the teacher misses their end by 0.98."""

    def optimizer():
        rate = keras.optimizers.schedules.CosineDecay(4e-3, 400, 0.02)
        return keras.optimizers.Adam(rate)

    teacher = exact_teacher()
    first = ProgressiveDistillation(teacher, 8, initial_student=fresh_student())
    first.compile(optimizer())
    first.fit(gaussian_data(), steps_per_epoch=400, verbose=0)
    student = distill_progressively(
        first.student(),
        gaussian_data().take(400),
        from_steps=8,
        num_steps=1,
        optimizer=optimizer,
        verbose=0,
    )
    x = noise(512)
    found = student.generate_from(x)
    many = teacher.generate_from(x, num_steps=16)
    assert np.sqrt(np.mean((found - many) ** 2)) < 0.1
    exact = exact_end(x, teacher.schedule.level(tf.ones((1,))))
    assert np.sqrt(np.mean((found - exact) ** 2)) < 0.2
