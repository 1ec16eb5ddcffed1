import keras
import numpy as np
import pytest
import tensorflow as tf

from tfgenai.families import load_model
from tfgenai.gan import GAN
from tfgenai.gan.networks import dcgan_discriminator
from tfgenai.gan.spectral import SpectralConv2D, SpectralDense, SpectralEmbedding

CASES = {
    "conv": (
        lambda: SpectralConv2D(6, 3, padding="same", activation="relu"),
        lambda: keras.layers.Conv2D(6, 3, padding="same", activation="relu"),
        (2, 5, 5, 3),
    ),
    "dense": (
        lambda: SpectralDense(6, activation="tanh"),
        lambda: keras.layers.Dense(6, activation="tanh"),
        (2, 7),
    ),
    "embedding": (
        lambda: SpectralEmbedding(5, 4),
        lambda: keras.layers.Embedding(5, 4),
        None,
    ),
}


def inputs(shape):
    if shape is None:
        return tf.constant([3, 1])
    return tf.reshape(tf.linspace(-1.0, 1.0, int(np.prod(shape))), shape)


def built(case):
    # The same weights in every order of tests: power iteration is slow where the two
    # largest singular values happen to be close.
    keras.utils.set_random_seed(0)
    layer, plain, shape = CASES[case]
    layer, plain = layer(), plain()
    x = inputs(shape)
    layer(x)
    plain(x)
    return layer, plain, x


@pytest.mark.parametrize("case", CASES)
def test_singular_value_equals_numpy_s_decomposition(case):
    layer, _, _ = built(case)
    for _ in range(100):
        layer.advance_power_iteration()
    weight = layer.trainable_variables[0].numpy()
    expected = np.linalg.svd(weight.reshape(-1, weight.shape[-1]), compute_uv=False)[0]
    assert float(layer.largest_singular_value()) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("case", CASES)
def test_output_is_that_of_the_plain_layer_with_a_divided_kernel(case):
    layer, plain, x = built(case)
    values = [v.numpy() for v in layer.trainable_variables]
    if len(values) == 2:
        values[1] = values[1] + 0.3  # the bias is not divided
        layer.trainable_variables[1].assign(values[1])
    values[0] = values[0] / float(layer.largest_singular_value())
    plain.set_weights(values)
    np.testing.assert_allclose(layer(x), plain(x), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("case", CASES)
def test_only_advance_moves_the_singular_vector(case):
    layer, _, x = built(case)
    before = layer.u.numpy()
    layer(x, training=True)
    np.testing.assert_array_equal(layer.u.numpy(), before)
    layer.advance_power_iteration()
    assert (layer.u.numpy() != before).any()
    assert all(v is not layer.u for v in layer.trainable_variables)


def test_gradient_by_the_kernel_accounts_for_the_norm():
    # Scaling the kernel does not change the output: the gradient is orthogonal to it.
    layer, _, x = built("dense")
    for _ in range(100):
        layer.advance_power_iteration()
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(layer(x) ** 2)
    gradient = tape.gradient(total, layer.kernel.value)
    along = tf.reduce_sum(gradient * layer.kernel.value)
    assert float(along) == pytest.approx(0.0, abs=1e-4 * float(tf.norm(gradient)))


@pytest.mark.parametrize("case", CASES)
def test_comes_back_from_its_config(case):
    layer, _, _ = built(case)
    again = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(layer)
    )
    assert type(again) is type(layer)
    assert again.get_config() == layer.get_config()


@pytest.mark.parametrize("num_classes", [None, 3])
def test_a_file_keeps_the_singular_vectors(num_classes, tmp_path):
    gan = GAN(
        (8, 8, 1),
        4,
        num_classes=num_classes,
        discriminator=dcgan_discriminator(
            (8, 8, 1), num_classes=num_classes, spectral_normalization=True
        ),
    )
    layers = [layer for layer in gan.discriminator.layers if hasattr(layer, "u")]
    for layer in layers:
        layer.advance_power_iteration()
    gan.save(tmp_path / "gan.keras")
    loaded = load_model(tmp_path / "gan.keras")
    found = [each for each in loaded.discriminator.layers if hasattr(each, "u")]
    assert len(found) == len(layers) >= 2
    for one, other in zip(layers, found, strict=True):
        np.testing.assert_array_equal(one.u, other.u)
        np.testing.assert_array_equal(one.get_weights()[0], other.get_weights()[0])
