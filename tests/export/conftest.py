"""A generator small enough to export in a moment, with everything that can go wrong."""

import keras
import pytest
import tensorflow as tf

from tfgenai.core import random
from tfgenai.core.conditions import Condition
from tfgenai.core.model import GenerativeModel

NUM_CLASSES = 3


@keras.saving.register_keras_serializable("tfgenai_tests")
class TinyGenerator(GenerativeModel):
    """Images 4 x 4 x 1 from noise and a label; the encoder takes no part in that."""

    def __init__(self, *, image_shape=(4, 4, 1), seed=0, ema_decay=0.9, **kwargs):
        super().__init__(seed=seed, ema_decay=ema_decay, **kwargs)
        self.image_shape = tuple(image_shape)
        self.generator = keras.Sequential(
            [
                keras.Input((4 + NUM_CLASSES,)),
                keras.layers.Dense(16, dtype=self.dtype_policy),
                keras.layers.Activation("tanh", dtype="float32"),
            ]
        )
        self.encoder = keras.Sequential([keras.Input((16,)), keras.layers.Dense(500)])
        self.finish_init()

    def call(self, x, training=False):
        return self.generator(x, training=training)

    def compute_losses(self, x, y, sample_weight, *, seed, training):
        fake = self.generator(tf.ones((tf.shape(x)[0], 4 + NUM_CLASSES)))
        code = self.encoder(tf.reshape(x, (-1, 16)), training=training)
        return {"loss": tf.reduce_mean(fake**2) + tf.reduce_mean(code**2)}

    def sample(self, seeds, *, labels, scale):
        z = random.row_normal(seeds, (4,)) * scale[:, None]
        x = tf.concat([z, tf.one_hot(labels, NUM_CLASSES)], axis=1)
        return tf.reshape(self.generator(x, training=False), (-1, *self.image_shape))

    def averaged_weights(self):
        return self.generator.weights

    def conditions(self):
        return (
            Condition("labels", "int32", minimum=0, maximum=2, description="the class"),
            Condition("scale", "float32", minimum=0, maximum=4, default=1.0),
        )

    def get_config(self):
        return super().get_config() | {"image_shape": list(self.image_shape)}


def make_model(*, initial=0, **kwargs):
    """A trained model whose averaged weights differ from its weights."""
    keras.utils.set_random_seed(initial)
    model = TinyGenerator(**kwargs)
    model.compile(keras.optimizers.Adam(0.1), jit_compile=False)
    model.fit(tf.zeros((8, 4, 4, 1)), epochs=3, batch_size=4, verbose=0)
    return model


@pytest.fixture
def new_model():
    """A function that makes a model with the arguments given."""
    return make_model


@pytest.fixture(scope="package")
def model():
    """A trained tiny generator; tests must leave it as it is."""
    return make_model()


@pytest.fixture(scope="package")
def exported(model, tmp_path_factory):
    """The version folder of that model's export; tests must leave it as it is."""
    from tfgenai.export import export_saved_model

    folder = tmp_path_factory.mktemp("served") / "tiny"
    return export_saved_model(model, folder, class_names=["a", "b", "c"])


@pytest.fixture(scope="package")
def exported_plain(model, tmp_path_factory):
    """The same with one signature, which is quicker to load."""
    from tfgenai.export import export_saved_model

    folder = tmp_path_factory.mktemp("served") / "plain"
    return export_saved_model(model, folder, signatures=["generate"])
