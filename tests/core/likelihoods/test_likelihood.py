"""What holds for every likelihood: config, dtypes, XLA, rows; and bits per dim."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfgenai.core import random
from tfgenai.core.likelihoods import (
    LIKELIHOODS,
    DiscretizedLogistic,
    DiscretizedLogisticMixture,
    Gaussian,
    bits_per_dim,
)


@pytest.fixture(params=LIKELIHOODS.names())
def likelihood(request):
    return LIKELIHOODS.create(request.param)


@pytest.fixture
def parameters(likelihood):
    shape = (4, 3, 3, likelihood.num_parameters(3))
    return random.numpy_generator(0).normal(size=shape).astype(np.float32)


X = random.numpy_generator(1).choice([-1.0, 1.0], (4, 3, 3, 3)).astype(np.float32)


def test_xla_gives_the_same(likelihood, parameters):
    seeds = random.row_seeds(0, 4)

    def every(parameters):
        return (
            likelihood.log_prob(X, parameters),
            likelihood.mean(parameters),
            likelihood.sample(parameters, seeds),
        )

    compiled = tf.function(every, jit_compile=True)(parameters)
    for value, expected in zip(compiled, every(parameters), strict=True):
        np.testing.assert_allclose(value, expected, rtol=1e-4, atol=1e-4)


DRAWN = [name for name in LIKELIHOODS.names() if name != "gaussian"]


@pytest.mark.parametrize("name", DRAWN)
def test_draws_at_the_rows_uniforms_are_the_samples(name):
    likelihood = LIKELIHOODS.create(name)
    shape = (4, 3, 3, likelihood.num_parameters(1))
    parameters = random.numpy_generator(0).normal(size=shape).astype(np.float32)
    seeds = random.row_seeds(0, 4)
    # The mixture takes its components from the first stream, values from the second.
    streams = range(likelihood.num_uniforms(1))[::-1]
    u = [random.row_uniform(seeds, (3, 3, 1), stream) for stream in streams]
    drawn = likelihood.draw(parameters, tf.concat(u, axis=-1))
    np.testing.assert_allclose(drawn, likelihood.sample(parameters, seeds), atol=1e-6)


@pytest.mark.parametrize("name", DRAWN)
def test_temperatures_are_of_rows_and_zero_leaves_no_chance(name):
    likelihood = LIKELIHOODS.create(name)
    size = likelihood.num_parameters(3)
    parameters = random.numpy_generator(0).normal(size=(4, size)).astype(np.float32)
    u = random.numpy_generator(1).random((2, 4, likelihood.num_uniforms(3)))
    u = u.astype(np.float32)
    cold = np.float32([[0.0], [1.0], [0.0], [1.0]])
    first, second = (likelihood.draw(parameters, row, cold).numpy() for row in u)
    np.testing.assert_array_equal(first[::2], second[::2])
    assert (first[1::2] != second[1::2]).any()
    warm = likelihood.draw(parameters, u[0]).numpy()
    np.testing.assert_array_equal(first[1::2], warm[1::2])


def test_arithmetic_is_float32_in_half_precision(likelihood, parameters):
    half = tf.cast(parameters, tf.float16)
    single = tf.cast(half, tf.float32)
    for value, expected in (
        (
            likelihood.log_prob(tf.cast(X, tf.float16), half),
            likelihood.log_prob(X, single),
        ),
        (likelihood.mean(half), likelihood.mean(single)),
    ):
        assert value.dtype == tf.float32
        np.testing.assert_allclose(value, expected, rtol=1e-6)


def test_samples_depend_on_their_own_seed_only(likelihood, parameters):
    seeds = random.row_seeds(0, 4)
    together = likelihood.sample(parameters, seeds).numpy()
    alone = likelihood.sample(parameters[2:3], seeds[2:3]).numpy()
    np.testing.assert_array_equal(together[2:3], alone)
    assert np.abs(together).max() <= 1.0
    assert likelihood.supports(together).numpy().all()
    other = likelihood.sample(parameters, seeds, stream=7).numpy()
    assert (other != together).any()


def test_images_of_the_mean_are_in_range(likelihood, parameters):
    mean = likelihood.mean(10 * parameters).numpy()
    assert mean.shape == X.shape
    assert np.abs(mean).max() <= 1.0


@pytest.mark.parametrize(
    "likelihood",
    [
        *map(LIKELIHOODS.create, LIKELIHOODS.names()),
        Gaussian(0.5, min_scale=0.2),
        DiscretizedLogistic(16),
        DiscretizedLogisticMixture(3, num_levels=4),
    ],
    ids=lambda value: type(value).__name__,
)
def test_config_round_trip(likelihood):
    revived = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(likelihood)
    )
    assert type(revived) is type(likelihood)
    assert revived.get_config() == likelihood.get_config()


def test_unknown_name_lists_the_known():
    with pytest.raises(ValueError, match="Did you mean 'bernoulli'"):
        LIKELIHOODS.create("bernouli")


class TestBitsPerDim:
    def test_uniform_levels_have_eight_bits(self):
        # closed form: -log2(1 / 256)
        nats = np.array([-1.0, -2.0]) * 12 * np.log(256)
        np.testing.assert_allclose(bits_per_dim(nats, (2, 2, 3)), [8.0, 16.0])

    def test_uniform_density_over_the_bins_has_eight_bits(self):
        # 256 bins of width 2 / 255 cover a length of 512 / 255
        nats = -784 * np.log(512 / 255)
        assert bits_per_dim(nats, (28, 28, 1), level_width=2 / 255) == pytest.approx(
            8.0
        )

    def test_unit_changes_cancel(self):
        # the same density in units of levels: log p + log 127.5, width 1
        in_image_units = bits_per_dim(-10.0, (4, 1, 1), level_width=1 / 127.5)
        in_levels = bits_per_dim(-10.0 - 4 * np.log(127.5), (4, 1, 1), level_width=1.0)
        assert in_image_units == pytest.approx(in_levels)

    def test_width_must_be_positive(self):
        with pytest.raises(ValueError, match="Received: level_width=0"):
            bits_per_dim(-1.0, (1, 1, 1), level_width=0.0)
