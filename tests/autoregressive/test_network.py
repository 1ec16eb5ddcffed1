"""The network's Jacobian: zero where it must be, and nowhere else."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from tfgenai.core import random
from tfgenai.core.likelihoods import Categorical, DiscretizedLogisticMixture

# Enough that no pixel's rectified units are all off, whose Jacobian would be zero.
FILTERS = 30


def jacobian_of(model):
    """|d parameter / d value|, `(H, W, parameters, H, W, channels)`."""
    shape = (1, *model.image_shape)
    x = tf.constant(random.numpy_generator(2).normal(size=shape).astype(np.float32))
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        y = model.network(x)
    jacobian = tape.jacobian(y, x, experimental_use_pfor=False)
    return np.abs(jacobian.numpy()[0, :, :, :, 0])


def dependence(model, height, width):
    """Which pixels each pixel sees, by following the taps through the layers."""

    def vertical(before, rows, columns, dilation, own_row):
        after = np.zeros_like(before)
        for i, j in itertools.product(range(height), range(width)):
            for r in range(rows):
                for c in range(-(columns // 2), columns // 2 + 1):
                    k, m = i - dilation * r - (not own_row), j + dilation * c
                    if k >= 0 and 0 <= m < width:
                        after[i, j] |= before[k, m]
        return after

    def horizontal(before, taps, dilation, own_pixel=True):
        after = np.zeros_like(before)
        for i, j in itertools.product(range(height), range(width)):
            for t in range(0 if own_pixel else 1, taps):
                if j - dilation * t >= 0:
                    after[i, j] |= before[i, j - dilation * t]
        return after

    pixels = np.eye(height * width, dtype=bool).reshape(height, width, height, width)
    first, half = model.first_kernel_size, model.kernel_size // 2 + 1
    v = vertical(pixels, first // 2, first, 1, own_row=False)
    h = horizontal(pixels, first // 2 + 1, 1, own_pixel=False) | v
    for i in range(model.num_blocks):
        dilation = model.dilations[i % len(model.dilations)]
        v = v | vertical(v, half, model.kernel_size, dilation, own_row=True)
        h = h | horizontal(h, half, dilation) | v
    return h


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"first_kernel_size": 3, "num_blocks": 1},
        {"first_kernel_size": 3, "dilations": (1, 2)},
        {"first_kernel_size": 3, "num_blocks": 1, "kernel_size": 5},
    ],
)
def test_pixels_see_their_receptive_field_and_nothing_else(make_tiny, arguments):
    # Trap P1, against the taps followed through the layers.
    height, width = 5, 6
    model = make_tiny((height, width, 1), num_filters=FILTERS, **arguments)
    seen = jacobian_of(model)[:, :, 0, :, :, 0] != 0
    expected = dependence(model, height, width)
    np.testing.assert_array_equal(seen, expected)
    order = np.arange(height * width).reshape(height, width)
    assert (order[expected.nonzero()[2:]] < order[expected.nonzero()[:2]]).all()


@pytest.mark.parametrize(
    "arguments",
    [
        {"first_kernel_size": 9, "num_blocks": 1},
        {"row_context_dim": 8, "num_row_blocks": 2, "num_blocks": 3},
        {"attention_blocks": (0,), "num_heads": 2, "first_kernel_size": 3},
    ],
)
def test_there_is_no_blind_spot(make_tiny, arguments):
    # Where layers reach far enough, every pixel before is seen, and none after.
    model = make_tiny((4, 4, 1), num_filters=FILTERS, **arguments)
    seen = jacobian_of(model)[:, :, 0, :, :, 0].reshape(16, 16) != 0
    np.testing.assert_array_equal(seen, np.tri(16, k=-1, dtype=bool))


@pytest.mark.parametrize("attention_blocks", [(), (0,)])
def test_channels_see_those_before_them(make_tiny, attention_blocks):
    model = make_tiny(
        (3, 3, 3),
        num_filters=FILTERS,
        likelihood=Categorical(2),
        first_kernel_size=5,
        attention_blocks=attention_blocks,
        num_heads=2,
    )
    jacobian = jacobian_of(model).reshape(9, 3, 2, 27)
    seen = (jacobian != 0).any(axis=2).reshape(27, 27)
    np.testing.assert_array_equal(seen, np.tri(27, k=-1, dtype=bool))


def test_a_joint_likelihood_sees_whole_pixels_before(make_tiny):
    model = make_tiny(
        (3, 3, 3), num_filters=FILTERS, likelihood=DiscretizedLogisticMixture(2)
    )
    seen = (jacobian_of(model) != 0).any(axis=(2, 5)).reshape(9, 9)
    np.testing.assert_array_equal(seen, np.tri(9, k=-1, dtype=bool))


def test_labels_change_every_pixel(make_tiny):
    model = make_tiny(num_classes=3)
    x = np.zeros((1, 4, 5, 1), np.float32)
    a, b = (model((x, np.int32([label]))) for label in (0, 2))
    assert (np.abs(a - b) > 0).all()
