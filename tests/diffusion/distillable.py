"""A teacher whose answers are known in closed form, and can be copied and saved."""

import keras
import numpy as np
import tensorflow as tf

from tfgenai.core import random
from tfgenai.diffusion import NOISE_SCHEDULES, DiffusionModel
from tfgenai.diffusion.levels import expand

MEAN, STD = np.array([0.5, -1.0], np.float32), np.array([0.4, 1.5], np.float32)
SMALL = {"hidden_dim": 32, "num_blocks": 1}


@keras.saving.register_keras_serializable("distill_tests")
class ExactGaussian(keras.Model):
    """E[x_0 | x_t] for N(mean, std²), by completing the square; label k adds k."""

    def __init__(self, noise_schedule="cosine", name=None, dtype=None):
        super().__init__(name=name, dtype=dtype)
        self.noise_schedule = noise_schedule
        self.schedule = NOISE_SCHEDULES.create(noise_schedule)
        self.built = True

    def call(self, x, time, condition=None, context=None, training=False):
        level = self.schedule.level(time)
        alpha, sigma = expand(level.alpha, x), expand(level.sigma, x)
        gain = alpha * STD**2 / (alpha**2 * STD**2 + sigma**2)
        return MEAN + gain * (x - alpha * MEAN)

    def get_config(self):
        return {"noise_schedule": self.noise_schedule, "name": self.name}


def exact_teacher(noise_schedule="cosine"):
    return DiffusionModel(
        data_shape=(2,),
        network=ExactGaussian(noise_schedule),
        noise_schedule=noise_schedule,
        prediction_type="x0",
    )


def fresh_student(noise_schedule="cosine", **options):
    return DiffusionModel(
        data_shape=(2,),
        network_options=SMALL,
        noise_schedule=noise_schedule,
        **options,
    )


def exact_end(x, level):
    """Where the probability flow ODE through x at a level ends.

    For a normal law it is the affine map between the two normal laws; Song et al. 2021,
    arXiv:2011.13456, equation 13 with the score of N(alpha mean, alpha² std² + sigma²).
    """
    alpha, sigma = float(level.alpha[0]), float(level.sigma[0])
    return MEAN + STD / np.sqrt(alpha**2 * STD**2 + sigma**2) * (x - alpha * MEAN)


def noise(n, seed=5):
    return random.numpy_generator(seed).normal(size=(n, 2)).astype(np.float32)


def gaussian_data(n=512, batch_size=128):
    x = MEAN + STD * noise(n, seed=1)
    return tf.data.Dataset.from_tensor_slices(x).batch(batch_size).repeat()
