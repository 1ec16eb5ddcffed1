"""The MLP: shapes, what it depends on, and its config."""

import numpy as np
import pytest
import tensorflow as tf

from tfgenai.core import random
from tfgenai.diffusion import MLP


def drawn(network):
    """The network with every weight drawn: a new one answers zero."""
    generator = random.numpy_generator(1)
    for weight in network.trainable_variables:
        weight.assign(0.3 * generator.normal(size=weight.shape))
    return network


@pytest.fixture(scope="module")
def network():
    return drawn(MLP((3,), hidden_dim=16, num_blocks=2, condition_dim=4))


def inputs(n=2, shape=(3,)):
    generator = random.numpy_generator(0)
    x = tf.constant(generator.normal(size=(n, *shape)), tf.float32)
    return x, tf.constant(np.linspace(0.2, 0.8, n), tf.float32)


def test_a_new_network_answers_zero():
    assert not np.any(MLP((3,), hidden_dim=16)(*inputs()))


@pytest.mark.parametrize("shape", [(3,), (5, 2), (4, 4, 1)])
def test_outputs_have_the_shape_of_the_data(shape):
    network = MLP(shape, hidden_dim=8, num_blocks=1)
    assert network(*inputs(shape=shape)).shape == (2, *shape)
    wide = MLP((*shape[:-1], 2 * shape[-1]), hidden_dim=8, out_channels=shape[-1])
    x, time = inputs(shape=(*shape[:-1], 2 * shape[-1]))
    assert wide(x, time).shape == (2, *shape)


def test_data_time_and_condition_all_matter(network):
    x, time = inputs()
    condition = tf.ones((2, 4))
    base = network(x, time, condition=condition)
    for other in (
        network(x + 1.0, time, condition=condition),
        network(x, time + 0.1, condition=condition),
        network(x, time, condition=-condition),
        network(x, time),
    ):
        assert np.abs(other - base).max() > 1e-3


def test_rows_are_independent(network):
    x, time = inputs(5)
    whole = network(x, time)
    np.testing.assert_allclose(network(x[2:3], time[2:3]), whole[2:3], atol=1e-5)


def test_initial_weights_are_a_function_of_the_seed():
    def kernels(seed):
        weights = MLP((3,), hidden_dim=16, seed=seed).get_weights()
        return np.concatenate([w.ravel() for w in weights])

    np.testing.assert_array_equal(kernels(1), kernels(1))
    assert (kernels(1) != kernels(2)).any()


def test_half_precision_answers_in_float32():
    network = MLP((3,), hidden_dim=16, dtype="mixed_bfloat16")
    assert network(*inputs()).dtype == tf.float32
    assert network.embed.compute_dtype == "bfloat16"


def test_a_config_makes_the_same_network(network):
    copy = MLP.from_config(network.get_config())
    assert copy.get_config() == network.get_config()
    copy.set_weights(network.get_weights())
    np.testing.assert_array_equal(copy(*inputs()), network(*inputs()))


def test_text_embeddings_are_refused():
    with pytest.raises(ValueError, match="context_dim=8"):
        MLP((3,), context_dim=8)
