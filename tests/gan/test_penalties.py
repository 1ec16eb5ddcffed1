import keras
import numpy as np
import pytest
import tensorflow as tf

from tfgenai.core import random
from tfgenai.gan.networks import dcgan_discriminator
from tfgenai.gan.penalties import PENALTIES, R1, GradientPenalty, WassersteinGP

SEED = tf.constant([3, 4])
SHAPE = (5, 3, 2, 2)
WEIGHTS = np.linspace(-0.5, 0.8, 12).reshape(3, 2, 2).astype("float32")


def images(seed):
    generator = random.numpy_generator(seed)
    return tf.constant(generator.uniform(-1, 1, SHAPE).astype("float32"))


def linear(x):
    return tf.reduce_sum(x * WEIGHTS, axis=(1, 2, 3))


def apply(penalty, critic, step=0):
    return penalty(critic, images(1), images(2), seed=SEED, step=step)


def test_r1_of_a_linear_critic_is_half_its_squared_norm():
    expected = 10.0 / 2 * np.sum(WEIGHTS.astype("float64") ** 2)
    assert float(apply(R1(10.0), linear)) == pytest.approx(expected, rel=1e-5)


def test_gradient_penalty_of_a_linear_critic_is_its_norm_s_distance_from_one():
    expected = 10.0 * (np.linalg.norm(WEIGHTS.astype("float64")) - 1) ** 2
    assert float(apply(WassersteinGP(10.0), linear)) == pytest.approx(
        expected, rel=1e-4
    )


def test_r1_looks_at_real_images_only():
    # C(x) = a |x|^2 / 2 has the gradient a x: closed form in the real images.
    penalty = apply(R1(4.0), lambda x: 1.5 * tf.reduce_sum(x**2, (1, 2, 3)) / 2)
    real = images(1).numpy().astype("float64")
    expected = 4.0 / 2 * 1.5**2 * np.mean(np.sum(real**2, (1, 2, 3)))
    assert float(penalty) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("penalty", [R1(4.0), WassersteinGP(3.0)])
def test_derivative_by_a_weight_equals_finite_differences(penalty):
    weight = tf.Variable(0.7)

    def critic(x):
        return tf.reduce_sum(weight * x**2 + tf.sin(weight * x), (1, 2, 3))

    with tf.GradientTape() as tape:
        value = apply(penalty, critic)
    slope = float(tape.gradient(value, weight))
    h = 1e-2
    weight.assign(0.7 + h)
    above = float(apply(penalty, critic))
    weight.assign(0.7 - h)
    below = float(apply(penalty, critic))
    assert slope == pytest.approx((above - below) / (2 * h), rel=1e-3)


@pytest.mark.parametrize("penalty", [R1(1.0), WassersteinGP(1.0)])
def test_a_constant_critic_gives_finite_gradients(penalty):
    # Trap: the derivative of sqrt(sum of squares) is 0/0 where the gradient is zero.
    weight = tf.Variable(0.0)
    with tf.GradientTape() as tape:
        value = apply(penalty, lambda x: weight * tf.reduce_sum(x, (1, 2, 3)))
    assert np.isfinite(float(value))
    assert np.isfinite(float(tape.gradient(value, weight)))


def test_points_are_uniform_between_real_and_fake_one_draw_an_example():
    seen = []

    def critic(x):
        seen.append(x)
        return tf.reduce_sum(x, (1, 2, 3))

    n = 4000
    real, fake = tf.ones((n, 2, 2, 1)), tf.zeros((n, 2, 2, 1))
    WassersteinGP()(critic, real, fake, seed=SEED, step=0)
    alpha = seen[0].numpy()
    assert (alpha == alpha[:, :1, :1, :]).all()  # one for a whole image
    alpha = alpha[:, 0, 0, 0]
    assert alpha.min() >= 0
    assert alpha.max() <= 1
    assert len(np.unique(alpha)) > 0.9 * n
    # Closed form of U(0, 1): mean 1/2, variance 1/12; five standard errors.
    assert alpha.mean() == pytest.approx(0.5, abs=5 * np.sqrt(1 / 12 / n))
    assert alpha.var() == pytest.approx(1 / 12, abs=5 * np.sqrt(1 / 180 / n))


@pytest.mark.parametrize("penalty", [R1(10.0), WassersteinGP(10.0)])
def test_half_precision_agrees_with_single(penalty):
    values = []
    for dtype in ("float32", "mixed_float16"):
        critic = dcgan_discriminator((8, 8, 1), base_channels=8, dtype=dtype)
        real, fake = tf.ones((4, 8, 8, 1)) * 0.3, tf.zeros((4, 8, 8, 1))
        values.append(float(penalty(critic, real, fake, seed=SEED, step=0)))
    assert values[1] == pytest.approx(values[0], rel=1e-2)


def test_lazy_r1_has_the_same_mean():
    lazy = [float(apply(R1(2.0, interval=3), linear, step)) for step in range(6)]
    assert lazy[1] == lazy[2] == lazy[4] == lazy[5] == 0.0
    assert np.mean(lazy) == pytest.approx(float(apply(R1(2.0), linear)), rel=1e-6)


@pytest.mark.parametrize("penalty", [R1(3.0), R1(1.0, interval=16), WassersteinGP(2.0)])
def test_comes_back_from_its_config(penalty):
    again = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(penalty)
    )
    assert type(again) is type(penalty)
    assert again.get_config() == penalty.get_config()


def test_all_penalties_are_known_by_name():
    assert PENALTIES.names() == ["r1", "wgan_gp"]
    assert PENALTIES.create("wgan_gp").weight == 10.0


@pytest.mark.parametrize("weight", [0.0, -1.0, float("inf"), float("nan")])
@pytest.mark.parametrize("kind", [R1, WassersteinGP])
def test_refuses_a_weight_that_is_not_positive(kind, weight):
    with pytest.raises(ValueError, match="Received: weight="):
        kind(weight)


@pytest.mark.parametrize("interval", [0, 1.5, True])
def test_refuses_an_interval_that_is_no_number_of_steps(interval):
    with pytest.raises(ValueError, match="Received: interval="):
        R1(1.0, interval=interval)


def test_base_asks_for_the_formula():
    with pytest.raises(NotImplementedError, match="__call__"):
        apply(GradientPenalty(1.0), linear)
