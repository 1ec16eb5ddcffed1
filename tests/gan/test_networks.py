import keras
import numpy as np
import pytest
import tensorflow as tf

from tfgenai.core import random
from tfgenai.gan import networks

KINDS = [
    (networks.mlp_generator, networks.mlp_discriminator),
    (networks.dcgan_generator, networks.dcgan_discriminator),
]


def of_type(model, kind):
    return [layer for layer in model.layers if isinstance(layer, kind)]


def batch(shape, seed=0):
    return random.numpy_generator(seed).uniform(-1, 1, shape).astype("float32")


def test_mlp_has_the_layers_that_everyone_starts_from():
    generator = networks.mlp_generator((28, 28, 1))
    discriminator = networks.mlp_discriminator((28, 28, 1), dropout=0.3)
    dense = keras.layers.Dense
    assert generator.input_shape == (None, 100)
    assert [layer.units for layer in of_type(generator, dense)] == [256, 512, 784]
    assert [layer.units for layer in of_type(discriminator, dense)] == [512, 256, 1]
    slopes = {
        layer.negative_slope
        for model in (generator, discriminator)
        for layer in of_type(model, keras.layers.LeakyReLU)
    }
    assert slopes == {0.2}
    rates = [x.rate for x in discriminator.layers if hasattr(x, "rate")]
    assert rates == [0.3, 0.3]


@pytest.mark.parametrize(
    ("side", "shapes"),
    [
        (28, [(7, 7, 64), (14, 14, 32), (28, 28, 3)]),
        (32, [(4, 4, 128), (8, 8, 64), (16, 16, 32), (32, 32, 3)]),
        (64, [(4, 4, 256), (8, 8, 128), (16, 16, 64), (32, 32, 32), (64, 64, 3)]),
    ],
)
def test_dcgan_stages_mirror_each_other(side, shapes):
    generator = networks.dcgan_generator((side, side, 3), base_channels=32)
    discriminator = networks.dcgan_discriminator((side, side, 3), base_channels=32)
    up = of_type(generator, keras.layers.Conv2DTranspose)
    down = of_type(discriminator, keras.layers.Conv2D)
    assert [layer.input.shape[1:] for layer in up] == shapes[:-1]
    assert [layer.output.shape[1:] for layer in up] == shapes[1:]
    assert [layer.output.shape[1:] for layer in reversed(down)] == shapes[:-1]


@pytest.mark.parametrize(("side", "width"), [(28, 32), (32, 64)])
def test_dcgan_is_as_wide_as_its_images_need(side, width):
    discriminator = networks.dcgan_discriminator((side, side, 1))
    assert of_type(discriminator, keras.layers.Conv2D)[0].filters == width
    generator = networks.dcgan_generator((side, side, 1))
    assert of_type(generator, keras.layers.Conv2DTranspose)[-1].input.shape[-1] == width


def test_dcgan_counts_the_parameters_of_its_formula():
    # Closed form for 28 x 28, c = 8: Dense, BN (4 each), transposed convolutions.
    generator = networks.dcgan_generator((28, 28, 1), latent_dim=10, base_channels=8)
    first, second, last = 10 * 49 * 16, 16 * 8 * 16, 8 * 16 + 1
    assert generator.count_params() == first + 4 * 16 + second + 4 * 8 + last
    discriminator = networks.dcgan_discriminator((28, 28, 1), base_channels=8)
    stages = 16 * 8 + 8 + 16 * 8 * 16 + 16
    assert discriminator.count_params() == stages + 49 * 16 + 1


@pytest.mark.parametrize(("make_generator", "make_discriminator"), KINDS)
@pytest.mark.parametrize("num_classes", [None, 3])
@pytest.mark.parametrize("dtype", ["float32", "mixed_float16"])
def test_images_lie_in_range_and_logits_are_one_each(
    make_generator, make_discriminator, num_classes, dtype
):
    arguments = {"num_classes": num_classes, "dtype": dtype}
    generator = make_generator((8, 12, 3), latent_dim=5, **arguments)
    discriminator = make_discriminator((8, 12, 3), **arguments)
    labels = tf.constant([0, 2, 1, 1])
    z = tf.constant(10 * batch((4, 5)))
    images = generator(z if num_classes is None else [z, labels])
    assert images.shape == (4, 8, 12, 3)
    assert images.dtype == tf.float32
    assert np.abs(images).max() <= 1
    logits = discriminator(images if num_classes is None else [images, labels])
    assert logits.shape == (4,)
    assert logits.dtype == tf.float32


@pytest.mark.parametrize(("_", "make_discriminator"), KINDS)
@pytest.mark.parametrize("spectral_normalization", [False, True])
def test_a_logit_does_not_depend_on_the_rest_of_the_batch_in_training(
    _, make_discriminator, spectral_normalization
):
    discriminator = make_discriminator(
        (8, 8, 1), spectral_normalization=spectral_normalization
    )
    real, fake = batch((4, 8, 8, 1), 1), 5 + batch((4, 8, 8, 1), 2)
    together = discriminator(np.concatenate([real, fake]), training=True)[:4]
    alone = discriminator(real, training=True)
    np.testing.assert_allclose(together, alone, rtol=1e-5, atol=1e-6)
    assert not of_type(discriminator, keras.layers.BatchNormalization)


def test_projection_equals_its_formula_in_numpy():
    # Miyato & Koyama 2018, equation 3: w h + b + v_y h.
    model = networks.dcgan_discriminator((8, 8, 1), num_classes=3, base_channels=4)
    x, y = batch((5, 8, 8, 1)), np.array([2, 0, 1, 1, 2], "int32")
    flatten = of_type(model, keras.layers.Flatten)[0]
    features = keras.Model(model.inputs[0], flatten.output)(x).numpy()
    kernel, bias = of_type(model, keras.layers.Dense)[0].get_weights()
    (table,) = of_type(model, keras.layers.Embedding)[0].get_weights()
    expected = features @ kernel[:, 0] + bias + np.sum(table[y] * features, axis=1)
    np.testing.assert_allclose(model([x, y]), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("make_generator", "_"), KINDS)
def test_the_label_changes_the_image(make_generator, _):
    generator = make_generator((8, 8, 1), latent_dim=4, num_classes=2)
    z = batch((1, 4))
    one, other = (generator([z, np.array([k])]) for k in (0, 1))
    assert np.abs(one - other).max() > 1e-4


@pytest.mark.parametrize("makers", KINDS)
def test_weights_are_a_function_of_the_seed(makers):
    for make in makers:
        first, again, other = (make((8, 8, 1), seed=s) for s in (1, 1, 2))
        for a, b in zip(first.get_weights(), again.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)
        assert any(
            (a != b).any()
            for a, b in zip(first.get_weights(), other.get_weights(), strict=True)
        )
        kernels = [w.ravel()[:4].tolist() for w in first.get_weights() if w.ndim > 1]
        assert len({tuple(k) for k in kernels}) == len(kernels)


def test_dcgan_weights_start_as_in_the_paper():
    generator = networks.dcgan_generator((28, 28, 1))
    kernel = of_type(generator, keras.layers.Dense)[0].get_weights()[0]
    assert kernel.std() == pytest.approx(0.02, rel=0.02)
    assert kernel.mean() == pytest.approx(0.0, abs=1e-3)


def test_generator_without_normalization_has_a_bias_instead():
    model = networks.dcgan_generator((8, 8, 1), batch_normalization=False)
    assert not of_type(model, keras.layers.BatchNormalization)
    assert not model.non_trainable_variables
    assert all(layer.use_bias for layer in of_type(model, keras.layers.Dense))


@pytest.mark.parametrize("makers", KINDS)
def test_comes_back_from_its_config(makers):
    for make in makers:
        model = make((8, 8, 1), num_classes=3)
        again = keras.saving.deserialize_keras_object(
            keras.saving.serialize_keras_object(model)
        )
        assert [v.shape for v in again.weights] == [v.shape for v in model.weights]


@pytest.mark.parametrize("shape", [(27, 28, 1), (6, 28, 1), (28, 6, 1), (4, 4, 1)])
@pytest.mark.parametrize("make", KINDS[1])
def test_dcgan_refuses_sides_that_cannot_be_halved(make, shape):
    with pytest.raises(ValueError, match="network='mlp'"):
        make(shape)
