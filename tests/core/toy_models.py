"""A tiny generator that shares the base class's every path; used by tests of core."""

import keras
import numpy as np
import tensorflow as tf

from tfgenai.core import random
from tfgenai.core.conditions import Condition
from tfgenai.core.model import GenerativeModel
from tfgenai.layers import SeededDropout


@keras.saving.register_keras_serializable("tests")
class ToyModel(GenerativeModel):
    """A noisy auto-encoder of 2x2 images, with dropout and a label."""

    loss_names = ("loss", "penalty")

    def __init__(
        self,
        *,
        units=4,
        rate=0.0,
        seed=0,
        ema_decay=None,
        name=None,
        dtype=None,
    ):
        super().__init__(seed=seed, ema_decay=ema_decay, name=name, dtype=dtype)
        self.units = units
        self.rate = rate
        self.image_shape = (2, 2, 1)
        policy = self.dtype_policy
        self.network = keras.Sequential(
            [
                keras.Input((4,)),
                keras.layers.Dense(
                    units,
                    "tanh",
                    dtype=policy,
                    kernel_initializer=keras.initializers.GlorotUniform(seed=1),
                ),
                SeededDropout(rate, dtype=policy),
                keras.layers.Dense(
                    4,
                    dtype="float32",
                    kernel_initializer=keras.initializers.GlorotUniform(seed=2),
                ),
            ]
        )
        self.finish_init()

    def averaged_weights(self):
        return self.network.weights

    def conditions(self):
        return (
            Condition("labels", "int32", minimum=0, maximum=2),
            Condition("temperature", "float32", minimum=0.0, default=1.0),
        )

    def call(self, x, training=False):
        return self.network(tf.reshape(x, (-1, 4)), training=training)

    def compute_losses(self, x, y, sample_weight, *, seed, training):
        flat = tf.reshape(x, (-1, 4))
        noise = random.normal(seed, tf.shape(flat))
        output = self.network(flat + 0.1 * noise, training=training)
        error = tf.reduce_sum(tf.square(tf.cast(output, tf.float32) - flat), axis=1)
        loss = tf.reduce_mean(error)
        return {"loss": loss, "penalty": tf.reduce_mean(tf.square(output))}

    def sample(self, seeds, labels, temperature):
        z = random.row_normal(seeds, (4,)) * temperature[:, tf.newaxis]
        images = self.network(z + tf.cast(labels, tf.float32)[:, tf.newaxis])
        return tf.reshape(tf.tanh(images), (-1, 2, 2, 1))

    def get_config(self):
        return {**super().get_config(), "units": self.units, "rate": self.rate}


def toy_data(n=32, batch_size=8, seed=0, drop_remainder=True):
    x = random.numpy_generator(seed).normal(size=(n, 2, 2, 1)).astype(np.float32)
    dataset = tf.data.Dataset.from_tensor_slices(x)
    return dataset.batch(batch_size, drop_remainder=drop_remainder)
