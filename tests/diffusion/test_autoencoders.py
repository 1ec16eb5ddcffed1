"""What latent diffusion takes for an autoencoder, and what it refuses."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfgenai as tg
from tfgenai.diffusion.autoencoders import Autoencoder, check_autoencoder


class Shrinking(keras.Model):
    """A model with encode and decode: maps of half the size."""

    image_shape = (4, 4, 1)

    def encode(self, x):
        return tf.nn.space_to_depth(x, 2) * 2.0

    def decode(self, z):
        return tf.nn.depth_to_space(z, 2) / 2.0


def test_a_vae_has_vectors_and_a_model_of_the_users_maps():
    vae = tg.VAE((4, 4, 1), 3, hidden_units=(4,))
    assert check_autoencoder(vae, None) == ((4, 4, 1), (3,))
    assert check_autoencoder(Shrinking(), None) == ((4, 4, 1), (2, 2, 4))
    x = tf.reshape(tf.range(16.0), (1, 4, 4, 1))
    both = Autoencoder(Shrinking())
    np.testing.assert_allclose(both.decode(both.encode(x, None), None), x)


def test_labels_reach_an_autoencoder_that_takes_them_only():
    vae = tg.VAE((4, 4, 1), 3, hidden_units=(4,), num_classes=2)
    assert check_autoencoder(vae, 2) == ((4, 4, 1), (3,))
    x = tf.zeros((2, 4, 4, 1))
    z = Autoencoder(vae).encode(x, tf.constant([0, 1])).numpy()
    assert not np.array_equal(z[0], z[1])
    plain = tg.VAE((4, 4, 1), 3, hidden_units=(4,))
    Autoencoder(plain).encode(x, tf.constant([0, 1]))


class WrongDecoder(Shrinking):
    def decode(self, z):
        return z


class WrongLatents(Shrinking):
    def encode(self, x):
        return x[..., 0]


@pytest.mark.parametrize(
    ("make", "num_classes", "error", "words"),
    [
        (lambda: "vae", None, TypeError, "Keras model"),
        (lambda: keras.Sequential(), None, TypeError, "image_shape, encode and decode"),
        (lambda: tg.GAN((8, 8, 1), 2, network="mlp"), None, TypeError, "GAN"),
        (
            lambda: tg.VAE((4, 4, 1), 2, num_classes=3),
            None,
            ValueError,
            "num_classes=None with an autoencoder of num_classes=3",
        ),
        (lambda: tg.VAE((4, 4, 1), 2, num_classes=3), 4, ValueError, "num_classes=4"),
        (WrongDecoder, None, ValueError, r"image_shape=\(4, 4, 1\).*\(2, 2, 4\)"),
        (WrongLatents, None, ValueError, "latents of shape"),
    ],
)
def test_what_cannot_stand_below_is_refused(make, num_classes, error, words):
    with pytest.raises(error, match=words):
        check_autoencoder(make(), num_classes)
