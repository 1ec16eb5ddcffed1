"""A model and data small enough to train in a blink, with all that a resume needs."""

import keras
import numpy as np
import tensorflow as tf

from tfgenai.core import random
from tfgenai.core.conditions import Condition
from tfgenai.core.model import GenerativeModel
from tfgenai.layers import SeededDropout

NUM_CLASSES = 3
STEPS = 4


@keras.saving.register_keras_serializable("train_tests")
class TinyModel(GenerativeModel):
    """A noisy auto-encoder of 4x4 images with dropout, two optimizers and a label."""

    optimizer_names = ("optimizer", "second_optimizer")

    def __init__(self, *, units=4, seed=0, ema_decay=0.9, name=None, dtype=None):
        super().__init__(seed=seed, ema_decay=ema_decay, name=name, dtype=dtype)
        self.units = units
        self.image_shape = (4, 4, 1)
        self.first = keras.Sequential(
            [
                keras.Input((16,)),
                keras.layers.Dense(
                    units,
                    "tanh",
                    kernel_initializer=keras.initializers.GlorotUniform(seed=1),
                ),
                SeededDropout(0.3),
            ]
        )
        self.second = keras.Sequential(
            [
                keras.Input((units,)),
                keras.layers.Dense(
                    16, kernel_initializer=keras.initializers.GlorotUniform(seed=2)
                ),
            ]
        )
        self.finish_init()

    def averaged_weights(self):
        return self.second.weights

    def conditions(self):
        return (
            Condition("labels", "int32", minimum=0, maximum=NUM_CLASSES - 1),
            Condition("scale", "float32", minimum=0.0, default=1.0),
        )

    def call(self, x, training=False):
        flat = tf.reshape(x, (-1, 16))
        return self.second(self.first(flat, training=training), training=training)

    def compute_losses(self, x, y, sample_weight, *, seed, training):
        noise = random.normal(seed, tf.shape(x))
        output = self(x + 0.1 * noise, training=training)
        error = tf.square(output - tf.reshape(x, (-1, 16)))
        return {"loss": tf.reduce_mean(tf.reduce_sum(error, axis=1))}

    def optimized_variables(self, optimizer_name):
        part = self.first if optimizer_name == "second_optimizer" else self.second
        return part.trainable_variables

    def train_step(self, data):
        x, y, weight = keras.utils.unpack_x_y_sample_weight(data)
        seed = self.step_seed()
        with tf.GradientTape(persistent=True) as tape, random.seed_scope(seed):
            losses = self.compute_losses(x, y, weight, seed=seed, training=True)
        for name in self.optimizer_names:
            variables = self.optimized_variables(name)
            self.minimize(getattr(self, name), tape, losses["loss"], variables)
        return self.finish_step(losses, x)

    def sample(self, seeds, labels, scale):
        z = random.row_normal(seeds, (self.units,)) * scale[:, tf.newaxis]
        z += tf.cast(labels, tf.float32)[:, tf.newaxis]
        return tf.reshape(tf.tanh(self.second(z)), (-1, 4, 4, 1))

    def get_config(self):
        return {**super().get_config(), "units": self.units}


class TinyData:
    """Four batches an epoch, different in each; NaN at the (epoch, batch) pairs."""

    steps_per_epoch = STEPS

    def __init__(self, *, bad=()):
        self.bad = set(bad)

    def for_epochs(self, initial_epoch, epochs):
        parts = []
        for epoch in range(initial_epoch, epochs):
            x = random.numpy_generator(5, epoch).normal(size=(STEPS, 8, 4, 4, 1))
            for bad_epoch, batch in self.bad:
                if bad_epoch == epoch:
                    x[batch] = np.nan
            parts.append(x.astype(np.float32))
        stacked = np.concatenate(parts or [np.zeros((0, 8, 4, 4, 1), np.float32)])
        return tf.data.Dataset.from_tensor_slices(stacked)


def compiled_model(*, learning_rate=1e-2, jit_compile=False, **arguments):
    model = TinyModel(**arguments)
    model.compile(
        keras.optimizers.Adam(learning_rate),
        second_optimizer=keras.optimizers.RMSprop(learning_rate),
        jit_compile=jit_compile,
    )
    return model


def states(model):
    optimizers = [getattr(model, name) for name in model.optimizer_names]
    variables = [v for optimizer in optimizers for v in optimizer.variables]
    return {
        v.path + str(i): v.numpy() for i, v in enumerate([*model.weights, *variables])
    }


def assert_same(a, b):
    """Bit for bit, apart from names that Keras counts up."""
    assert len(a) == len(b) > 10
    for left, right in zip(a.values(), b.values(), strict=True):
        np.testing.assert_array_equal(left, right)


class Interrupt(keras.callbacks.Callback):
    """Stops a run as a kill would, in the middle of an epoch."""

    works_on_chunks = True

    def __init__(self, epoch, batch=1):
        super().__init__()
        self.at = (epoch, batch)

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if (self.epoch, batch) == self.at:
            raise KeyboardInterrupt
