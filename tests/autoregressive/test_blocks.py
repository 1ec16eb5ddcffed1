"""The gated block against equation 4 of the paper, in NumPy."""

import numpy as np
import scipy.special

from tfgenai.autoregressive import GatedBlock
from tfgenai.autoregressive.blocks import gate
from tfgenai.core import random


def gated(x):
    f, g = np.split(np.float64(x), 2, axis=-1)
    return np.tanh(f) * scipy.special.expit(g)


def test_gate_is_tanh_times_sigmoid():
    x = random.numpy_generator(0).normal(size=(2, 3, 8)).astype(np.float32)
    np.testing.assert_allclose(gate(x), gated(x), atol=1e-6)


def test_the_block_is_the_equation():
    rng = random.numpy_generator(1)
    v, h = rng.normal(size=(2, 2, 4, 5, 6)).astype(np.float32)
    labels = np.eye(3, dtype=np.float32)[[0, 2]]
    block = GatedBlock(6, num_classes=3, seed=4)
    new_v, new_h = block(v, h, labels)

    v_bias, h_bias = np.split(labels @ block.label_kernel.numpy(), 2, axis=-1)
    expected_v = v + gated(block.vertical(v) + v_bias[:, None, None])
    x = block.horizontal(h) + block.link(new_v) + h_bias[:, None, None]
    expected_h = h + gated(x) @ block.output_map.kernel.numpy()[0]
    np.testing.assert_allclose(new_v, expected_v, atol=1e-5)
    np.testing.assert_allclose(new_h, expected_h, atol=1e-5)


def test_config_makes_the_block_again():
    block = GatedBlock(6, kernel_size=5, dilation=2, groups=[0, 0, 1, 1, 2, 2], seed=3)
    twin = GatedBlock.from_config(block.get_config())
    v, h = random.numpy_generator(1).normal(size=(2, 1, 4, 5, 6)).astype(np.float32)
    np.testing.assert_array_equal(block(v, h)[1], twin(v, h)[1])
