"""An adapter is an addition to the kernel: the oracle is the layer with that kernel."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfgenai.core import random
from tfgenai.diffusion.convolutions import Convolution, UpsamplingConvolution
from tfgenai.gan.spectral import SpectralDense
from tfgenai.layers.adapters import AdapterOptions, adapter_rows, attach, kind_of

_L = keras.layers
LAYERS = {
    "dense": (lambda: _L.Dense(5, activation="relu"), (4, 3)),
    "dense_of_sequences": (lambda: _L.Dense(5, use_bias=False), (4, 6, 3)),
    "embedding": (lambda: _L.Embedding(7, 5), (4, 6)),
    "conv1d": (lambda: _L.Conv1D(5, 3, padding="same"), (4, 6, 3)),
    "conv2d": (lambda: _L.Conv2D(5, 3, strides=2, activation="tanh"), (4, 6, 6, 3)),
    "transposed": (
        lambda: _L.Conv2DTranspose(5, 4, strides=2, padding="same"),
        (4, 3, 3, 2),
    ),
    "einsum_heads": (
        lambda: _L.EinsumDense("abc,cde->abde", (None, 2, 4), bias_axes="de"),
        (4, 6, 3),
    ),
    "einsum_merged": (
        lambda: _L.EinsumDense("abde,dec->abc", (None, 5), activation="gelu"),
        (4, 6, 2, 3),
    ),
    "einsum_grouped": (
        lambda: _L.EinsumDense("agc,gcd->agd", (2, 5)),
        (4, 2, 3),
    ),
    "convolution": (lambda: Convolution(5, spatial_axes=2), (4, 6, 6, 3)),
    "upsampling": (lambda: UpsamplingConvolution(5, spatial_axes=2), (4, 3, 3, 2)),
}


def _case(name, seed=0):
    make, shape = LAYERS[name]
    rng = random.numpy_generator(seed)
    layer = make()
    if name == "embedding":
        x = rng.integers(0, 7, shape).astype(np.int32)
    else:
        x = rng.standard_normal(shape).astype(np.float32)
    layer(x)
    if getattr(layer, "bias", None) is not None:
        layer.bias.assign(rng.standard_normal(layer.bias.shape))
    return layer, x, rng


def _add(layer, rng, name="one", **options):
    found = attach(layer)
    found.add(layer, AdapterOptions(name, **options), seed=3)
    for part, variable in found.parts(name).items():
        if part != "magnitude":
            variable.assign(rng.standard_normal(variable.shape) / 2)
    return found


def _with_kernel(layer, x, value):
    """What the layer computes with another kernel and no adapter."""
    kernel = kind_of(layer).kernel(layer)
    old, active = kernel.numpy(), layer.adapters.active
    layer.adapters.active = {}
    kernel.assign(value)
    y = layer(x).numpy()
    kernel.assign(old)
    layer.adapters.active = active
    return y


def _sum_over_rank(name, a, b):
    """A B in NumPy, for each kind of kernel."""
    equations = {
        "transposed": "hwri,ro->hwoi",
        "einsum_heads": "cR,Rde->cde",
        "einsum_merged": "deR,Rc->dec",
        "einsum_grouped": "gcR,gRd->gcd",
    }
    return np.einsum(equations.get(name, "...r,ro->...o"), a, b)


@pytest.mark.parametrize("name", LAYERS)
def test_the_output_is_that_of_the_sum_of_kernels(name):
    layer, x, rng = _case(name)
    before = layer(x).numpy()
    found = _add(layer, rng, rank=2, alpha=6)
    assert (layer(x).numpy() == before).all()  # nothing acts yet
    found.active = {"one": 0.5}
    a, b = (found.parts("one")[part].numpy() for part in "ab")
    kernel = found.kernel(layer).numpy()
    expected = _with_kernel(
        layer, x, kernel + 0.5 * (6 / 2) * _sum_over_rank(name, a, b)
    )
    assert np.abs(expected - before).max() > 0.05
    np.testing.assert_allclose(layer(x), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", LAYERS)
def test_dora_gives_each_output_a_length_of_its_own(name):
    layer, x, rng = _case(name)
    before = layer(x).numpy()
    found = attach(layer)
    found.add(layer, AdapterOptions("one", rank=2, use_dora=True), seed=3)
    found.active = {"one": 1.0}
    # Liu et al. 2024, section 4.3: the lengths begin as those of W.
    np.testing.assert_allclose(layer(x), before, rtol=1e-5, atol=1e-5)
    parts = found.parts("one")
    for part in "ab":
        parts[part].assign(rng.standard_normal(parts[part].shape) / 2)
    lengths = rng.uniform(0.5, 2.0, parts["magnitude"].shape)
    parts["magnitude"].assign(lengths)
    a, b = (parts[part].numpy() for part in "ab")
    kernel = found.kernel(layer).numpy()
    whole = (kernel + _sum_over_rank(name, a, b)).astype(np.float64)
    outputs = {
        "transposed": (2,),
        "einsum_heads": (1, 2),
        "einsum_grouped": (0, 2),
    }.get(name, (whole.ndim - 1,))
    others = tuple(i for i in range(whole.ndim) if i not in outputs)
    norm = np.sqrt((whole**2).sum(others, keepdims=True))
    shape = [whole.shape[i] if i in outputs else 1 for i in range(whole.ndim)]
    expected = _with_kernel(layer, x, whole / norm * lengths.reshape(shape))
    np.testing.assert_allclose(layer(x), expected, rtol=1e-4, atol=1e-4)
    found.merge(layer)
    np.testing.assert_allclose(layer(x), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("use_dora", [False, True])
def test_each_row_has_the_adapter_that_it_asks_for(name, use_dora):
    layer, x, rng = _case(name)
    base = layer(x).numpy()
    _add(layer, rng, "one", rank=2, alpha=5, use_dora=use_dora)
    found = _add(layer, rng, "two", rank=3)
    alone = {}
    for adapter in ("one", "two"):
        found.active = {adapter: 1.0}
        alone[adapter] = layer(x).numpy()
    found.stack(layer, ["two", "none", "one"])
    with adapter_rows(tf.constant([3, 0, 1, 2])):
        y = layer(x).numpy()
    assert (y[[1, 3]] == base[[1, 3]]).all()
    np.testing.assert_allclose(y[0], alone["one"][0], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(y[2], alone["two"][2], rtol=1e-4, atol=1e-5)
    # Rows of a batch that was laid flat stand several times in a row.
    if name not in ("dense", "embedding"):
        with adapter_rows(tf.constant([3, 1])):
            y = layer(x).numpy()
        np.testing.assert_allclose(y[:2], alone["one"][:2], rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(y[2:], alone["two"][2:], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", LAYERS)
def test_unmerging_restores_every_bit(name):
    layer, x, rng = _case(name)
    found = _add(layer, rng, rank=2)
    found.active = {"one": 1.0}
    kernel, adapted = found.kernel(layer).numpy(), layer(x).numpy()
    weights = len(layer.weights)
    found.merge(layer)
    np.testing.assert_allclose(layer(x), adapted, rtol=1e-4, atol=1e-5)
    assert (found.kept.numpy() == kernel).all()
    found.unmerge(layer)
    assert (found.kernel(layer).numpy() == kernel).all()
    assert (layer(x).numpy() == adapted).all()
    assert len(layer.weights) == weights


def test_the_gradient_of_b_at_zero_is_that_of_the_kernel_times_a():
    layer, x, _ = _case("dense")
    found = attach(layer)
    found.add(layer, AdapterOptions("one", rank=2, alpha=4), seed=3)
    found.active = {"one": 1.0}
    a, b = found.parts("one").values()
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer(x) ** 2)
    of_kernel, of_a, of_b = tape.gradient(loss, [layer.kernel.value, a.value, b.value])
    assert (of_a.numpy() == 0).all()
    np.testing.assert_allclose(of_b, 2 * a.numpy().T @ of_kernel, rtol=1e-4, atol=1e-5)


def test_half_precision_keeps_adapters_in_float32():
    layer = keras.layers.Dense(5, dtype="mixed_bfloat16")
    x = tf.ones((2, 3))
    layer(x)
    found = attach(layer)
    found.add(layer, AdapterOptions("one", rank=2), seed=3)
    found.active = {"one": 1.0}
    assert layer(x).dtype == tf.bfloat16
    assert {v.dtype for v in found.weights} == {"float32"}


def test_layers_that_depend_otherwise_on_their_kernel_take_none():
    layers = [
        SpectralDense(3),
        keras.layers.LayerNormalization(),
        keras.layers.Conv2D(4, 3, groups=2),
        keras.layers.Conv1D(4, 3, padding="causal"),
        keras.layers.DepthwiseConv2D(3),
    ]
    assert [kind_of(layer) for layer in layers] == [None] * 5


@pytest.mark.parametrize(
    ("equation", "shape"), [("abc,cde->adbe", (2, None, 3)), ("...c,cd->...d", 3)]
)
def test_equations_whose_rows_cannot_be_told_apart_are_refused(equation, shape):
    layer = keras.layers.EinsumDense(equation, shape)
    layer(tf.ones((2, 3, 4)))
    found = attach(layer)
    found.add(layer, AdapterOptions("one", rank=1), seed=0)
    with pytest.raises(ValueError, match=f"Received: equation='{equation}'"):
        found.stack(layer, ["one"])
