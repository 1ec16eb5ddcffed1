"""VAE: its objective against closed forms, bounds, files, precision and bad input."""

import keras
import numpy as np
import pytest
import scipy.stats
import tensorflow as tf
import tensorflow_probability as tfp

from tfgenai.core import random
from tfgenai.core.likelihoods import DiscretizedLogistic, Gaussian
from tfgenai.vae import VAE, mlp_encoder

SHAPE = (4, 4, 1)
SEED = tf.constant([1, 2])


def tiny(**arguments):
    return VAE(SHAPE, 3, **{"hidden_units": (8,), **arguments})


def binary_images(n, seed=0, shape=SHAPE):
    rng = random.numpy_generator(seed)
    return rng.choice([-1.0, 1.0], (n, *shape)).astype(np.float32)


def losses_of(model, x, y=None, sample_weight=None, *, training=False, seed=SEED):
    y = None if y is None else tf.constant(y)
    losses = model.compute_losses(
        tf.constant(x), y, sample_weight, seed=seed, training=training
    )
    return {name: float(value) for name, value in losses.items()}


class LinearGaussian:
    """x = W z + b + s · noise: everything about it is known in closed form."""

    latent_dim, dims, scale = 2, 16, 0.6

    def __init__(self):
        rng = random.numpy_generator(11)
        self.w = 0.3 * rng.normal(size=(self.dims, self.latent_dim))
        self.b = 0.1 * rng.normal(size=self.dims)
        # Orthogonal columns make the posterior diagonal, as the model's is.
        u, s, _ = np.linalg.svd(self.w, full_matrices=False)
        self.w = u * s
        precision = 1.0 + s**2 / self.scale**2
        self.variance = 1.0 / precision
        self.gain = (self.variance[:, None] * self.w.T) / self.scale**2

    def model(self):
        vae = VAE(
            SHAPE, self.latent_dim, hidden_units=(), likelihood=Gaussian(self.scale)
        )
        kernel = np.concatenate([self.gain.T, np.zeros((self.dims, 2))], axis=1)
        bias = np.concatenate([-self.gain @ self.b, np.log(self.variance)])
        vae.encoder.get_layer("posterior").set_weights([kernel, bias])
        vae.decoder.get_layer("parameters").set_weights([self.w.T, self.b])
        return vae

    def log_prob(self, x):
        covariance = self.w @ self.w.T + self.scale**2 * np.eye(self.dims)
        return scipy.stats.multivariate_normal(self.b, covariance).logpdf(
            x.reshape(-1, self.dims)
        )


@pytest.fixture(scope="module")
def exact():
    return LinearGaussian()


@pytest.fixture(scope="module")
def grey_images():
    rng = random.numpy_generator(5)
    return np.clip(0.5 * rng.normal(size=(64, *SHAPE)), -1, 1).astype(np.float32)


class TestObjective:
    def test_elbo_of_a_linear_gaussian_model_is_log_prob(self, exact, grey_images):
        # Trap V1. With the exact posterior the integrand log p(x,z) - log q(z|x) is
        # log p(x) for every z; the KL is analytic, so one z leaves noise. Average it.
        model = exact.model()
        parts = [
            losses_of(model, grey_images, seed=tf.constant([i, 0]))["elbo"]
            for i in range(400)
        ]
        error = np.std(parts) / np.sqrt(len(parts))
        expected = exact.log_prob(grey_images).mean()
        assert error < 0.02
        assert abs(np.mean(parts) - expected) < 5 * error

    def test_analytic_elbo_of_a_linear_gaussian_model_is_log_prob(
        self, exact, grey_images
    ):
        # Trap V1, to 1e-4: E[log p(x|z)] in closed form plus the model's own KL.
        model = exact.model()
        mean, _ = model.posterior(tf.constant(grey_images))
        expected_image = model.parameters(mean)
        at_mean = model.likelihood.log_prob(grey_images, expected_image)
        spread = (exact.variance * (exact.w**2).sum(axis=0)).sum()
        reconstruction = at_mean - 0.5 * spread / exact.scale**2
        kl = losses_of(model, grey_images)["kl"]
        elbo = float(tf.reduce_mean(reconstruction)) - kl
        assert elbo == pytest.approx(exact.log_prob(grey_images).mean(), abs=1e-4)

    def test_kl_equals_tfd(self):
        model, x = tiny(), binary_images(8)
        mean, log_variance = model.posterior(tf.constant(x))
        q = tfp.distributions.MultivariateNormalDiag(mean, tf.exp(0.5 * log_variance))
        p = tfp.distributions.MultivariateNormalDiag(tf.zeros(3))
        expected = float(tf.reduce_mean(tfp.distributions.kl_divergence(q, p)))
        assert losses_of(model, x)["kl"] == pytest.approx(expected, rel=1e-5)

    def test_loss_is_reconstruction_plus_beta_kl(self):
        losses = losses_of(tiny(beta=4.0), binary_images(8))
        expected = losses["reconstruction_loss"] + 4.0 * losses["kl"]
        assert losses["loss"] == pytest.approx(expected)
        assert losses["elbo"] == pytest.approx(
            -losses["reconstruction_loss"] - losses["kl"]
        )

    def test_warm_up_is_linear_in_training_and_off_in_validation(self):
        model, x = tiny(beta=2.0, kl_warmup_steps=10), binary_images(8)
        for step, weight in ((0, 0.0), (5, 1.0), (10, 2.0), (30, 2.0)):
            model.step.assign(step)
            losses = losses_of(model, x, training=True)
            expected = losses["reconstruction_loss"] + weight * losses["kl"]
            assert losses["loss"] == pytest.approx(expected)
        model.step.assign(0)
        losses = losses_of(model, x, training=False)
        expected = losses["reconstruction_loss"] + 2.0 * losses["kl"]
        assert losses["loss"] == pytest.approx(expected)

    def test_free_bits_are_per_dimension_and_batch_mean(self):
        # Kingma et al. 2016, appendix C.8, from the posteriors in NumPy
        model, x = tiny(free_bits=1.0), binary_images(16)
        mean, log_variance = (t.numpy() for t in model.posterior(tf.constant(x)))
        kl = 0.5 * (mean**2 + np.exp(log_variance) - 1 - log_variance).mean(axis=0)
        assert (kl < 1.0).any()
        assert (kl > 1.0).any()
        losses = losses_of(model, x)
        expected = losses["reconstruction_loss"] + np.maximum(kl, 1.0).sum()
        assert losses["loss"] == pytest.approx(expected, rel=1e-5)
        assert losses["kl"] == pytest.approx(kl.sum(), rel=1e-5)

    def test_sample_weights_multiply_each_example(self):
        model, x = exact_noise_free(), binary_images(4)
        weighted = losses_of(model, x, sample_weight=tf.constant([2.0, 0.0, 0.0, 2.0]))
        picked = losses_of(model, x[[0, 3]])
        for name, value in picked.items():
            assert weighted[name] == pytest.approx(value, rel=1e-5)

    @pytest.mark.parametrize("log_variance", [-100.0, 100.0])
    def test_extreme_log_variance_is_finite_and_comes_back(self, log_variance):
        # Trap V4
        model, x = tiny(dtype="mixed_float16"), tf.constant(binary_images(4))
        posterior = model.encoder.get_layer("posterior")
        posterior.bias.assign([0.0] * 3 + [log_variance] * 3)
        with tf.GradientTape() as tape:
            loss = model.compute_losses(x, None, None, seed=SEED, training=True)["loss"]
        gradients = tape.gradient(loss, [v.value for v in model.trainable_variables])
        assert np.isfinite(loss)
        assert all(np.isfinite(g).all() for g in gradients)
        index = [v.path for v in model.trainable_variables].index(posterior.bias.path)
        pull = gradients[index].numpy()[3:]
        assert (np.sign(pull) == np.sign(log_variance)).all()


def exact_noise_free():
    """A model whose posterior is so narrow that noise does not matter."""
    model = tiny()
    kernel, _ = model.encoder.get_layer("posterior").get_weights()
    kernel[:, 3:] = 0.0
    bias = np.array([0.0] * 3 + [-20.0] * 3)
    model.encoder.get_layer("posterior").set_weights([kernel, bias])
    return model


class TestTraining:
    def test_fit_improves_the_elbo_and_logs_every_loss(self):
        # rows of one colour: far below the 11.1 nats of coin flips
        x = np.repeat(binary_images(256, shape=(4, 1, 1)), 4, axis=2)
        model = tiny(ema_decay=0.9)
        model.compile(keras.optimizers.Adam(1e-2))
        data = tf.data.Dataset.from_tensor_slices(x).batch(64)
        before = model.evaluate(data, verbose=0, return_dict=True)
        history = model.fit(data, epochs=40, validation_data=data, verbose=0).history
        assert set(before) == set(VAE.loss_names)
        assert set(history) == set(before) | {f"val_{name}" for name in before}
        assert history["val_elbo"][-1] > before["elbo"] + 2.0
        assert history["val_elbo"][-1] > -9.0

    @pytest.mark.parametrize("network", ["mlp", "conv"])
    @pytest.mark.parametrize(
        "likelihood", ["bernoulli", "discretized_logistic_mixture"]
    )
    def test_conditional_models_learn_from_labels(self, network, likelihood):
        model = VAE(
            (8, 8, 1),
            2,
            network=network,
            hidden_units=(8,),
            filters=(4, 4),
            likelihood=likelihood,
            num_classes=2,
        )
        x, y = binary_images(8, shape=(8, 8, 1)), np.arange(8) % 2
        one = losses_of(model, x, y)
        other = losses_of(model, x, 1 - y)
        assert one["reconstruction_loss"] != other["reconstruction_loss"]

    def test_initial_weights_are_a_function_of_the_seed(self):
        def weights(seed):
            return np.concatenate([w.ravel() for w in tiny(seed=seed).get_weights()])

        np.testing.assert_array_equal(weights(3), weights(3))
        assert (weights(3) != weights(4)).any()


class TestFiles:
    def test_keras_file_gives_back_everything(self, tmp_path):
        model = tiny(num_classes=3, ema_decay=0.5, free_bits=0.1, kl_warmup_steps=4)
        model.compile("adam")
        x, y = binary_images(8), np.arange(8) % 3
        model.fit(x, y, batch_size=4, epochs=2, verbose=0)
        model.save(tmp_path / "model.keras")
        loaded = keras.saving.load_model(tmp_path / "model.keras")
        assert loaded.get_config() == model.get_config()
        assert len(model.weights) > 10
        for one, other in zip(model.weights, loaded.weights, strict=True):
            np.testing.assert_array_equal(one, other)
        for one, other in zip(
            model.optimizer.variables, loaded.optimizer.variables, strict=True
        ):
            np.testing.assert_array_equal(one, other)
        np.testing.assert_array_equal(
            model.generate(3, seed=1, labels=2), loaded.generate(3, seed=1, labels=2)
        )

    @pytest.mark.parametrize(
        "arguments",
        [
            {},
            {"network": "conv", "filters": (4,), "hidden_units": ()},
            {"likelihood": DiscretizedLogistic(16), "num_classes": 4, "beta": 0.5},
            {"likelihood": Gaussian(0.2), "dtype": "mixed_float16", "seed": 9},
        ],
    )
    def test_config_round_trip(self, arguments):
        model = tiny(**arguments)
        config = model.get_config()
        assert VAE.from_config(config).get_config() == config
        revived = keras.saving.deserialize_keras_object(
            keras.saving.serialize_keras_object(model)
        )
        assert revived.get_config() == config

    def test_own_networks_come_back(self, tmp_path):
        encoder = keras.Sequential(
            [keras.Input(SHAPE), keras.layers.Flatten(), keras.layers.Dense(6)]
        )
        decoder = keras.Sequential(
            [
                keras.Input((3,)),
                keras.layers.Dense(16),
                keras.layers.Reshape(SHAPE),
            ]
        )
        model = VAE(SHAPE, 3, encoder=encoder, decoder=decoder)
        model.save(tmp_path / "model.keras")
        loaded = keras.saving.load_model(tmp_path / "model.keras")
        x = binary_images(4)
        np.testing.assert_array_equal(model.encode(x), loaded.encode(x))
        assert loaded.get_config()["encoder"]["class_name"] == "Sequential"

    def test_config_is_the_constructors_arguments(self):
        import inspect

        names = set(inspect.signature(VAE.__init__).parameters) - {"self"}
        assert set(tiny().get_config()) == names


class TestGeneration:
    def test_samples_of_temperature_zero_are_the_decoded_origin(self):
        model = tiny()
        np.testing.assert_allclose(
            model.generate(2, temperature=0.0),
            model.decode(np.zeros((2, 3))),
            atol=1e-6,
        )

    def test_temperature_scales_the_latents(self):
        model = tiny()
        z = random.row_normal(random.row_seeds(5, 4), (3,)).numpy()
        np.testing.assert_allclose(
            model.generate(4, seed=5, temperature=0.5), model.decode(0.5 * z), atol=1e-6
        )

    def test_pixel_noise_draws_from_the_likelihood_row_by_row(self):
        model = tiny()
        noise = [0, 1, 0, 1]
        mixed = model.generate(4, seed=5, pixel_noise=noise)
        plain = model.generate(4, seed=5)
        drawn = model.generate(4, seed=5, pixel_noise=1)
        np.testing.assert_array_equal(mixed[::2], plain[::2])
        np.testing.assert_array_equal(mixed[1::2], drawn[1::2])
        assert set(np.unique(drawn)) == {-1.0, 1.0}

    def test_labels_are_required_and_in_range(self):
        model = tiny(num_classes=3)
        assert model.generate(2, labels=[0, 2]).shape == (2, *SHAPE)
        with pytest.raises(ValueError, match="labels"):
            model.generate(2)
        with pytest.raises(ValueError, match="labels=3"):
            model.generate(2, labels=[0, 3])

    def test_xla_gives_the_same_samples(self):
        model = tiny()
        np.testing.assert_allclose(
            model.generate(2, seed=3, jit_compile=True),
            model.generate(2, seed=3),
            atol=1e-4,
        )

    def test_call_reconstructs(self):
        model, x, y = tiny(num_classes=3), binary_images(4), np.int32([0, 1, 2, 0])
        np.testing.assert_allclose(model((x, y)), model.reconstruct(x, y), atol=1e-6)


class TestPrecision:
    @pytest.mark.parametrize("dtype", ["mixed_float16", "mixed_bfloat16"])
    def test_half_precision_is_close_and_answers_in_float32(self, dtype):
        half, single, x = tiny(dtype=dtype), tiny(), binary_images(8)
        for layer in (*half.encoder.layers, *half.decoder.layers):
            if layer.name.startswith("dense"):
                assert layer.compute_dtype == dtype.removeprefix("mixed_")
        losses = losses_of(half, x)
        for name, value in losses_of(single, x).items():
            assert losses[name] == pytest.approx(value, rel=0.05, abs=0.02)
        assert half.generate(1).dtype == np.float32


class TestBadInput:
    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            ({"image_shape": (28, 28)}, r"image_shape=\(28, 28\)"),
            ({"image_shape": (28, 28, 0)}, "image_shape="),
            ({"latent_dim": 0}, "latent_dim="),
            ({"latent_dim": 2.5}, "latent_dim="),
            ({"hidden_units": (0,)}, "hidden_units="),
            ({"num_classes": 0}, "num_classes="),
            ({"beta": -1.0}, "beta=-1"),
            ({"beta": float("nan")}, "beta=nan"),
            ({"free_bits": -0.1}, "free_bits="),
            ({"kl_warmup_steps": -1}, "kl_warmup_steps="),
            ({"network": "cnv"}, "Did you mean 'conv'"),
            ({"likelihood": "bernouli"}, "Did you mean 'bernoulli'"),
            ({"image_shape": (30, 30, 1), "network": "conv"}, "32×32"),
            ({"network": "conv", "filters": ()}, "filters="),
        ],
    )
    def test_constructor_names_the_argument(self, arguments, words):
        with pytest.raises(ValueError, match=words):
            VAE(**{"image_shape": SHAPE, "latent_dim": 3, **arguments})

    def test_a_network_of_another_shape_is_refused(self):
        with pytest.raises(ValueError, match=r"\(None, 6\) .*encoder .*\(None, 4\)"):
            VAE(SHAPE, 3, encoder=mlp_encoder(SHAPE, 2))
        with pytest.raises(TypeError, match="decoder of type function"):
            VAE(SHAPE, 3, decoder=lambda z: z)

    @pytest.mark.parametrize(
        ("x", "y", "error", "words"),
        [
            (binary_images(4, shape=(8, 8, 1)), np.arange(4), ValueError, "4, 4, 1"),
            (np.zeros((4, *SHAPE), np.uint8), np.arange(4), TypeError, "127.5"),
            (binary_images(4), None, ValueError, "y=None"),
            (binary_images(4), np.eye(4), ValueError, "argmax"),
        ],
    )
    def test_fit_refuses_data_that_do_not_fit(self, x, y, error, words):
        model = tiny(num_classes=4)
        model.compile("adam")
        with pytest.raises(error, match=words):
            model.fit(x, y, batch_size=4, verbose=0)
