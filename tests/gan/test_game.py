import keras
import numpy as np
import pytest
import tensorflow as tf

from tfgenai.gan.game import Game, extra_losses, flat_layers
from tfgenai.gan.losses import LeastSquaresLoss
from tfgenai.gan.networks import dcgan_discriminator, mlp_generator
from tfgenai.gan.penalties import R1
from tfgenai.layers import SeededDropout

SEED = tf.constant([1, 2])


def linear_discriminator():
    inputs = keras.Input((2, 1, 1))
    dense = keras.layers.Dense(1)
    model = keras.Model(inputs, dense(keras.layers.Flatten()(inputs)))
    dense.set_weights([np.array([[2.0], [-1.0]]), np.array([0.5])])
    return model


def linear_generator(**kwargs):
    z = keras.Input((1,))
    x = keras.layers.Dense(2, use_bias=True, **kwargs)(z)
    return keras.Model(z, keras.layers.Reshape((2, 1, 1))(x))


def game(generator=None, discriminator=None, penalty=None, generator_l2=0.0):
    return Game(
        generator or linear_generator(),
        discriminator or linear_discriminator(),
        latent_dim=1,
        adversarial_loss=LeastSquaresLoss(),
        penalty=penalty,
        generator_l2=generator_l2,
    )


REAL = np.array([[1.0, 0.5], [-0.2, 0.1], [0.3, 0.9]], "float32").reshape(3, 2, 1, 1)
FAKE = np.array([[0.4, -0.5], [0.0, 0.7], [-1.0, 0.2]], "float32").reshape(3, 2, 1, 1)
WEIGHT = np.array([1.0, 0.0, 2.0], "float32")


def logits(images):
    return 2.0 * images[:, 0, 0, 0] - images[:, 1, 0, 0] + 0.5


def discriminator_losses(one, weight=None, step=0):
    return one.discriminator_losses(
        tf.constant(REAL),
        tf.constant(FAKE),
        None,
        weight,
        seed=SEED,
        step=step,
        training=True,
    )


@pytest.mark.parametrize("weight", [None, WEIGHT])
def test_discriminator_losses_equal_numpy(weight):
    losses = discriminator_losses(game(penalty=R1(3.0)), weight)
    w = np.ones(3) if weight is None else weight
    real, fake = logits(REAL), logits(FAKE)
    expected = {
        "discriminator_loss": np.mean(w * (real - 1) ** 2 / 2)
        + np.mean(w * fake**2 / 2),
        "penalty": 3.0 / 2 * (2.0**2 + 1.0**2),
        "real_accuracy": np.mean(real > 0.5),
        "fake_accuracy": np.mean(fake < 0.5),
    }
    assert losses.keys() == expected.keys()
    for name, value in expected.items():
        assert float(losses[name]) == pytest.approx(value, rel=1e-5), name


@pytest.mark.parametrize("weight", [None, WEIGHT])
def test_generator_loss_equals_numpy(weight):
    loss = game().generator_loss(
        tf.constant(FAKE), None, weight, seed=SEED, training=True
    )
    w = np.ones(3) if weight is None else weight
    assert float(loss) == pytest.approx(np.mean(w * (logits(FAKE) - 1) ** 2 / 2))


def test_l2_is_the_sum_of_squares_of_kernels_not_biases():
    generator = linear_generator(bias_initializer="ones")
    arguments = (tf.constant(FAKE), None, None)
    plain = game(generator).generator_loss(*arguments, seed=SEED, training=True)
    with_l2 = game(generator, generator_l2=0.25).generator_loss(
        *arguments, seed=SEED, training=True
    )
    kernel = generator.get_weights()[0]
    expected = 0.25 * np.sum(kernel.astype("float64") ** 2)
    assert float(with_l2 - plain) == pytest.approx(expected, rel=1e-4)


def test_regularizers_of_a_custom_generator_count():
    generator = linear_generator(kernel_regularizer=keras.regularizers.L1(0.5))
    arguments = {"seed": SEED, "training": True}
    loss = game(generator).generator_loss(tf.constant(FAKE), None, None, **arguments)
    adversarial = np.mean((logits(FAKE) - 1) ** 2 / 2)
    expected = adversarial + 0.5 * np.abs(generator.get_weights()[0]).sum()
    assert float(loss) == pytest.approx(expected, rel=1e-5)
    assert float(extra_losses(linear_discriminator())) == 0.0


def test_lazy_penalty_gets_the_step():
    one = game(penalty=R1(3.0, interval=2))
    values = [float(discriminator_losses(one, step=i)["penalty"]) for i in (0, 1, 2)]
    assert values == pytest.approx([15.0, 0.0, 15.0])


def test_images_are_the_generator_s_of_normal_latents():
    generator = linear_generator()
    x = tf.zeros((4000, 2, 1, 1))
    images = game(generator).generate(x, None, seed=SEED, training=True).numpy()
    kernel = generator.get_weights()[0][0]
    z = images[:, 0, 0, 0] / kernel[0]
    np.testing.assert_allclose(images[:, 1, 0, 0], z * kernel[1], rtol=1e-3, atol=1e-5)
    # Closed form of N(0, 1), five standard errors.
    assert z.mean() == pytest.approx(0, abs=5 / np.sqrt(4000))
    assert z.var() == pytest.approx(1, abs=5 * np.sqrt(2 / 4000))


def test_noise_is_a_function_of_the_seed():
    x = tf.zeros((3, 8, 8, 1))
    generator = mlp_generator((8, 8, 1), latent_dim=1)
    one, again, other = (
        game(generator).generate(x, None, seed=tf.constant(s), training=True).numpy()
        for s in ([1, 2], [1, 2], [1, 3])
    )
    np.testing.assert_array_equal(one, again)
    assert (one != other).any()


def test_dropout_differs_between_real_and_fake_but_repeats_with_the_seed():
    inputs = keras.Input((2, 1, 1))
    units = SeededDropout(0.5)(keras.layers.Flatten()(inputs))
    dense = keras.layers.Dense(1, kernel_initializer="ones")
    one = game(discriminator=keras.Model(inputs, dense(units)))
    same = tf.ones((64, 2, 1, 1))

    def accuracies():
        losses = one.discriminator_losses(
            same, same, None, None, seed=SEED, step=0, training=True
        )
        return float(losses["real_accuracy"]), float(losses["fake_accuracy"])

    first = accuracies()
    # With one mask for both, the shares would add up to 1.
    assert sum(first) != pytest.approx(1.0)
    assert accuracies() == first


def test_flat_layers_reach_every_depth():
    model = keras.Sequential([keras.Sequential([keras.layers.ReLU(name="deep")])])
    assert "deep" in {layer.name for layer in flat_layers(model)}
    assert len(flat_layers(dcgan_discriminator((8, 8, 1)))) > 3
