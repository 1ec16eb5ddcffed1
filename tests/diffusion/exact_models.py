"""Diffusion models whose answers are known in closed form, and help to watch one."""

import numpy as np
import tensorflow as tf

from tfgenai.core import random
from tfgenai.diffusion import DiffusionModel
from tfgenai.diffusion.levels import expand

SMALL = {"hidden_dim": 32, "num_blocks": 1}


class GaussianModel(DiffusionModel):
    """The best possible model of N(mean, std²) with independent dimensions.

    With labels, label k adds k to the mean; a dropped one adds nothing.
    """

    def __init__(self, mean, std, **options):
        self._mean = np.asarray(mean, np.float32)
        self._std = np.asarray(std, np.float32)
        super().__init__(
            data_shape=self._mean.shape,
            network_options=SMALL,
            prediction_type="x0",
            **options,
        )

    def predict_output(self, x, level, rows, kept, previous, *, training=False):
        mean = tf.zeros_like(x) + self._mean
        if self.num_classes is not None:
            shift = tf.where(kept, tf.cast(rows["labels"], tf.float32), 0.0)
            mean += expand(shift, x)
        return self.posterior_mean(x, level, mean)

    def posterior_mean(self, x, level, mean):
        """E[x_0 | x_t], derived by completing the square."""
        alpha, sigma = expand(level.alpha, x), expand(level.sigma, x)
        variance = self._std**2
        gain = alpha * variance / (alpha**2 * variance + sigma**2)
        return mean + gain * (x - alpha * mean)


def small_model(**options):
    """A model of two numbers whose weights are all drawn: new ones answer zero."""
    model = DiffusionModel(data_shape=(2,), network_options=SMALL, **options)
    generator = random.numpy_generator(11)
    for variable in model.trainable_variables:
        variable.assign(0.3 * generator.normal(size=variable.shape))
    for weight, shadow in model.ema.pairs:
        shadow.assign(weight.value)
    return model


def row_counts(model):
    """A list that gets the rows of every call of the model's network, when it runs."""
    counts = []
    call = model.network.call

    def counted(x, *args, **kwargs):
        tf.py_function(lambda x: counts.append(len(x)), [x], [])
        return call(x, *args, **kwargs)

    model.network.call = counted
    return counts


def noisy_batch(model, n, *, time=0.5, seed=0):
    """Values `(n, 2)` and a level, for calls of `estimate`."""
    x = random.numpy_generator(seed).normal(size=(n, *model.data_shape))
    return tf.constant(x, tf.float32), model.schedule.level(tf.fill((n,), time))
