"""Encode, decode, interpolate, traverse and likelihoods: arrays in, arrays out."""

import numpy as np
import pytest

from tfgenai.core import random
from tfgenai.vae import VAE

SHAPE = (4, 4, 1)


@pytest.fixture(scope="module")
def model():
    return VAE(SHAPE, 3, hidden_units=(8,))


@pytest.fixture(scope="module")
def conditional():
    return VAE(SHAPE, 3, hidden_units=(8,), num_classes=3)


@pytest.fixture(scope="module")
def x():
    return random.numpy_generator(0).choice([-1.0, 1.0], (7, *SHAPE)).astype(np.float32)


def test_batches_do_not_show(model, x):
    for method, argument in (("encode", x), ("decode", model.encode(x))):
        whole = getattr(model, method)(argument)
        parts = getattr(model, method)(argument, batch_size=3)
        assert whole.dtype == np.float32
        np.testing.assert_allclose(parts, whole, atol=1e-6)


def test_reconstruct_decodes_the_code(model, x):
    np.testing.assert_allclose(
        model.reconstruct(x), model.decode(model.encode(x)), atol=1e-6
    )
    assert model.reconstruct(x).shape == x.shape


def test_interpolation_is_a_straight_line_between_codes(model, x):
    images = model.interpolate(x[0], x[1], num_steps=5)
    z0, z1 = model.encode(x[:2])
    np.testing.assert_allclose(images[0], model.reconstruct(x[:1])[0], atol=1e-5)
    np.testing.assert_allclose(images[-1], model.reconstruct(x[1:2])[0], atol=1e-5)
    middle = model.decode([0.5 * (z0 + z1)])[0]
    np.testing.assert_allclose(images[2], middle, atol=1e-5)


def test_traversal_moves_one_dimension(model, x):
    images = model.traverse(x[0], 1, [-2.0, 0.0, 2.0])
    z = np.repeat(model.encode(x[:1]), 3, axis=0)
    z[:, 1] = [-2.0, 0.0, 2.0]
    np.testing.assert_allclose(images, model.decode(z), atol=1e-6)


def test_labels_reach_both_networks(conditional, x):
    y = np.arange(7) % 3
    assert (conditional.encode(x, y) != conditional.encode(x, (y + 1) % 3)).any()
    z = np.zeros((3, 3))
    assert len(np.unique(conditional.decode(z, [0, 1, 2]), axis=0)) == 3
    images = conditional.interpolate(x[0], x[1], 4, labels=2)
    ends = conditional.reconstruct(x[:2], 2)
    np.testing.assert_allclose(images[[0, -1]], ends, atol=1e-5)
    assert conditional.traverse(x[0], 0, [1.0], labels=1).shape == (1, *SHAPE)
    assert conditional.log_likelihood(x, y, num_samples=3).shape == (7,)


def test_the_average_is_used(x):
    model = VAE(SHAPE, 3, hidden_units=(8,), ema_decay=0.9)
    codes, images = model.encode(x), model.decode(np.ones((1, 3)))
    bound = model.log_likelihood(x, num_samples=4)
    for variable in model.trainable_variables:
        variable.assign(0.0 * variable.value)
    np.testing.assert_array_equal(model.encode(x), codes)
    np.testing.assert_array_equal(model.decode(np.ones((1, 3))), images)
    np.testing.assert_array_equal(model.log_likelihood(x, num_samples=4), bound)


class TestLogLikelihood:
    def test_bound_tightens_with_the_samples(self, model, x):
        # Trap V2: NLL(1) >= NLL(50) >= NLL(500)
        nll = [-model.log_likelihood(x, num_samples=k).mean() for k in (1, 50, 500)]
        assert nll[0] > nll[1] > nll[2]

    def test_is_a_function_of_the_seed_whatever_the_batches(self, model, x):
        one = model.log_likelihood(x, num_samples=20, seed=1)
        np.testing.assert_allclose(
            one,
            model.log_likelihood(x, num_samples=20, seed=1, batch_size=3),
            rtol=1e-5,
        )
        assert (one != model.log_likelihood(x, num_samples=20, seed=2)).all()

    def test_xla_agrees(self, model, x):
        np.testing.assert_allclose(
            model.log_likelihood(x, num_samples=20),
            model.log_likelihood(x, num_samples=20, jit_compile=False),
            rtol=1e-5,
        )

    def test_probabilities_of_all_images_sum_to_one(self):
        # 2 x 2 binary images; a posterior wider than the true one keeps weights bounded
        model = VAE((2, 2, 1), 1, hidden_units=())
        posterior = model.encoder.get_layer("posterior")
        posterior.set_weights([0.0 * w for w in posterior.get_weights()])
        posterior.bias.assign([0.2, 0.3])
        bits = np.arange(16)[:, np.newaxis] >> np.arange(4) & 1
        every = (2.0 * bits - 1.0).astype(np.float32).reshape(16, 2, 2, 1)
        log_prob = model.log_likelihood(every, num_samples=20_000)
        assert np.exp(log_prob).sum() == pytest.approx(1.0, abs=0.01)

    def test_grey_images_have_no_bernoulli_likelihood(self, model, x):
        # Trap V3
        grey = x.copy()
        grey[2, 0, 0, 0] = 0.5
        with pytest.raises(ValueError, match=r"-1 or \+1.* 1 of 7 .*x\[2\]"):
            model.log_likelihood(grey)


class TestBadInput:
    @pytest.mark.parametrize("method", ["encode", "reconstruct", "log_likelihood"])
    @pytest.mark.parametrize(
        ("change", "error", "words"),
        [
            (lambda x: x[0], ValueError, r"x\[None\]"),
            (lambda x: x[:0], ValueError, "n > 0"),
            (lambda x: x[:, :2], ValueError, r"\(7, 2, 4, 1\)"),
            (lambda x: x * 127.5, ValueError, "127.5"),
            (lambda x: x * np.nan, ValueError, "nan"),
            (lambda x: x.astype(np.uint8), TypeError, "uint8"),
        ],
    )
    def test_images(self, model, x, method, change, error, words):
        with pytest.raises(error, match=words):
            getattr(model, method)(change(x))

    @pytest.mark.parametrize(
        ("z", "error", "words"),
        [
            (np.zeros(3), ValueError, r"z\[None\]"),
            (np.zeros((2, 4)), ValueError, r"\(n, 3\)"),
            (np.full((2, 3), np.inf), ValueError, "inf"),
            (np.array([["a", "b", "c"]]), TypeError, "<U1"),
        ],
    )
    def test_latents(self, model, z, error, words):
        with pytest.raises(error, match=words):
            model.decode(z)

    def test_labels(self, model, conditional, x):
        with pytest.raises(TypeError, match="num_classes=None"):
            model.encode(x, 1)
        with pytest.raises(ValueError, match="labels=None"):
            conditional.encode(x)
        with pytest.raises(ValueError, match="labels=3"):
            conditional.encode(x, 3)
        with pytest.raises(ValueError, match="labels of shape"):
            conditional.encode(x, [0, 1])
        with pytest.raises(TypeError, match=r"labels=0\.5"):
            conditional.encode(x, 0.5)

    def test_numbers(self, model, x):
        with pytest.raises(ValueError, match="num_steps=1"):
            model.interpolate(x[0], x[1], num_steps=1)
        with pytest.raises(TypeError, match=r"num_steps=2\.5"):
            model.interpolate(x[0], x[1], num_steps=2.5)
        with pytest.raises(ValueError, match="x1 of shape"):
            model.interpolate(x[0], x[:1])
        with pytest.raises(ValueError, match="dimension=3"):
            model.traverse(x[0], 3, [0.0])
        with pytest.raises(ValueError, match="linspace"):
            model.traverse(x[0], 0, [])
        with pytest.raises(ValueError, match="num_samples=0"):
            model.log_likelihood(x, num_samples=0)
        with pytest.raises(ValueError, match="batch_size=0"):
            model.encode(x, batch_size=0)
