"""DiT: shapes, what it is at the start, what steers it, half precision and remat."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfgenai.core import random
from tfgenai.core.fit_options import convolves_on_cpu
from tfgenai.core.model import GenerativeModel
from tfgenai.diffusion.dit import DiT
from tfgenai.diffusion.dit_block import DiTBlock

SMALL = {"hidden_dim": 16, "num_layers": 2, "num_heads": 2, "mlp_ratio": 2}
TIMES = np.array([0.1, 0.9], "float32")


def batch(*shape, seed=0):
    return random.numpy_generator(seed).normal(size=shape).astype("float32")


def perturbed(layer, seed=7):
    """The layer as if trained: no weight is zero."""
    generator = random.numpy_generator(seed)
    for weight in layer.weights:
        weight.assign_add(0.2 * generator.normal(size=weight.shape))
    return layer


@keras.saving.register_keras_serializable("tests")
class Denoiser(GenerativeModel):
    """The least that trains a network: predict the noise at one level a row."""

    def __init__(self, network, *, seed=0, name=None, dtype=None):
        super().__init__(seed=seed, name=name, dtype=dtype)
        self.network = network
        self.finish_init()

    def compute_losses(self, x, y, sample_weight, *, seed, training):
        time = random.uniform(seed, tf.shape(x)[:1])
        noise = random.normal(random.fold(seed, 1), tf.shape(x))
        t = time[:, None, None, None]
        predicted = self.network((1 - t) * x + t * noise, time, training=training)
        return {"loss": tf.reduce_mean(tf.square(predicted - noise))}

    def get_config(self):
        network = keras.saving.serialize_keras_object(self.network)
        return {
            "name": self.name,
            "dtype": keras.dtype_policies.serialize(self.dtype_policy),
            "seed": self.seed,
            "network": network,
        }


def images(n=64):
    """Bright left halves on dark right halves, of a random contrast."""
    contrast = random.numpy_generator(1).uniform(0.5, 1, (n, 1, 1, 1))
    half = np.where(np.arange(8) < 4, 1.0, -1.0)[None, None, :, None]
    return (contrast * half * np.ones((1, 8, 1, 1))).astype("float32")


# ---- shapes ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data_shape", "patch_size"),
    [((8, 8, 1), 2), ((6, 12, 3), 3), ((4, 4, 2), 1), ((12, 5), 4), ((7, 1), 1)],
)
@pytest.mark.parametrize("out_channels", [None, 4])
def test_output_has_the_data_s_shape_and_the_channels_asked_for(
    data_shape, patch_size, out_channels
):
    network = DiT(data_shape, patch_size=patch_size, out_channels=out_channels, **SMALL)
    assert network.built
    count = len(network.weights)
    output = network(batch(2, *data_shape), TIMES)
    assert output.shape == (2, *data_shape[:-1], out_channels or data_shape[-1])
    assert output.dtype == tf.float32
    assert len(network.weights) == count


def test_dit_s_has_the_33_million_parameters_of_the_paper():
    # Peebles & Xie 2023, tables 1 and 4. Their count includes a table of 1,001 labels,
    # which is the diffusion model's here, and the positions, which are no weights here.
    network = DiT(
        (32, 32, 4), hidden_dim=384, num_layers=12, num_heads=6, out_channels=8
    )
    assert round((network.count_params() + (1001 + 256) * 384) / 1e6) == 33


def test_an_unknown_batch_and_symbolic_inputs_work():
    network = DiT((8, 8, 1), **SMALL)
    x, time = keras.Input((8, 8, 1)), keras.Input(())
    model = keras.Model([x, time], network(x, time))
    assert model.output_shape == (None, 8, 8, 1)
    data = batch(2, 8, 8, 1)
    np.testing.assert_array_equal(model([data, TIMES]), network(data, TIMES))


# ---- at the start ------------------------------------------------------------


def test_output_begins_at_zero_and_its_gradient_does_not():
    network = DiT((8, 8, 1), condition_dim=3, context_dim=5, **SMALL)
    x = batch(2, 8, 8, 1)
    with tf.GradientTape() as tape:
        output = network(x, TIMES, batch(2, 3), batch(2, 4, 5))
        loss = tf.reduce_mean(tf.square(output - x))
    np.testing.assert_array_equal(output, np.zeros_like(x))
    (gradient,) = tape.gradient(loss, [network.final_layer.kernel.value])
    assert np.abs(gradient).max() > 0


def test_weights_are_a_function_of_the_seed():
    first, again, other = (
        DiT((8, 8, 1), condition_dim=3, context_dim=5, seed=s, **SMALL)
        for s in (1, 1, 2)
    )
    for a, b, c in zip(
        first.get_weights(), again.get_weights(), other.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(a, b)
        assert not a.any() or (a == 1).all() or (a != c).any()
    drawn = [w.ravel()[:4].tolist() for w in first.get_weights() if w.std() > 0]
    assert len({tuple(w) for w in drawn}) == len(drawn)


# ---- what it computes --------------------------------------------------------


def test_the_network_knows_where_a_patch_stands():
    network = perturbed(DiT((4, 4, 1), **SMALL))
    x = batch(2, 4, 4, 1)
    moved = np.roll(x, 2, axis=1)  # a whole patch
    output = np.roll(network(x, TIMES), 2, axis=1)
    assert np.abs(network(moved, TIMES) - output).max() > 0.01
    network._positions = np.zeros_like(network._positions)
    output = np.roll(network(x, TIMES), 2, axis=1)
    np.testing.assert_allclose(network(moved, TIMES), output, atol=1e-5)


@pytest.mark.parametrize("changed", ["x", "time", "condition", "context"])
def test_every_input_steers_its_own_row(changed):
    network = perturbed(DiT((8, 8, 1), condition_dim=3, context_dim=5, **SMALL))
    inputs = {
        "x": batch(2, 8, 8, 1),
        "time": TIMES,
        "condition": batch(2, 3, seed=1),
        "context": batch(2, 4, 5, seed=2),
    }
    before = network(**inputs).numpy()
    value = inputs[changed].copy()
    value[1] += 0.5
    after = network(**{**inputs, changed: value}).numpy()
    np.testing.assert_array_equal(after[0], before[0])
    assert np.abs(after[1] - before[1]).max() > 1e-3


@pytest.mark.parametrize("dtype", ["mixed_bfloat16", "mixed_float16"])
def test_half_precision_returns_float32_near_the_float32_network(dtype):
    arguments = {"condition_dim": 3, "context_dim": 5, "use_qk_norm": True, **SMALL}
    full, half = (
        perturbed(DiT((8, 8, 1), dtype=d, **arguments)) for d in (None, dtype)
    )
    inputs = batch(2, 8, 8, 1), TIMES, batch(2, 3), batch(2, 4, 5)
    expected, actual = full(*inputs).numpy(), half(*inputs)
    assert actual.dtype == tf.float32
    assert {w.dtype for w in half.weights} == {"float32"}
    assert {b.compute_dtype for b in half.blocks} == {dtype.removeprefix("mixed_")}
    assert np.abs(actual - expected).max() < 0.05 * expected.std() + 0.05


def test_half_precision_tells_neighbouring_noise_levels_apart():
    network = perturbed(DiT((4, 4, 1), dtype="mixed_bfloat16", **SMALL))
    x = np.repeat(batch(1, 4, 4, 1), 2, axis=0)
    # bfloat16 rounds both times to 1.0
    first, second = network(x, np.array([0.999, 1.0], "float32")).numpy()
    assert np.abs(first - second).max() > 1e-3


@pytest.mark.parametrize("use_qk_norm", [False, True])
def test_qk_norm_adds_its_scales(use_qk_norm):
    network = DiT((8, 8, 1), use_qk_norm=use_qk_norm, context_dim=3, **SMALL)
    names = [w.path for w in network.weights if w.path.endswith("_scale")]
    assert len(names) == (
        2 * 2 * 2 if use_qk_norm else 0
    )  # layers, attentions, q and k


# ---- training ----------------------------------------------------------------


def gradients(network, inputs, compile_):
    variables = [v.value for v in network.trainable_variables]

    @tf.function(jit_compile=compile_ == "xla")
    def compute(*inputs):
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(inputs)
            with random.seed_scope(tf.constant([3, 4])):
                output = network(*inputs, training=True)
            loss = tf.reduce_sum(tf.sin(output))
        # Outside of the scope, as the training step does.
        return output, tape.gradient(loss, [*variables, *inputs])

    if compile_ == "eager":
        compute = compute.python_function
    return tf.nest.flatten(compute(*inputs))


@pytest.mark.parametrize(
    "compile_", ["eager", "graph", pytest.param("xla", marks=pytest.mark.slow)]
)
def test_remat_changes_neither_output_nor_gradients(compile_):
    arguments = {"condition_dim": 3, "context_dim": 5, "dropout": 0.3, **SMALL}
    plain, remat = (
        perturbed(DiT((8, 8, 1), remat=r, **arguments)) for r in (False, True)
    )
    inputs = [batch(2, 8, 8, 1), TIMES, batch(2, 3), batch(2, 4, 5)]
    inputs = [tf.constant(value) for value in inputs]
    pairs = zip(
        gradients(plain, inputs, compile_),
        gradients(remat, inputs, compile_),
        strict=True,
    )
    for expected, actual in pairs:
        scale = max(1.0, np.abs(expected).max())
        np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-5 * scale)


def test_remat_runs_each_block_again_in_the_backward_pass(monkeypatch):
    runs = []
    call = DiTBlock.call
    monkeypatch.setattr(
        DiTBlock, "call", lambda self, *a, **k: runs.append(self) or call(self, *a, **k)
    )
    for remat, expected in ((False, 2), (True, 4)):
        network = DiT((8, 8, 1), remat=remat, **SMALL)
        runs.clear()
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(network(batch(2, 8, 8, 1), TIMES, training=True))
        tape.gradient(loss, network.final_layer.kernel.value)
        assert len(runs) == expected


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments", [{}, {"remat": True, "dropout": 0.1}, {"dtype": "mixed_bfloat16"}]
)
def test_learns_in_the_compiled_loop(arguments):
    network = DiT((8, 8, 1), **SMALL, **arguments)
    model = Denoiser(network, dtype=arguments.get("dtype"))
    assert not convolves_on_cpu(model)
    model.compile(keras.optimizers.Adam(3e-3))
    assert model.jit_compile
    data = tf.data.Dataset.from_tensor_slices(images()).repeat().batch(32)
    history = model.fit(data, steps_per_epoch=60, epochs=2, verbose=0)
    first, last = history.history["loss"]
    assert last < 0.6 * first < 0.8


# ---- files -------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [{}, {"condition_dim": 3, "context_dim": 5, "use_qk_norm": True, "remat": True}],
)
def test_comes_back_from_its_config(arguments):
    network = DiT(
        (8, 6),
        patch_size=4,
        dropout=0.1,
        out_channels=2,
        seed=3,
        name="small",
        dtype="mixed_bfloat16",
        **SMALL,
        **arguments,
    )
    again = DiT.from_config(network.get_config())
    assert again.get_config() == network.get_config()
    for a, b in zip(network.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_comes_back_from_a_file(tmp_path):
    network = perturbed(DiT((8, 8, 1), condition_dim=3, **SMALL))
    inputs = batch(2, 8, 8, 1), TIMES, batch(2, 3)
    network.save(tmp_path / "network.keras")
    Denoiser(network).save(tmp_path / "model.keras")
    alone = keras.models.load_model(tmp_path / "network.keras")
    inside = keras.models.load_model(tmp_path / "model.keras").network
    for again in (alone, inside):
        np.testing.assert_array_equal(again(*inputs), network(*inputs))


# ---- refusals ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"patch_size": 3}, r"patch_size=\[1, 2, 4, 8\]"),
        ({"hidden_dim": 18}, "hidden_dim=20"),
        ({"num_heads": 3}, "num_heads=3"),
        ({"num_layers": 0}, "num_layers=0"),
        ({"mlp_ratio": 0}, "intermediate_dim=0"),
        ({"dropout": 1.5}, r"rate=1\.5"),
        ({"out_channels": 0}, "out_channels=0"),
        ({"condition_dim": 0}, "condition_dim=0"),
        ({"context_dim": 0}, "context_dim=0"),
        ({"seed": -1}, "seed=-1"),
    ],
)
def test_refuses_sizes_that_cannot_work(arguments, words):
    with pytest.raises(ValueError, match=words):
        DiT((8, 8, 1), **{**SMALL, **arguments})


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ({"x": batch(2, 16, 8, 1)}, r"data_shape=\(16, 8, 1\)"),
        ({"condition": None}, "give a condition"),
        ({"condition": batch(2, 4)}, "condition_dim=4"),
        ({"context": batch(2, 4, 5)}, "leave out the context"),
    ],
)
def test_refuses_inputs_that_do_not_fit(inputs, words):
    network = DiT((8, 8, 1), condition_dim=3, **SMALL)
    fitting = {"x": batch(2, 8, 8, 1), "time": TIMES, "condition": batch(2, 3)}
    with pytest.raises(ValueError, match=words):
        network(**{**fitting, **inputs})
