"""One-step distillation: the student learns where the teacher's path ends."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from tiny_images import diffusion, gan

import tfgenai as tg
from tfgenai.core import random
from tfgenai.core.generation import Generation
from tfgenai.diffusion.samplers.sampler import initial_noise
from tfgenai.finetune.images import OneStepDistillation, distill_one_step

MEAN, STD = np.array([0.5, -1.0], np.float32), np.array([0.4, 1.5], np.float32)


@keras.saving.register_keras_serializable("one_step_tests")
class ExactGaussian(keras.Model):
    """E[x_0 | x_t] of N(mean, std²) under the cosine schedule."""

    def __init__(self, name=None, dtype=None):
        super().__init__(name=name, dtype=dtype)
        self.schedule = tg.diffusion.NOISE_SCHEDULES.create("cosine")
        self.built = True

    def call(self, x, time, condition=None, context=None, training=False):
        level = self.schedule.level(time)
        alpha, sigma = level.alpha[:, None], level.sigma[:, None]
        gain = alpha * STD**2 / (alpha**2 * STD**2 + sigma**2)
        return MEAN + gain * (x - alpha * MEAN)

    def get_config(self):
        return {"name": self.name}


def exact_teacher():
    return tg.DiffusionModel(
        data_shape=(2,),
        network=ExactGaussian(),
        noise_schedule="cosine",
        prediction_type="x0",
    )


def test_the_loss_is_the_squared_error_of_one_ddim_step():
    teacher = diffusion()
    model = OneStepDistillation(teacher)
    seeds = random.row_seeds(1, 6)
    labels = np.array([0, 1, 2, 0, 1, 2], np.int32)
    noise = initial_noise(tf.constant(seeds), (2,))
    samples = teacher.generate(6, labels=labels, seed=seeds, num_steps=20)
    found = model.compute_losses(
        (noise, tf.constant(samples)),
        labels,
        None,
        seed=random.step_seed(0, 0),
        training=False,
    )["loss"]
    # The teacher's own DDIM of a single step is where the student begins.
    drawn = teacher.generate(6, labels=labels, seed=seeds, sampler=tg.diffusion.DDIM(1))
    expected = np.mean((drawn - samples).astype(np.float64) ** 2)
    np.testing.assert_allclose(found, expected, rtol=1e-4)
    student = model.student().generate(6, labels=labels, seed=seeds)
    np.testing.assert_allclose(student, drawn, rtol=1e-5, atol=1e-6)


@pytest.mark.slow
def test_the_student_is_the_map_that_the_probability_flow_makes(tmp_path):
    # Closed form: for a normal law the flow ends at mean + std * noise.
    student = distill_one_step(
        exact_teacher(),
        num_pairs=2048,
        num_steps=100,
        epochs=40,
        batch_size=256,
        optimizer=keras.optimizers.Adam(3e-3),
        initial_student=tg.DiffusionModel(
            data_shape=(2,), noise_schedule="cosine", network_options={"hidden_dim": 64}
        ),
        verbose=0,
    )
    seeds = random.row_seeds(9, 256)
    noise = initial_noise(tf.constant(seeds), (2,)).numpy()
    samples = student.generate(256, seed=seeds)
    error = samples - (MEAN + STD * noise)
    assert np.sqrt((error**2).mean(axis=0)) == pytest.approx([0, 0], abs=0.15)
    student.save(tmp_path / "m.keras")
    loaded = tg.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(loaded.generate(256, seed=seeds), samples)
    assert student.sampler.num_steps == 1
    assert (student.export_serving(tmp_path / "s") / "saved_model.pb").is_file()


def test_labels_are_balanced_and_conditions_reach_teacher_and_student(monkeypatch):
    teacher = diffusion(condition_dropout=0.1)
    asked = {}
    generate = type(teacher).generate

    def spy(self, n, **given):
        asked.update(given)
        return generate(self, n, **given)

    monkeypatch.setattr(type(teacher), "generate", spy)
    student = distill_one_step(
        teacher, num_pairs=6, num_steps=2, epochs=1, guidance_scale=2.0, verbose=0
    )
    assert asked["labels"].tolist() == [0, 1, 2, 0, 1, 2]
    assert asked["guidance_scale"] == 2.0
    assert asked["sampler"].num_steps == 2
    assert isinstance(student, Generation)
    assert student.num_classes == 3
    assert student.condition_dropout == 0.0


@pytest.mark.parametrize(
    ("make", "options", "error", "words"),
    [
        (gan, {}, TypeError, "GAN"),
        (diffusion, {"num_pairs": 0}, ValueError, "num_pairs=0"),
        (diffusion, {"epochs": 0}, ValueError, "epochs=0"),
        (diffusion, {"num_steps": 0}, ValueError, "num_steps"),
        (diffusion, {"labels": 3}, ValueError, "labels"),
        (diffusion, {"steps": 3}, TypeError, "steps"),
        (lambda: diffusion(prediction_type="epsilon"), {}, ValueError, "epsilon"),
    ],
)
def test_bad_input_is_refused_before_any_sample(make, options, error, words):
    model = make()
    model.generate = None  # would fail
    with pytest.raises(error, match=words):
        distill_one_step(model, **options)


def test_the_config_is_the_constructors_arguments():
    model = OneStepDistillation(diffusion(), seed=4)
    again = OneStepDistillation.from_config(model.get_config())
    assert again.get_config() == model.get_config()
    assert [w.shape for w in again.weights] == [w.shape for w in model.weights]
