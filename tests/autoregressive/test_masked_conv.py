"""Masked convolutions: what they see, their definition in loops, and step by step."""

import numpy as np
import pytest
import tensorflow as tf

from tfgenai.autoregressive import HorizontalConvolution, VerticalConvolution
from tfgenai.core import random

HEIGHT, WIDTH, CHANNELS = 6, 7, 3


@pytest.fixture(scope="module")
def x():
    shape = (2, HEIGHT, WIDTH, CHANNELS)
    return random.numpy_generator(0).normal(size=shape).astype(np.float32)


def pixel(x, i, j):
    inside = 0 <= i < HEIGHT and 0 <= j < x.shape[2]
    return x[:, i, j] if inside else np.zeros_like(x[:, 0, 0])


@pytest.mark.parametrize("dilation", [1, 2])
@pytest.mark.parametrize("sees_own_row", [True, False])
@pytest.mark.parametrize("kernel_shape", [(2, 3), (3, 5), (1, 1), (2, 1)])
def test_vertical_equals_its_definition(x, kernel_shape, sees_own_row, dilation):
    layer = VerticalConvolution(
        4, kernel_shape, dilation=dilation, sees_own_row=sees_own_row
    )
    result = layer(x)
    kernel = layer.kernel.numpy()
    rows, columns = kernel_shape
    expected = np.zeros((2, HEIGHT, WIDTH, 4))
    for i in range(HEIGHT):
        for j in range(WIDTH):
            for r in range(rows):
                for c in range(columns):
                    seen = pixel(
                        x,
                        i - dilation * (rows - 1 - r) - (not sees_own_row),
                        j + dilation * (c - columns // 2),
                    )
                    expected[:, i, j] += seen @ kernel[r, c]
    np.testing.assert_allclose(result, expected, atol=1e-5)


@pytest.mark.parametrize("width", [WIDTH, 1])
@pytest.mark.parametrize(("dilation", "sees_own_row"), [(1, False), (2, True)])
def test_vertical_row_by_row_equals_all_rows(x, width, dilation, sees_own_row):
    # Width 1 takes the way of matrix products.
    x = x[:, :, :width]
    layer = VerticalConvolution(4, (3, 1), dilation=dilation, sees_own_row=sees_own_row)
    whole = layer(x)
    past = layer.initial_past(tf.constant(2), width, tf.float32)
    shifted = x if sees_own_row else np.pad(x, [[0, 0], [1, 0], [0, 0], [0, 0]])
    for i in range(HEIGHT):
        row, past = layer.step(shifted[:, i : i + 1], past)
        np.testing.assert_allclose(row[:, 0], whole[:, i], atol=1e-5)


@pytest.mark.parametrize("is_strict", [True, False])
@pytest.mark.parametrize("dilation", [1, 2])
def test_horizontal_equals_its_definition_and_pixel_by_pixel(x, is_strict, dilation):
    groups = [0, 0, 1, 2]
    layer = HorizontalConvolution(
        4,
        3,
        dilation=dilation,
        input_groups=[0, 1, 2],
        output_groups=groups,
        is_strict=is_strict,
    )
    result = layer(x)
    kernel = layer.kernel.numpy().copy()
    for channel in range(CHANNELS):
        for output, group in enumerate(groups):
            if channel > group or (is_strict and channel == group):
                kernel[2, channel, output] = 0.0
    expected = np.zeros((2, HEIGHT, WIDTH, 4))
    for i in range(HEIGHT):
        for j in range(WIDTH):
            for k in range(3):
                expected[:, i, j] += pixel(x, i, j - dilation * (2 - k)) @ kernel[k]
    np.testing.assert_allclose(result, expected, atol=1e-5)

    past = layer.initial_past(tf.constant(2), tf.float32)
    for j in range(WIDTH):
        step, past = layer.step(tf.constant(x[:, 1, j]), past)
        np.testing.assert_allclose(step, result[:, 1, j], atol=1e-5)


def test_the_mask_holds_whatever_the_weights_become(x):
    # Trap P1: a kernel masked once, when it is made, is undone by the optimizer.
    layer = HorizontalConvolution(2, 2, is_strict=True)
    layer.build((None, HEIGHT, WIDTH, CHANNELS))
    layer.kernel.assign(tf.ones_like(layer.kernel.value))
    with tf.GradientTape() as tape:
        y = layer(x)
    gradient = tape.gradient(y, layer.kernel.value)
    left = np.pad(x, [[0, 0], [0, 0], [1, 0], [0, 0]])[:, :, :-1]
    np.testing.assert_allclose(y[..., 0], left.sum(-1), atol=1e-5)
    assert not gradient.numpy()[-1].any()


def test_a_linear_map_of_one_pixel_is_the_convolution(x):
    layer = HorizontalConvolution(4)
    np.testing.assert_allclose(
        layer(x)[:, 2, 3], layer.map_pixel(tf.constant(x[:, 2, 3])), atol=1e-6
    )


@pytest.mark.parametrize(
    "layer",
    [
        VerticalConvolution(4, (2, 3), dilation=2, sees_own_row=False, seed=3),
        HorizontalConvolution(
            3, 2, dilation=2, input_groups=[0, 1, 2], output_groups=[0, 1, 2]
        ),
    ],
)
def test_config_makes_the_layer_again(layer, x):
    twin = type(layer).from_config(layer.get_config())
    np.testing.assert_array_equal(layer(x), twin(x))
