import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfgenai.gan import checks
from tfgenai.gan.losses import ADVERSARIAL_LOSSES, AdversarialLoss, HingeLoss
from tfgenai.gan.penalties import R1
from tfgenai.layers import SeededDropout

GOOD = {
    "latent_dim": 4,
    "num_discriminator_steps": 1,
    "num_classes": None,
    "generator_l2": 0.0,
    "dropout": 0.0,
    "network": "mlp",
}


def model(shape, *layers, labelled=False):
    inputs = keras.Input(shape)
    x = inputs
    for layer in layers:
        x = layer(x)
    if labelled:
        return keras.Model([inputs, keras.Input((), dtype="int32")], x)
    return keras.Model(inputs, x)


def generator(shape=(4, 4, 1), **kwargs):
    dense = keras.layers.Dense(int(np.prod(shape)))
    return model((4,), dense, keras.layers.Reshape(shape), **kwargs)


def discriminator(*layers, units=1, **kwargs):
    end = (keras.layers.Flatten(), keras.layers.Dense(units))
    return model((4, 4, 1), *layers, *end, **kwargs)


def check_generator(network, image_shape=(4, 4, 1), latent_dim=4, num_classes=None):
    return checks.check_generator(
        network, image_shape, latent_dim=latent_dim, num_classes=num_classes
    )


def check_discriminator(network, num_classes=None, penalty=None):
    checks.check_discriminator(
        network, (4, 4, 1), num_classes=num_classes, penalty=penalty
    )


@pytest.mark.parametrize(
    "bad",
    [
        {"latent_dim": 0},
        {"latent_dim": 4.0},
        {"latent_dim": True},
        {"num_discriminator_steps": 0},
        {"num_classes": 0},
        {"generator_l2": -1.0},
        {"generator_l2": float("inf")},
        {"dropout": 1.0},
        {"dropout": -0.1},
        {"network": "dcgna"},
    ],
)
def test_refuses_a_bad_argument_by_its_name(bad):
    checks.check_arguments(**GOOD)
    (name,) = bad
    with pytest.raises(ValueError, match=f"Received: {name}="):
        checks.check_arguments(**{**GOOD, **bad})


def test_an_unknown_network_gets_the_nearest_name():
    with pytest.raises(ValueError, match="Did you mean 'dcgan'"):
        checks.check_arguments(**{**GOOD, "network": "dcgna"})


def test_a_loss_is_a_name_or_an_object():
    loss = HingeLoss()
    assert checks.one_of(ADVERSARIAL_LOSSES, loss, AdversarialLoss) is loss
    by_name = checks.one_of(ADVERSARIAL_LOSSES, "hinge", AdversarialLoss)
    assert isinstance(by_name, HingeLoss)
    with pytest.raises(TypeError, match="Received: adversarial_loss="):
        checks.one_of(ADVERSARIAL_LOSSES, R1(), AdversarialLoss)


def test_networks_that_fit_pass():
    assert check_generator(generator()) == (4, 4, 1)
    assert check_generator(generator(), image_shape=None) == (4, 4, 1)
    assert check_generator(generator(labelled=True), num_classes=3) == (4, 4, 1)
    check_discriminator(discriminator())
    check_discriminator(discriminator(labelled=True), num_classes=3)


@pytest.mark.parametrize(
    ("network", "arguments", "words"),
    [
        (generator(), {"latent_dim": 5}, r"\(batch, 5\).*latent_dim or num_classes"),
        (generator(), {"num_classes": 3}, r"labels \(batch,\).*it takes 1"),
        (generator(labelled=True), {}, "it takes 2"),
        (generator((4, 2, 1)), {}, r"have the shape \(4, 2, 1\)"),
        (generator((16,)), {"image_shape": None}, r"\(height, width, channels\)"),
    ],
)
def test_refuses_a_generator_that_does_not_fit(network, arguments, words):
    with pytest.raises(ValueError, match=words):
        check_generator(network, **arguments)


@pytest.mark.parametrize(
    ("network", "num_classes", "words"),
    [
        (discriminator(units=2), None, r"returns \(2,\) per image"),
        (model((4, 4, 1), keras.layers.Conv2D(1, 3)), None, "one logit per image"),
        (model((8, 8, 1), keras.layers.Flatten()), None, r"\(batch, 4, 4, 1\)"),
        (discriminator(), 3, "it takes 1"),
    ],
)
def test_refuses_a_discriminator_that_does_not_fit(network, num_classes, words):
    with pytest.raises(ValueError, match=words):
        check_discriminator(network, num_classes)


@pytest.mark.parametrize("network", [lambda x: x, "dcgan", None])
def test_refuses_what_is_no_keras_model(network):
    with pytest.raises(TypeError, match="Received: generator="):
        check_generator(network)
    with pytest.raises(TypeError, match="Received: discriminator="):
        check_discriminator(network)


def test_refuses_several_outputs():
    inputs = keras.Input((4, 4, 1))
    logits = keras.layers.Dense(1)(keras.layers.Flatten()(inputs))
    with pytest.raises(ValueError, match="returns a list"):
        check_discriminator(keras.Model(inputs, [logits, logits]))


def test_refuses_batch_normalization_under_a_gradient_penalty_however_deep():
    inner = keras.Sequential([keras.layers.BatchNormalization()])
    network = discriminator(inner)
    check_discriminator(network)
    with pytest.raises(ValueError, match=r"penalty=R1 and BatchNormalization"):
        check_discriminator(network, penalty=R1())
    check_discriminator(discriminator(keras.layers.LayerNormalization()), penalty=R1())


@pytest.mark.parametrize("layer", [keras.layers.Dropout, keras.layers.GaussianNoise])
def test_warns_of_noise_that_a_resumed_run_cannot_repeat(layer):
    with pytest.warns(UserWarning, match="SeededDropout"):
        checks.warn_of_unseeded_layers(discriminator(layer(0.3)))


def test_does_not_warn_of_our_own_dropout():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        checks.warn_of_unseeded_layers(discriminator(SeededDropout(0.3)))


def check_batch(x, y=None, num_classes=None):
    return checks.check_batch(x, y, image_shape=(4, 4, 1), num_classes=num_classes)


def test_batch_comes_out_as_float32_and_int32():
    x, labels = check_batch(
        tf.ones((2, 4, 4, 1), tf.float64), tf.constant([0, 2], tf.int64), 3
    )
    assert x.dtype == tf.float32
    assert labels.dtype == tf.int32
    np.testing.assert_array_equal(x, np.ones((2, 4, 4, 1)))


def test_labels_are_ignored_without_a_condition():
    assert check_batch(tf.ones((2, 4, 4, 1)), tf.constant([7, 8]))[1] is None


def test_an_image_whose_label_is_out_of_range_becomes_nan():
    x, labels = check_batch(tf.ones((3, 4, 4, 1)), tf.constant([0, 3, -1]), 3)
    assert np.isnan(x).all(axis=(1, 2, 3)).tolist() == [False, True, True]
    assert labels.numpy().min() >= 0
    assert labels.numpy().max() <= 2


@pytest.mark.parametrize(
    ("x", "y", "words"),
    [
        (tf.ones((2, 4, 5, 1)), tf.constant([0, 1]), r"x of shape \(2, 4, 5, 1\)"),
        (tf.ones((4, 4, 1)), tf.constant([0, 1]), "x of shape"),
        ({"x": 1}, tf.constant([0, 1]), "x of shape None"),
        (tf.ones((2, 4, 4, 1), tf.uint8), tf.constant([0, 1]), "x of type uint8"),
        (tf.ones((2, 4, 4, 1)), None, "y=None"),
        (tf.ones((2, 4, 4, 1)), tf.ones((2,)), "y of type float32"),
        (tf.ones((2, 4, 4, 1)), tf.ones((2, 3), tf.int32), "argmax"),
    ],
)
def test_refuses_a_batch_that_does_not_fit(x, y, words):
    with pytest.raises(ValueError, match=words):
        check_batch(x, y, 3)
