"""Consistency distillation, held against the exact end of the probability flow ODE."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from distillable import (
    MEAN,
    STD,
    ExactGaussian,
    exact_end,
    exact_teacher,
    fresh_student,
    gaussian_data,
    noise,
)

from tfgenai.diffusion import ConsistencyDistillation, DiffusionModel, Heun
from tfgenai.diffusion.consistency_distillation import l2, pseudo_huber
from tfgenai.diffusion.levels import expand


@keras.saving.register_keras_serializable("distill_tests")
class ExactConsistency(ExactGaussian):
    """The velocity whose data estimate is the end of the trajectory."""

    def call(self, x, time, condition=None, context=None, training=False):
        level = self.schedule.level(time)
        alpha, sigma = expand(level.alpha, x), expand(level.sigma, x)
        scale = STD / tf.sqrt(alpha**2 * STD**2 + sigma**2)
        return (alpha * x - (MEAN + scale * (x - alpha * MEAN))) / sigma


@keras.saving.register_keras_serializable("distill_tests")
class ExactVelocity(ExactGaussian):
    """The velocity of the teacher: a student that has learned nothing."""

    def call(self, x, time, condition=None, context=None, training=False):
        level = self.schedule.level(time)
        x0 = super().call(x, time)
        return (expand(level.alpha, x) * x - x0) / expand(level.sigma, x)


def loss_with(network, **options):
    student = DiffusionModel(
        data_shape=(2,), network=network, prediction_type="velocity"
    )
    model = ConsistencyDistillation(
        exact_teacher(), initial_student=student, distance="l2", **options
    )
    x = MEAN + STD * noise(256)
    found = model.compute_losses(
        tf.constant(x), None, None, seed=tf.constant([1, 2]), training=False
    )
    return float(found["loss"])


def test_the_exact_consistency_function_has_no_loss():
    """Closed form: what is left is the solver's error, of order 1 and of order 2."""
    ddim = [loss_with(ExactConsistency(), num_levels=n) for n in (20, 80)]
    heun = loss_with(ExactConsistency(), num_levels=20, solver=Heun(spacing="trailing"))
    assert ddim[0] < 1e-4
    assert heun < 0.1 * ddim[0]
    # the squared error of one step of order 1 falls with the fourth power: 4⁴ = 256
    assert 200.0 < ddim[0] / ddim[1] < 320.0
    assert loss_with(ExactVelocity(), num_levels=20) > 50.0 * ddim[0]


def test_distances_are_those_of_the_papers():
    a = tf.constant([[1.0, 2.0, 5.0], [0.0, 0.0, 0.0]])
    b = tf.constant([[1.0, 4.0, 1.0], [0.0, 0.0, 0.0]])
    np.testing.assert_allclose(l2(a, b), [20.0 / 3.0, 0.0], rtol=1e-6)
    c = 0.00054 * 3**0.5
    np.testing.assert_allclose(
        pseudo_huber(a, b), [np.sqrt(20.0 + c * c) - c, 0.0], rtol=1e-6
    )


def test_the_target_has_its_own_weights_and_no_gradient():
    model = ConsistencyDistillation(fresh_student(), num_levels=4, target_decay=0.9)
    x = tf.constant(noise(8))
    level = model.teacher.schedule.level(tf.fill((8,), 0.5))
    for variable in model.trainable_variables:
        variable.assign(variable.value + 0.1)
    # the shadows still are what the student began with
    begun = model.teacher.call(x, level.time)
    with tf.GradientTape() as tape:
        target = model.target_estimate(x, level, {})
    np.testing.assert_allclose(target, begun, atol=1e-6)
    variables = [v.value for v in model.trainable_variables]
    assert tape.gradient(target, variables) == [None] * len(variables)
    moved = model.student_estimate(x, level, {}, training=False)
    assert np.abs(moved - begun).max() > 1e-2
    # none of its own: the student's weights, still without a gradient
    model = ConsistencyDistillation(fresh_student(), target_decay=None)
    with tf.GradientTape() as tape:
        target = model.target_estimate(x, level, {})
    variables = [v.value for v in model.trainable_variables]
    assert tape.gradient(target, variables) == [None] * len(variables)


def test_the_target_follows_the_student():
    model = ConsistencyDistillation(fresh_student(), num_levels=4, target_decay=0.9)
    model.compile(keras.optimizers.SGD(0.1), jit_compile=False)
    weight, shadow = model.target.pairs[-1]
    before = shadow.numpy()
    model.fit(MEAN + STD * noise(8), verbose=0)
    decay = min(0.9, 1.0 / 10.0)  # of the first step
    expected = decay * before + (1.0 - decay) * weight.numpy()
    np.testing.assert_allclose(shadow.numpy(), expected, rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("schedule", "tolerance"), [("cosine", 0.2), ("rectified_flow", 0.2)]
)
def test_one_step_of_the_student_is_the_exact_flow_map(schedule, tolerance):
    """Closed form. The teacher's own single step, the mean, misses by 1.07."""
    model = ConsistencyDistillation(
        exact_teacher(schedule),
        initial_student=fresh_student(schedule),
        num_levels=12,
        solver="heun",
        num_steps=1,
        ema_decay=0.99,
    )
    rate = keras.optimizers.schedules.CosineDecay(4e-3, 800, 0.02)
    model.compile(keras.optimizers.Adam(rate))
    model.fit(gaussian_data(), steps_per_epoch=800, verbose=0)
    student = model.student()
    x = noise(512)
    expected = exact_end(x, student.schedule.level(tf.ones((1,))))
    found = student.generate(512, seed=3, num_steps=1)
    np.testing.assert_allclose(found.mean(0), MEAN, atol=0.2)
    np.testing.assert_allclose(found.std(0), STD, rtol=0.2)
    estimate = student.call(tf.constant(x), tf.ones((512,))).numpy()
    assert np.sqrt(np.mean((estimate - expected) ** 2)) < tolerance
