"""Likelihoods against Gaussians, whose probability flow is known in closed form."""

import numpy as np
import pytest
import tensorflow as tf
from exact_models import SMALL, GaussianModel, small_model

from tfgenai.core import random
from tfgenai.diffusion import DiffusionModel
from tfgenai.diffusion.bound import variational_bound
from tfgenai.diffusion.levels import expand

LOG_2PI = np.log(2 * np.pi)
SCHEDULES = [
    {"noise_schedule": name}
    for name in ("cosine", "karras", "linear", "rectified_flow", "sigmoid")
] + [
    {"noise_schedule": "cosine", "zero_terminal_snr": True},
    {"noise_schedule": "linear", "num_timesteps": 1000},
    {"noise_schedule": "linear", "num_timesteps": 1000, "zero_terminal_snr": True},
]


def normal_log_density(x, mean, std):
    return np.sum(-0.5 * ((x - mean) / std) ** 2 - np.log(std) - 0.5 * LOG_2PI, axis=1)


def gaussian_data(mean, std, n=16):
    noise = random.numpy_generator(1).normal(size=(n, len(mean)))
    return (np.asarray(mean) + np.asarray(std) * noise).astype(np.float32)


class CorrelatedModel(DiffusionModel):
    """The best possible model of N(0, covariance)."""

    def __init__(self, covariance, **options):
        values, vectors = np.linalg.eigh(covariance)
        self._values = np.float32(values)
        self._vectors = np.float32(vectors)
        super().__init__(
            data_shape=(len(covariance),),
            network_options=SMALL,
            prediction_type="x0",
            **options,
        )

    def predict_output(self, x, level, rows, kept, previous, *, training=False):
        alpha, sigma = expand(level.alpha, x), expand(level.sigma, x)
        gain = alpha * self._values / (alpha**2 * self._values + sigma**2)
        return (gain * (x @ self._vectors)) @ self._vectors.T


@pytest.mark.parametrize("schedule", SCHEDULES, ids=str)
def test_a_gaussian_has_its_own_density(schedule):
    mean, std = np.zeros(2), np.array([0.4, 1.5])
    model = GaussianModel(mean, std, **schedule)
    x = gaussian_data(mean, std)
    nats = model.log_likelihood(x, num_probes=None)
    assert nats.dtype == np.float32
    np.testing.assert_allclose(nats, normal_log_density(x, mean, std), atol=1e-2)


@pytest.mark.parametrize("schedule", ["karras", "rectified_flow"])
def test_what_the_noise_keeps_of_the_data_is_counted(schedule):
    # Data far from 0: the flow of a Gaussian, y - m in proportion to sqrt(v + s²), ends
    # off the noise that samplers begin with, and the model's density is lower for it.
    mean, std = np.array([8.0, -3.0]), np.array([0.4, 1.5])
    model = GaussianModel(mean, std, noise_schedule=schedule)
    x = gaussian_data(mean, std)
    first, last = (
        np.exp(-float(model.schedule.level(tf.constant([t])).half_log_snr[0]))
        for t in (model.schedule.min_time, 1.0)
    )
    last = min(last, np.exp(8.0))
    gain = np.sqrt((std**2 + last**2) / (std**2 + first**2))
    y = mean + (x - mean) * gain
    expected = normal_log_density(y, 0.0, last) + np.log(gain).sum()
    nats = model.log_likelihood(x, num_steps=128)
    np.testing.assert_allclose(nats, expected, atol=1e-2)
    if schedule == "karras":  # sigma_max = 80 leaves 8 / 80 of a standard deviation
        assert np.abs(nats - normal_log_density(x, mean, std)).max() > 0.1


@pytest.fixture(scope="module")
def correlated():
    covariance = np.array([[1.0, 0.8, 0.3], [0.8, 1.0, 0.5], [0.3, 0.5, 0.5]])
    noise = random.numpy_generator(2).normal(size=(200, 3))
    x = np.float32(noise @ np.linalg.cholesky(covariance).T)
    solved = np.linalg.solve(covariance, x.T).T
    nats = -0.5 * (
        np.sum(x * solved, axis=1) + np.linalg.slogdet(2 * np.pi * covariance)[1]
    )
    return CorrelatedModel(covariance), x, nats


def test_the_exact_trace_of_correlated_data(correlated):
    model, x, expected = correlated
    nats = model.log_likelihood(x, num_probes=None, batch_size=200)
    np.testing.assert_allclose(nats, expected, atol=1e-2)


def test_random_probes_are_right_on_average(correlated):
    model, x, expected = correlated
    one, eight = (
        model.log_likelihood(x, num_probes=k, num_steps=32, batch_size=200) - expected
        for k in (1, 8)
    )
    for error in (one, eight):
        assert abs(error.mean()) < 4 * error.std() / np.sqrt(len(x)) + 5e-3
    # Eight independent probes: a standard deviation smaller by sqrt(8) = 2.83.
    assert one.std() > 0.1
    assert one.std() / eight.std() == pytest.approx(np.sqrt(8), rel=0.25)


def test_the_bound_is_below_the_likelihood():
    mean, std = np.zeros(2), np.array([0.4, 1.5])
    x = tf.constant(gaussian_data(mean, std, 200_000))
    gaps = {}
    for num_timesteps in (10, None):
        model = GaussianModel(mean, std, num_timesteps=num_timesteps)

        def denoise(noisy, level, model=model):
            return model.predict_output(noisy, level, {}, None, noisy)

        bound = -variational_bound(
            x,
            denoise,
            model.schedule,
            seed=random.step_seed(0, 0),
            num_pixel_levels=None,
        )
        exact = normal_log_density(x.numpy(), mean, std)
        gaps[num_timesteps] = np.mean(exact - bound)
    assert gaps[10] > 1  # ten steps lose something, in continuous time nothing is
    assert gaps[None] == pytest.approx(0.0, abs=0.2)  # 4 standard errors
    nats = model.log_likelihood(x[:64])
    assert nats.mean() == pytest.approx(exact[:64].mean(), abs=1e-2)


def test_an_untrained_model_is_a_standard_normal_distribution():
    # Zero velocity leaves x where it is: the network's own path, gradient included.
    model = DiffusionModel(data_shape=(3, 2), network="mlp", network_options=SMALL)
    x = random.numpy_generator(0).normal(size=(5, 3, 2)).astype(np.float32)
    expected = normal_log_density(x.reshape(5, 6), 0.0, 1.0)
    np.testing.assert_allclose(model.log_likelihood(x), expected, atol=2e-3)


def test_probabilities_of_grey_levels_sum_to_one():
    model = GaussianModel([0.1], [0.25], num_pixel_levels=256)
    greys = np.float32(np.arange(256)[:, np.newaxis] / 127.5 - 1.0)
    nats = model.log_likelihood(greys, num_steps=32, batch_size=256)
    assert np.exp(np.float64(nats)).sum() == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize("std", [0.3, 0.58])
def test_no_model_compresses_random_bytes(std):
    # F1: without the steps' width, a narrow model would claim to.
    size = 12
    model = GaussianModel(np.zeros(size), np.full(size, std), num_pixel_levels=256)
    values = random.numpy_generator(3).integers(0, 256, (64, size))
    nats = model.log_likelihood(np.float32(values / 127.5 - 1.0), num_steps=32)
    bits_per_dim = -nats.mean() / (size * np.log(2))
    assert 8 - 0.05 < bits_per_dim < 12


def test_batches_do_not_show_and_seeds_do():
    model = small_model()
    x = random.numpy_generator(0).normal(size=(7, 2))
    whole = model.log_likelihood(x, num_steps=4, seed=3)
    parts = model.log_likelihood(x, num_steps=4, seed=3, batch_size=3)
    np.testing.assert_allclose(parts, whole, atol=1e-5)
    assert np.abs(model.log_likelihood(x, num_steps=4, seed=4) - whole).max() > 1e-3


def test_the_average_is_used():
    model = small_model(ema_decay=0.9)
    x = np.ones((2, 2))
    nats = model.log_likelihood(x, num_steps=4)
    for variable in model.trainable_variables:
        variable.assign(0.0 * variable.value)
    np.testing.assert_array_equal(model.log_likelihood(x, num_steps=4), nats)


def test_labels_choose_the_distribution():
    model = GaussianModel([0.0], [1.0], num_classes=3)
    x = np.array([[2.0], [2.0]], np.float32)
    nats = model.log_likelihood(x, [0, 2])
    np.testing.assert_allclose(nats, -0.5 * LOG_2PI - [2.0, 0.0], atol=2e-2)
    np.testing.assert_array_equal(model.log_likelihood(x, labels=2)[1], nats[1])


@pytest.mark.slow
def test_xla_agrees():
    model = small_model()
    x = np.ones((2, 2))
    plain, compiled = (
        model.log_likelihood(x, num_steps=4, num_probes=2, jit_compile=jit)
        for jit in (False, True)
    )
    np.testing.assert_allclose(compiled, plain, atol=1e-4)


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"num_steps": 0}, "num_steps=0"),
        ({"num_probes": 0}, "num_probes=0"),
        ({"batch_size": -1}, "batch_size=-1"),
    ],
)
def test_numbers_out_of_range_are_refused(options, word):
    with pytest.raises(ValueError, match=word):
        small_model().log_likelihood(np.zeros((1, 2)), **options)


def test_wrong_data_are_refused():
    model = small_model(num_pixel_levels=256)
    with pytest.raises(ValueError, match=r"0\.5"):
        model.log_likelihood(np.full((1, 2), 0.5))
    with pytest.raises(ValueError, match="shape"):
        model.log_likelihood(np.zeros((1, 3)))
    with pytest.raises(TypeError, match="int64"):
        model.log_likelihood(np.zeros((1, 2), np.int64))
    with pytest.raises(TypeError, match="labels"):
        model.log_likelihood(np.ones((1, 2)), labels=3)
