"""The networks' shapes, precision, seeds and refusals."""

import keras
import numpy as np
import pytest

from tfgenai.vae import NETWORKS, conv_decoder, conv_encoder, mlp_decoder, mlp_encoder


@pytest.mark.parametrize("network", NETWORKS.names())
@pytest.mark.parametrize("image_shape", [(28, 28, 1), (32, 32, 3), (64, 48, 3)])
@pytest.mark.parametrize("num_classes", [None, 10])
def test_shapes(network, image_shape, num_classes):
    make_encoder, make_decoder = NETWORKS.get(network)
    arguments = {"num_classes": num_classes, "hidden_units": (8,)}
    encoder = make_encoder(image_shape, 5, **arguments)
    decoder = make_decoder(image_shape, 5, num_parameters=4, **arguments)
    assert encoder.output_shape == (None, 10)
    assert decoder.output_shape == (None, *image_shape[:2], 4)
    assert (
        len(encoder.inputs) == len(decoder.inputs) == (1 if num_classes is None else 2)
    )


def test_mlp_is_the_published_size():
    # 784-400-(20 means, 20 log variances) and 20-400-784: weights and biases
    encoder = mlp_encoder((28, 28, 1), 20)
    decoder = mlp_decoder((28, 28, 1), 20, num_parameters=1)
    assert encoder.count_params() == 784 * 400 + 400 + 400 * 40 + 40
    assert decoder.count_params() == 20 * 400 + 400 + 400 * 784 + 784


def test_decoder_mirrors_the_encoder():
    decoder = mlp_decoder((4, 4, 1), 2, num_parameters=1, hidden_units=(9, 5))
    sizes = [w.shape for w in decoder.weights if len(w.shape) == 2]
    assert sizes == [(2, 5), (5, 9), (9, 16)]


@pytest.mark.parametrize("make", [mlp_encoder, conv_encoder])
def test_hidden_layers_take_the_policy_and_the_last_is_float32(make):
    network = make((8, 8, 1), 2, hidden_units=(4,), dtype="mixed_bfloat16")
    computed = {layer.compute_dtype for layer in network.layers if layer.weights}
    assert computed == {"bfloat16", "float32"}
    assert network.layers[-1].compute_dtype == "float32"
    assert {w.dtype for w in network.weights} == {"float32"}


def test_equal_seeds_give_equal_weights_and_layers_differ():
    def kernels(seed):
        network = mlp_encoder((4, 4, 1), 8, hidden_units=(16, 16), seed=seed)
        return [w.numpy() for w in network.weights if len(w.shape) == 2]

    first, again, other = kernels(1), kernels(1), kernels(2)
    np.testing.assert_array_equal(first[0], again[0])
    assert (first[0] != other[0]).any()
    assert (first[0] != first[1]).any()


def test_networks_are_serializable():
    network = conv_decoder((8, 8, 1), 2, num_parameters=1, filters=(4,), num_classes=3)
    revived = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(network)
    )
    assert revived.get_config() == network.get_config()


@pytest.mark.parametrize("make", [conv_encoder, conv_decoder])
def test_sides_that_cannot_be_halved_are_refused_with_ways_out(make):
    arguments = {} if make is conv_encoder else {"num_parameters": 1}
    with pytest.raises(ValueError, match=r"(?s)image_shape=\(30, 28, 1\).*32×28.*mlp"):
        make((30, 28, 1), 2, **arguments)
    assert make((30, 28, 1), 2, filters=(4,), **arguments).built
