import keras
import numpy as np
import pytest
import tensorflow as tf

import tfgenai as tg
from tfgenai.core import random
from tfgenai.gan.losses import HingeLoss, LeastSquaresLoss, NonSaturatingLoss
from tfgenai.gan.networks import dcgan_discriminator, mlp_discriminator, mlp_generator
from tfgenai.layers import SeededDropout

SHAPE = (8, 8, 1)
_LATENTS = 0  # what the game folds into the seed for z


def data(n=12, num_classes=None):
    generator = random.numpy_generator(5)
    x = generator.uniform(-1, 1, (n, *SHAPE)).astype("float32")
    y = generator.integers(0, num_classes or 2, n).astype("int32")
    return x, y


def small(**kwargs):
    arguments = {"image_shape": SHAPE, "latent_dim": 3, "network": "mlp", **kwargs}
    if arguments["network"] == "dcgan":
        arguments["discriminator"] = arguments.get(
            "discriminator",
            dcgan_discriminator(
                SHAPE, base_channels=4, num_classes=arguments.get("num_classes")
            ),
        )
    return tg.GAN(**arguments)


def compiled(gan, rate=0.1, other=None, **kwargs):
    gan.compile(
        keras.optimizers.SGD(rate),
        discriminator_optimizer=keras.optimizers.SGD(rate if other is None else other),
        **{"jit_compile": False, **kwargs},
    )
    return gan


def values(variables):
    return [v.numpy().copy() for v in variables]


def equal(before, after):
    return [bool((a == b).all()) for a, b in zip(before, after, strict=True)]


def scalar_networks():
    # G(z) = a z and C(x) = w x, on images of one pixel.
    z = keras.Input((1,))
    g = keras.layers.Dense(1, use_bias=False)
    generator = keras.Model(z, keras.layers.Reshape((1, 1, 1))(g(z)))
    x = keras.Input((1, 1, 1))
    d = keras.layers.Dense(1, use_bias=False)
    discriminator = keras.Model(x, d(keras.layers.Flatten()(x)))
    g.set_weights([np.array([[0.6]])])
    d.set_weights([np.array([[0.4]])])
    return generator, discriminator


@pytest.mark.parametrize("num_steps", [1, 3])
def test_a_step_follows_the_gradients_worked_out_by_hand(num_steps):
    # Least squares with scalars: dL_D/dw = E[(w x - 1) x] + E[(w a z) a z], a fresh z
    # in each step; then dL_G/da = E[(w a z - 1) w z] with the new w and the last z.
    generator, discriminator = scalar_networks()
    gan = tg.GAN(
        generator=generator,
        discriminator=discriminator,
        latent_dim=1,
        adversarial_loss="least_squares",
        num_discriminator_steps=num_steps,
        seed=3,
    )
    compiled(gan, rate=0.2, other=0.3)
    x = np.array([0.3, -0.5, 0.9, 0.1], "float32")
    step_seed = gan.step_seed()
    gan.train_step(tf.constant(x.reshape(4, 1, 1, 1)))
    a, w, drawn = 0.6, 0.4, []
    for i in range(num_steps):
        seed = random.fold(random.fold(step_seed, i), _LATENTS)
        z = random.normal(seed, (4, 1)).numpy().ravel().astype("float64")
        fake = a * z
        w -= 0.3 * (np.mean((w * x - 1) * x) + np.mean(w * fake * fake))
        drawn.append(z)
    slope = np.mean((w * a * drawn[-1] - 1) * w * drawn[-1])
    a -= 0.2 * slope
    assert discriminator.get_weights()[0].item() == pytest.approx(w, rel=1e-5)
    assert generator.get_weights()[0].item() == pytest.approx(a, rel=1e-5)
    assert gan.gradient_norms.numpy()[0] == pytest.approx(abs(slope), rel=1e-4)
    assert len({z[0] for z in drawn}) == num_steps


def test_logs_are_means_over_discriminator_steps():
    generator, discriminator = scalar_networks()
    gan = tg.GAN(
        generator=generator,
        discriminator=discriminator,
        latent_dim=1,
        adversarial_loss="wasserstein",
        num_discriminator_steps=2,
    )
    compiled(gan, rate=0.0)
    step_seed = gan.step_seed()
    x = tf.constant([0.3, -0.5], shape=(2, 1, 1, 1))
    logs = gan.train_step(x)
    z = [
        random.normal(random.fold(random.fold(step_seed, i), _LATENTS), (2, 1))
        for i in range(2)
    ]
    fake = 0.4 * 0.6 * np.mean(z, axis=(1, 2))  # both means, with frozen weights
    expected = np.mean(fake) - 0.4 * np.mean(x)
    assert float(logs["discriminator_loss"]) == pytest.approx(expected, abs=1e-6)
    assert float(logs["loss"]) == pytest.approx(-fake[1], abs=1e-6)


# ---- each half moves its own ---------------------------------------------------


def with_statistics():
    """A discriminator that has BatchNormalization, as a user may bring one."""
    x = keras.Input(SHAPE)
    h = keras.layers.Dense(4)(keras.layers.Flatten()(x))
    h = keras.layers.ReLU()(keras.layers.BatchNormalization()(h))
    return keras.Model(x, keras.layers.Dense(1)(h))


@pytest.mark.parametrize("num_steps", [1, 2])
def test_the_discriminator_s_half_moves_nothing_of_the_generator(num_steps):
    gan = small(network="dcgan", num_discriminator_steps=num_steps)
    compiled(gan, rate=0.0, other=0.1)
    generator, discriminator = gan.generator, gan.discriminator
    before = values(generator.trainable_variables)
    judged = values(discriminator.trainable_variables)
    gan.train_step(tf.constant(data()[0]))
    assert all(equal(before, values(generator.trainable_variables)))
    assert not any(equal(judged, values(discriminator.trainable_variables)))


def test_the_generator_s_half_moves_nothing_of_the_discriminator():
    # The discriminator after a whole step is the one after its own half.
    whole, half = (
        compiled(small(discriminator=d), rate=0.1, other=0.1)
        for d in (with_statistics(), with_statistics())
    )
    half.discriminator.set_weights(whole.discriminator.get_weights())
    half.generator.set_weights(whole.generator.get_weights())
    before = values(whole.generator.trainable_variables)
    x = tf.constant(data()[0])
    seed = random.fold(half.step_seed(), 0)
    fake = half._game.generate(x, None, seed=seed, training=True)
    half._discriminator_step(x, fake, None, None, seed)
    whole.train_step(x)
    for a, b in zip(
        whole.discriminator.get_weights(), half.discriminator.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(a, b)
    assert all(equal(before, values(half.generator.trainable_variables)))
    assert not any(equal(before, values(whole.generator.trainable_variables)))


@pytest.mark.parametrize("num_steps", [1, 3])
def test_statistics_of_the_generator_move_once_a_step(num_steps):
    gan = small(network="dcgan", num_discriminator_steps=num_steps)
    compiled(gan, rate=0.0)
    reference = keras.models.clone_model(gan.generator)
    reference.set_weights(gan.generator.get_weights())
    x = tf.constant(data()[0])
    last = random.fold(gan.step_seed(), num_steps - 1)
    z = random.normal(random.fold(last, _LATENTS), (len(x), 3))
    reference(z, training=True)
    gan.train_step(x)
    assert gan.generator.non_trainable_variables
    for a, b in zip(
        gan.generator.non_trainable_variables,
        reference.non_trainable_variables,
        strict=True,
    ):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("num_steps", [1, 2])
def test_power_iteration_advances_once_a_discriminator_step(num_steps):
    critic = mlp_discriminator(SHAPE, hidden_units=(4,), spectral_normalization=True)
    gan = small(
        discriminator=critic,
        adversarial_loss="hinge",
        penalty="r1",
        num_discriminator_steps=num_steps,
    )
    compiled(gan, rate=0.0)
    dense = next(layer for layer in critic.layers if hasattr(layer, "u"))
    u, kernel = dense.u.numpy(), dense.kernel.numpy()
    gan.train_step(tf.constant(data()[0]))
    for _ in range(num_steps):
        v = u @ kernel.T / np.linalg.norm(u @ kernel.T)
        u = v @ kernel / np.linalg.norm(v @ kernel)
    np.testing.assert_allclose(dense.u.numpy(), u, rtol=1e-4, atol=1e-6)


def test_real_and_fake_are_judged_in_passes_of_their_own():
    sizes = []

    @keras.saving.register_keras_serializable("test_gan")
    class Spy(keras.layers.Layer):
        def call(self, x):
            sizes.append(x.shape[0])
            return x

    x = keras.Input(SHAPE)
    h = Spy()(keras.layers.Flatten()(x))
    gan = compiled(small(discriminator=keras.Model(x, keras.layers.Dense(1)(h))))
    sizes.clear()
    gan.train_step(tf.constant(data(12)[0]))
    assert sizes == [12, 12, 12]


# ---- fit, evaluate, generate ---------------------------------------------------

VARIANTS = {
    "mlp": {"dropout": 0.3, "generator_l2": 1e-3},
    "dcgan": {"network": "dcgan", "num_classes": 3, "ema_decay": 0.9},
    "minimax": {"adversarial_loss": "minimax"},
    "lsgan": {"adversarial_loss": "least_squares"},
    "wgan_gp": {
        "adversarial_loss": "wasserstein",
        "penalty": "wgan_gp",
        "num_discriminator_steps": 2,
    },
    "lazy_r1": {"adversarial_loss": "hinge", "penalty": tg.gan.R1(1.0, interval=2)},
}


@pytest.mark.parametrize(
    ("variant", "jit_compile"),
    [*((variant, False) for variant in VARIANTS), ("lazy_r1", True)],
)
def test_fits_with_finite_losses(variant, jit_compile):
    gan = small(**VARIANTS[variant])
    gan.compile(jit_compile=jit_compile, steps_per_execution=1)
    networks = (gan.generator, gan.discriminator)
    before = [values(network.trainable_variables) for network in networks]
    history = gan.fit(*data(12, 3), batch_size=4, epochs=1, verbose=0).history
    assert set(history) == set(gan.loss_names)
    assert np.isfinite(list(history.values())).all()
    assert 0 <= history["real_accuracy"][0] <= 1
    assert int(gan.step.numpy()) == 3
    for old, network in zip(before, networks, strict=True):
        # The last bias stays where real and fake pull it equally.
        stayed = equal(old, values(network.trainable_variables))[:-1]
        assert not any(stayed)


def test_evaluate_gives_the_losses_without_a_step_under_the_average():
    gan = compiled(small(ema_decay=0.9, penalty=tg.gan.R1(2.0, interval=16)), rate=0.5)
    x, _ = data()
    gan.fit(x, batch_size=4, epochs=2, verbose=0)
    before = values(gan.weights)
    first = gan.evaluate(x, batch_size=4, verbose=0, return_dict=True)
    again = gan.evaluate(x, batch_size=4, verbose=0, return_dict=True)
    assert first == again
    assert set(first) == set(gan.loss_names)
    changed = [
        v.name
        for v, old, new in zip(gan.weights, before, values(gan.weights), strict=True)
        if (old != new).any()
    ]
    assert set(changed) <= {"evaluation_step"}
    # The lazy penalty is computed for every batch, not one in 16.
    lone = tg.gan.R1(2.0 * 16)(
        gan.discriminator, tf.constant(x), None, seed=None, step=0
    )
    assert first["penalty"] == pytest.approx(float(lone), rel=1e-4)


def test_generate_uses_the_average():
    gan = compiled(small(ema_decay=0.5), rate=0.5)
    gan.fit(data()[0], batch_size=4, epochs=1, verbose=0)
    images = gan.generate(3, seed=1)
    for variable in gan.generator.trainable_variables:
        variable.assign(tf.zeros_like(variable.value))
    np.testing.assert_array_equal(gan.generate(3, seed=1), images)
    assert np.abs(images).max() > 0


def test_no_spread_of_latents_gives_one_image_per_label():
    gan = small(num_classes=3)
    images = gan.generate(4, labels=[1, 1, 2, 2], temperature=0.0, seed=1)
    np.testing.assert_array_equal(images[0], images[1])
    np.testing.assert_array_equal(images[2], images[3])
    assert (images[0] != images[2]).any()


def test_samples_are_the_generator_s_of_row_noise():
    gan = small()
    seeds = tf.constant([4, 9], tf.int64)
    z = random.row_normal(seeds, (3,))
    expected = gan.generator(0.5 * z)
    images = gan.generate(2, seed=[4, 9], temperature=0.5)
    np.testing.assert_allclose(images, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({}, ValueError, "labels=None"),
        ({"labels": 3}, ValueError, r"labels=3"),
        ({"labels": [0]}, ValueError, "labels of shape"),
        ({"labels": 0.5}, TypeError, "labels="),
        ({"labels": 0, "temperature": -1.0}, ValueError, "temperature=-1.0"),
        ({"labels": 0, "truncation": 1.0}, TypeError, "truncation="),
    ],
)
def test_generate_refuses_bad_conditions(arguments, error, words):
    with pytest.raises(error, match=words):
        small(num_classes=3).generate(2, **arguments)


def test_a_label_out_of_range_stops_training():
    gan = compiled(small(num_classes=3), jit_compile=True, steps_per_execution=1)
    x, y = data(8, 3)
    y[2] = 3
    with pytest.raises(tg.core.errors.NonFiniteLossError):
        gan.fit(x, y, batch_size=8, verbose=0)


@pytest.mark.parametrize(
    ("x", "y", "words"),
    [
        (np.zeros((4, 9, 8, 1), "float32"), np.zeros(4, "int32"), "x of shape"),
        (np.zeros((4, *SHAPE), "float32"), None, "y=None"),
        (np.zeros((4, *SHAPE), "float32"), np.zeros((4, 3), "int32"), "argmax"),
    ],
)
def test_fit_refuses_data_that_does_not_fit(x, y, words):
    gan = compiled(small(num_classes=3))
    with pytest.raises(ValueError, match=words):
        gan.fit(x, y, verbose=0)


# ---- config and files ----------------------------------------------------------


def my_networks():
    z = keras.Input((128,))
    image = keras.layers.Dense(64, activation="tanh")(z)
    generator = keras.Model(z, keras.layers.Reshape(SHAPE)(image))
    x = keras.Input(SHAPE)
    h = keras.layers.Dense(8, activation="relu")(keras.layers.Flatten()(x))
    discriminator = keras.Model(x, keras.layers.Dense(1)(SeededDropout(0.3)(h)))
    return generator, discriminator


def test_the_example_of_the_documentation_runs_and_resumes(tmp_path):
    my_generator, my_discriminator = my_networks()
    gan = tg.GAN(
        generator=my_generator,
        discriminator=my_discriminator,
        latent_dim=128,
        adversarial_loss="hinge",
        penalty=tg.gan.R1(weight=10.0),
        num_discriminator_steps=2,
        ema_decay=0.999,
    )
    gan.compile(
        optimizer=keras.optimizers.Adam(2e-4, beta_1=0.5),
        discriminator_optimizer=keras.optimizers.Adam(4e-4, beta_1=0.5),
        jit_compile=False,
    )
    x, _ = data()
    arguments = {"batch_size": 4, "verbose": 0, "shuffle": False}
    gan.fit(x, epochs=1, **arguments)
    gan.save(tmp_path / "digits.keras")
    again = tg.load_model(tmp_path / "digits.keras")
    np.testing.assert_array_equal(again.generate(3, seed=1), gan.generate(3, seed=1))
    for model in (gan, again):
        model.fit(x, epochs=1, **arguments)
    for one, other in zip(
        [
            *gan.weights,
            *gan.optimizer.variables,
            *gan.discriminator_optimizer.variables,
        ],
        [
            *again.weights,
            *again.optimizer.variables,
            *again.discriminator_optimizer.variables,
        ],
        strict=True,
    ):
        np.testing.assert_array_equal(one.numpy(), other.numpy())
    assert float(again.discriminator_optimizer.learning_rate) == pytest.approx(4e-4)


@pytest.mark.parametrize("variant", VARIANTS)
def test_config_holds_the_arguments(variant):
    gan = small(**VARIANTS[variant], seed=5, name="mine")
    config = gan.get_config()
    again = tg.GAN.from_config(config)
    for name, value in again.get_config().items():
        if name not in ("generator", "discriminator"):  # their weights are compared
            assert value == config[name], name
    assert [v.shape for v in again.weights] == [v.shape for v in gan.weights]
    assert type(again.adversarial_loss) is type(gan.adversarial_loss)
    assert again.name == "mine"
    given = VARIANTS[variant].get("penalty")
    assert (again.penalty is None) == (given is None)
    if isinstance(given, tg.gan.R1):
        assert again.penalty.interval == given.interval


def test_config_keeps_what_a_loss_was_made_with():
    gan = small(adversarial_loss=NonSaturatingLoss(label_smoothing=0.1))
    again = tg.GAN.from_config(gan.get_config())
    assert again.adversarial_loss.label_smoothing == 0.1


def test_config_has_networks_only_where_they_were_given():
    config = small(generator=mlp_generator(SHAPE, latent_dim=3)).get_config()
    assert config["generator"]["config"]["name"] == "generator"
    assert config["discriminator"] is None


def test_all_variables_exist_after_construction():
    gan = small(ema_decay=0.9)
    assert gan.built
    assert gan.averaged_weights() == gan.generator.weights
    generator, discriminator = (
        gan.optimized_variables(name) for name in gan.optimizer_names
    )
    assert len(generator) == 6
    assert len(discriminator) == 6
    assert not {id(v) for v in generator} & {id(v) for v in discriminator}


def test_default_optimizers_follow_the_papers():
    gan = small(adversarial_loss=HingeLoss())
    gan.compile()
    for name in gan.optimizer_names:
        optimizer = getattr(gan, name)
        assert float(optimizer.learning_rate) == pytest.approx(2e-4)
        assert optimizer.beta_1 == 0.5
    critic = small(adversarial_loss="wasserstein", penalty="wgan_gp")
    critic.compile()
    assert float(critic.optimizer.learning_rate) == pytest.approx(1e-4)
    assert critic.optimizer.beta_1 == 0.0
    assert critic.optimizer.beta_2 == 0.9


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"image_shape": (8, 8)}, ValueError, r"image_shape=\(8, 8\)"),
        ({"image_shape": None}, ValueError, "image_shape=None"),
        ({"latent_dim": 0}, ValueError, "latent_dim=0"),
        ({"network": "unet"}, ValueError, "network='unet'"),
        ({"adversarial_loss": "hing"}, ValueError, "Did you mean 'hinge'"),
        ({"adversarial_loss": 3}, TypeError, "adversarial_loss=3"),
        ({"penalty": "r2"}, ValueError, "Received: penalty='r2'"),
        ({"penalty": LeastSquaresLoss()}, TypeError, "Received: penalty="),
        ({"num_discriminator_steps": 0}, ValueError, "num_discriminator_steps=0"),
        ({"generator_l2": -1.0}, ValueError, r"generator_l2=-1\.0"),
        ({"dropout": 1.5}, ValueError, r"dropout=1\.5"),
        ({"ema_decay": 1.0}, ValueError, r"ema_decay=1\.0"),
        ({"network": "dcgan", "image_shape": (7, 7, 1)}, ValueError, "network='mlp'"),
    ],
)
def test_refuses_bad_arguments_by_name(arguments, error, words):
    if arguments.get("network") == "dcgan":
        arguments = {**arguments, "discriminator": mlp_discriminator((7, 7, 1))}
    with pytest.raises(error, match=words):
        small(**arguments)
