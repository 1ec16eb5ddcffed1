"""Shapes by constants where they are known, and right where they are not."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfgenai.core.random import numpy_generator
from tfgenai.layers.shapes import map_rows, reshape, sizes

SPECS = [(2, 3, 4), (None, 3, 4), (2, None, 4), (None, None, 4)]


def operations(function) -> set[str]:
    return {
        each.type for each in function.get_concrete_function().graph.get_operations()
    }


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("shape", [(2, 3, 4), (2, 0, 4)])
def test_reshaping_there_and_back(spec, shape):
    if spec[1] == 3 != shape[1]:
        return
    x = numpy_generator(0).normal(size=shape).astype(np.float32)

    @tf.function(input_signature=[tf.TensorSpec(spec)])
    def swap(x):
        batch, tokens, dim = sizes(x)
        assert dim == 4
        return reshape(x, [tokens, dim, batch])

    np.testing.assert_array_equal(swap(x), x.reshape(shape[1], 4, shape[0]))
    if spec.count(None) < 2:
        assert "Pack" not in operations(swap)
    assert swap.get_concrete_function().output_shapes[1] == 4


@pytest.mark.parametrize("spec", [*SPECS, (None, 4)])
def test_a_layer_over_rows_is_the_layer(spec):
    layer = keras.layers.Dense(5, bias_initializer="ones")
    layer.build((None, 4))
    shape = tuple(size or 3 for size in spec)
    x = numpy_generator(1).normal(size=shape).astype(np.float32)

    @tf.function(input_signature=[tf.TensorSpec(spec)])
    def run(x):
        return map_rows(layer, x)

    expected = x @ layer.kernel.numpy() + 1
    np.testing.assert_allclose(run(x), expected, rtol=1e-5, atol=1e-6)
    assert run.get_concrete_function().output_shapes.as_list() == [*spec[:-1], 5]
    assert not {"Prod", "GatherV2"} & operations(run)  # those of tensordot
