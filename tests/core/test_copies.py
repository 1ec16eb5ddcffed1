"""Copies of models: averaged weights in place, and the original left as it is."""

import keras
import numpy as np
import tensorflow as tf

import tfgenai as tg
from tfgenai.core.copies import copy_of, frozen_copy


def averaged_vae():
    vae = tg.VAE((4, 4, 1), 2, hidden_units=(3,), ema_decay=0.9)
    vae.compile()
    for _, shadow in vae.ema.pairs:
        shadow.assign(shadow.value + 1.0)
    return vae


def test_the_copy_has_the_average_and_the_original_keeps_both():
    vae = averaged_vae()
    before = [w.numpy() for w in vae.weights]
    copy = copy_of(vae)
    assert copy.ema.pairs == []
    assert not copy.compiled
    kernel, copied = vae.encoder.weights[0], copy.encoder.weights[0]
    np.testing.assert_array_equal(copied.numpy(), kernel.numpy() + 1.0)
    for value, weight in zip(before, vae.weights, strict=True):
        np.testing.assert_array_equal(value, weight.numpy())
    x = tf.zeros((1, 4, 4, 1))
    np.testing.assert_array_equal(
        copy.encode_mean(x, None).numpy(), vae.encode(x.numpy())
    )


def test_a_frozen_copy_cannot_be_trained_and_the_original_can():
    vae = averaged_vae()
    copy = frozen_copy(vae)
    assert copy.trainable_variables == []
    assert len(vae.trainable_variables) == 8
    assert vae.compiled


def test_arguments_may_differ():
    vae = averaged_vae()
    assert copy_of(vae, like={"beta": 3.0}).beta == 3.0


def test_other_keras_models_are_copied_with_their_weights():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    copy = frozen_copy(model)
    x = np.ones((2, 3), np.float32)
    np.testing.assert_array_equal(copy(x), model(x))
    copy.weights[0].assign(0.0 * copy.weights[0])
    assert not np.array_equal(copy(x), model(x))
