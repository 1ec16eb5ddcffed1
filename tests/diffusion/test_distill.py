"""What every distillation shares: teacher, guidance, files, students, refusals."""

import inspect
import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from distillable import SMALL, exact_teacher, fresh_student, gaussian_data, noise

import tfgenai as tg
from tfgenai.core import random
from tfgenai.diffusion import (
    ConsistencyDistillation,
    DiffusionModel,
    Heun,
    LatentDiffusion,
    ProgressiveDistillation,
)
from tfgenai.diffusion.levels import Level
from tfgenai.train import Backup

STEPS = 4  # the batches of the data
KINDS = {
    "consistency": lambda teacher, **o: ConsistencyDistillation(
        teacher, num_levels=6, **o
    ),
    "progressive": lambda teacher, **o: ProgressiveDistillation(teacher, 2, **o),
}


@pytest.fixture(params=list(KINDS))
def distil(request):
    return KINDS[request.param]


def teacher(**options):
    model = DiffusionModel(data_shape=(2,), network_options=SMALL, **options)
    generator = random.numpy_generator(3)
    for variable in model.trainable_variables:
        variable.assign(0.3 * generator.normal(size=variable.shape))
    for weight, shadow in model.ema.pairs:
        shadow.assign(0.5 * weight.value)
    return model


def trained(model, **options):
    model.compile(jit_compile=False)
    model.fit(gaussian_data(), steps_per_epoch=STEPS, verbose=0, **options)
    return model


def values(model):
    return [w.numpy() for w in model.weights]


def test_the_teacher_does_not_move_and_the_student_begins_as_its_average(distil):
    original = teacher(ema_decay=0.9)
    before = values(original)
    model = distil(original)
    # the student begins with the average, which is half of the weights here
    np.testing.assert_array_equal(
        model.student_model.network.head.kernel.numpy(),
        0.5 * original.network.head.kernel.numpy(),
    )
    inner = values(model.teacher)
    trained(model)
    for left, right in zip(inner, values(model.teacher), strict=True):
        np.testing.assert_array_equal(left, right)
    for left, right in zip(before, values(original), strict=True):
        np.testing.assert_array_equal(left, right)
    head = model.student_model.network.head.kernel.numpy()
    assert not np.array_equal(head, model.teacher.network.head.kernel.numpy())
    ours = {id(w) for w in model.student_model.trainable_variables}
    assert {id(w) for w in model.trainable_variables} == ours


def test_the_student_is_a_plain_model_with_the_averaged_weights(distil):
    model = trained(distil(teacher(), ema_decay=0.5))
    student = model.student()
    assert type(student) is DiffusionModel
    assert student.sampler.num_steps == model.num_steps == 2
    expected = [shadow.numpy() for _, shadow in model.ema.pairs]
    found = [w.numpy() for w in student.averaged_weights()]
    for left, right in zip(expected, found, strict=True):
        np.testing.assert_array_equal(left, right)
    np.testing.assert_array_equal(
        student.generate(4, seed=2), model.generate(4, seed=2)
    )
    assert len(student.trainable_variables) == len(model.trainable_variables)


@pytest.mark.slow
def test_files_and_config(distil, tmp_path):
    model = trained(distil(teacher(), ema_decay=0.9))
    config = model.get_config()
    assert set(config) == set(inspect.signature(type(model)).parameters)
    json.dumps(config)
    assert type(model).from_config(config).get_config() == config
    model.save(tmp_path / "m.keras")
    loaded = tg.load_model(tmp_path / "m.keras")
    trained(model)
    trained(loaded)
    for left, right in zip(values(model), values(loaded), strict=True):
        np.testing.assert_array_equal(left, right)
    student = model.student()
    student.save(tmp_path / "s.keras")
    np.testing.assert_array_equal(
        tg.load_model(tmp_path / "s.keras").generate(3, seed=1),
        student.generate(3, seed=1),
    )


@pytest.mark.slow
def test_a_resumed_distillation_is_the_unbroken_one(distil, tmp_path):
    def run(epochs, folder):
        return trained(
            distil(teacher(), ema_decay=0.9), epochs=epochs, callbacks=[Backup(folder)]
        )

    whole = run(2, tmp_path / "whole")
    run(1, tmp_path / "broken")
    resumed = run(2, tmp_path / "broken")
    assert int(resumed.step.numpy()) == 2 * STEPS
    for left, right in zip(values(whole), values(resumed), strict=True):
        np.testing.assert_array_equal(left, right)


def test_the_teachers_guidance_is_what_the_student_learns(distil):
    guided = teacher(num_classes=3, condition_dropout=0.1, guidance_scale=3.0)
    model = distil(guided)
    x, index = tf.constant(noise(4)), tf.zeros((4,), tf.int32)
    labels = tf.constant([0, 1, 2, 0])
    stepped, then = model.teacher_step(x, index, 4, {"labels": labels})
    # one step of DDIM with the guided estimate u + 3 (c - u), written out
    level = guided.schedule.level(tf.ones((4,)))
    outputs = [
        guided.predict_output(
            x, level, {"labels": labels}, tf.fill((4,), kept), tf.zeros_like(x)
        )
        for kept in (True, False)
    ]
    velocity = outputs[1] + 3.0 * (outputs[0] - outputs[1])
    alpha, sigma = (float(v[0]) for v in (level.alpha, level.sigma))
    x0 = alpha * x - sigma * velocity
    eps = sigma * x + alpha * velocity
    expected = float(then.alpha[0]) * x0 + float(then.sigma[0]) * eps
    np.testing.assert_allclose(stepped, expected, atol=1e-5)
    other, _ = distil(guided, guidance_scale=1.0).teacher_step(
        x, index, 4, {"labels": labels}
    )
    assert np.abs(other - stepped).max() > 1e-2
    # the student has labels and no scale
    student = model.student()
    assert [c.name for c in student.conditions()] == ["labels", "num_steps"]
    model.compile(jit_compile=False)
    model.fit(noise(8), np.arange(8) % 3, verbose=0)
    assert model.generate(2, labels=1).shape == (2, 2)


def test_a_latent_teacher_is_distilled_in_its_latent_space(distil):
    vae = tg.VAE((4, 4, 1), 3, hidden_units=(4,))
    latent = LatentDiffusion(vae, network_options=SMALL)
    images = random.numpy_generator(0).uniform(-1.0, 1.0, (16, 4, 4, 1))
    images = images.astype(np.float32)
    latent.adapt(images)
    model = distil(latent)
    model.compile(jit_compile=False)
    model.fit(images, verbose=0)
    student = model.student()
    assert type(student) is LatentDiffusion
    np.testing.assert_array_equal(student.latent_std.numpy(), latent.latent_std.numpy())
    assert student.generate(2, num_steps=1).shape == (2, 4, 4, 1)
    assert student.autoencoder.trainable_variables == []


def test_sample_weights_count(distil):
    model = distil(teacher())
    x, seed = tf.constant(noise(4)), tf.constant([1, 2])
    arguments = {"seed": seed, "training": False}
    whole = model.compute_losses(x, None, None, **arguments)["loss"]
    double = model.compute_losses(x, None, tf.fill((4,), 2.0), **arguments)["loss"]
    np.testing.assert_allclose(double, 2.0 * whole, rtol=1e-6)


@pytest.mark.parametrize(
    ("make", "options", "error", "words"),
    [
        (lambda: keras.Sequential(), {}, TypeError, "teacher of type Sequential"),
        (
            lambda: fresh_student(self_conditioning=True),
            {},
            ValueError,
            "self_conditioning=True",
        ),
        (
            lambda: fresh_student(prediction_type="epsilon"),
            {},
            ValueError,
            "'epsilon', whose errors count 220",
        ),
        (fresh_student, {"guidance_scale": 2.0}, ValueError, "condition_dropout"),
        (
            fresh_student,
            {"initial_student": tg.VAE((4, 4, 1), 2)},
            TypeError,
            "initial_student of type VAE",
        ),
        (
            fresh_student,
            {"initial_student": DiffusionModel(data_shape=(3,))},
            ValueError,
            "data_shape",
        ),
        (
            fresh_student,
            {"initial_student": fresh_student("linear")},
            ValueError,
            "noise_schedule",
        ),
        (
            fresh_student,
            {"initial_student": fresh_student(num_classes=2)},
            ValueError,
            "conditions",
        ),
    ],
)
def test_what_cannot_be_distilled_is_refused(distil, make, options, error, words):
    with pytest.raises(error, match=words):
        distil(make(), **options)


def test_solvers_that_draw_noise_or_remember_are_refused():
    for solver in ("ddpm", "dpmpp_2m", Heun(s_churn=10.0)):
        with pytest.raises(ValueError, match="deterministic solver"):
            ConsistencyDistillation(fresh_student(), solver=solver)
    discrete = fresh_student(num_timesteps=10)
    with pytest.raises(ValueError, match="Between 1 and 10"):
        ProgressiveDistillation(discrete, 6)
    with pytest.raises(ValueError, match=r"Between 1 and 10.*11"):
        ConsistencyDistillation(discrete, solver=Heun(5), num_levels=11)


@pytest.mark.parametrize("prediction", ["velocity", "flow", "edm", "epsilon"])
def test_the_boundary_condition_is_exact(prediction):
    """At time 0 the estimate is x, whatever the network says."""
    schedule = "rectified_flow" if prediction == "flow" else "karras"
    model = fresh_student(schedule, prediction_type=prediction)
    level = Level(*(tf.fill((3,), v) for v in (0.0, 1.0, 0.0, float("inf"))))
    x = tf.constant(noise(3))
    estimate = model.prediction.to_x0(tf.fill((3, 2), 1e3), x, level)
    np.testing.assert_array_equal(estimate.numpy(), x.numpy())


def test_a_teacher_without_boundary_needs_another_student():
    with pytest.raises(ValueError, match=r"'x0'.*initial_student"):
        ConsistencyDistillation(exact_teacher())
    ConsistencyDistillation(exact_teacher(), initial_student=fresh_student())
    ProgressiveDistillation(exact_teacher(), 2)
