"""UNet: shapes, what its output depends on, remat, precision, config, refusals."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfgenai.core import random
from tfgenai.diffusion.convolutions import Convolution, UpsamplingConvolution
from tfgenai.diffusion.unet import UNet

SMALL = {"channels": (4, 8), "num_blocks": 1, "num_heads": 2}


def noise(shape, seed=0):
    return random.numpy_generator(seed).normal(size=shape).astype(np.float32)


def randomize(network):
    """Weights as after training: nothing is zero any more."""
    for i, weight in enumerate(network.weights):
        weight.assign(weight + 0.2 * noise(weight.shape, 100 + i))
    return network


@pytest.mark.parametrize(
    ("data_shape", "options"),
    [
        ((8, 8, 1), {}),
        ((6, 10, 3), {"attention_resolutions": (3,)}),
        ((2, 4, 5), {"out_channels": 2}),
        ((12, 4, 1), {"channels": (4, 4, 8), "attention_resolutions": (12, 3)}),
        ((5, 7, 2), {"channels": (4,), "attention_resolutions": (5,)}),
        ((16, 8, 3), {"patch_size": 2, "attention_resolutions": (4,)}),
        ((8, 3), {"attention_resolutions": (4,)}),
        ((24, 1), {"patch_size": 3, "channels": (4, 4, 4), "out_channels": 2}),
    ],
)
def test_any_size_comes_back_at_its_size(data_shape, options):
    network = UNet(data_shape, **{**SMALL, **options})
    before = len(network.weights)
    x, time = noise((3, *data_shape)), tf.constant([0.0, 0.5, 1.0])
    y = network(x, time)
    expected = (3, *data_shape[:-1], options.get("out_channels") or data_shape[-1])
    assert y.shape == expected
    assert y.dtype == tf.float32
    assert network.compute_output_shape(x.shape) == expected
    assert not y.numpy().any()  # the last layer begins at zero
    assert before == len(network.weights) > 0  # all were made by the constructor
    assert randomize(network)(x, time).numpy().any()


@pytest.mark.parametrize(("spatial_axes", "width"), [(2, 4), (1, 1)])
def test_upsampling_repeats_pixels_and_convolves(spatial_axes, width):
    layer = UpsamplingConvolution(5, spatial_axes=spatial_axes)
    x = tf.constant(noise((2, 3, width, 4)))
    y = layer(x)
    repeated = tf.repeat(x, 2, axis=1)
    if spatial_axes == 2:
        repeated = tf.repeat(repeated, 2, axis=2)
    plain = tf.nn.conv2d(repeated, layer.kernel.value, 1, "SAME")
    np.testing.assert_allclose(y, plain, atol=1e-5)
    assert layer.compute_output_shape(x.shape) == y.shape


def test_downsampling_halves():
    layer = Convolution(5, spatial_axes=2, stride=2)
    x = noise((2, 6, 4, 3))
    assert layer(x).shape == layer.compute_output_shape(x.shape) == (2, 3, 2, 5)


def test_time_condition_and_context_each_change_their_own_sample_only():
    network = UNet(
        (8, 8, 1),
        attention_resolutions=(4,),
        condition_dim=3,
        context_dim=5,
        **SMALL,
    )
    randomize(network)
    inputs = {
        "x": noise((2, 8, 8, 1)),
        "time": np.array([0.2, 0.6], np.float32),
        "condition": noise((2, 3), 1),
        "context": noise((2, 7, 5), 2),
    }
    base = network(**inputs).numpy()
    for name, value in inputs.items():
        changed = value.copy()
        changed[1] += 0.3
        y = network(**{**inputs, name: changed}).numpy()
        np.testing.assert_allclose(y[0], base[0], atol=1e-5)
        assert abs(y[1] - base[1]).max() > 1e-3, name


def test_no_condition_counts_as_zeros():
    network = randomize(UNet((4, 4, 1), condition_dim=3, **SMALL))
    x, time = noise((2, 4, 4, 1)), tf.constant([0.2, 0.6])
    np.testing.assert_allclose(
        network(x, time), network(x, time, tf.zeros((2, 3))), atol=1e-6
    )


def test_attention_lets_far_pixels_see_each_other():
    def reach(attention_resolutions):
        options = {**SMALL, "attention_resolutions": attention_resolutions}
        network = UNet((64, 1), **options)
        randomize(network)
        # The norms see everything; a change that leaves their statistics alone is
        # needed: two pixels of the first layer's input are exchanged.
        x = noise((1, 64, 1))
        swapped = x.copy()
        swapped[0, [60, 61]] = x[0, [61, 60]]
        time = tf.constant([0.5])
        return abs((network(x, time) - network(swapped, time)).numpy()[0, 0]).max()

    assert reach((32,)) > 3 * reach(())


def gradients(network, x, time, context):
    @tf.function
    def compute():
        with tf.GradientTape() as tape:
            tape.watch(context)
            with random.seed_scope(tf.constant([3, 4])):
                y = network(x, time, None, context, training=True)
            loss = tf.reduce_mean(tf.square(y))
        return tape.gradient(loss, [*network.trainable_variables, context])

    return compute()


@pytest.mark.slow
def test_remat_gives_the_same_gradients_with_dropout_and_context():
    options = {"attention_resolutions": (4,), "context_dim": 5, "dropout": 0.3, **SMALL}
    kept = randomize(UNet((8, 8, 1), **options))
    again = UNet((8, 8, 1), remat=True, **options)
    again.set_weights(kept.get_weights())
    arguments = (
        tf.constant(noise((2, 8, 8, 1))),
        tf.constant([0.2, 0.6]),
        tf.constant(noise((2, 7, 5), 2)),
    )
    for ours, theirs in zip(
        gradients(again, *arguments), gradients(kept, *arguments), strict=True
    ):
        scale = float(tf.reduce_max(abs(theirs)))
        assert scale > 0
        np.testing.assert_allclose(ours, theirs, atol=1e-5 * scale)


@pytest.mark.slow
def test_remat_computes_the_blocks_twice():
    def count(remat):
        network = UNet((8, 8, 1), remat=remat, **SMALL)
        x, time = tf.ones((2, 8, 8, 1)), tf.ones((2,))

        @tf.function
        def step():
            with tf.GradientTape() as tape:
                y = tf.reduce_sum(network(x, time, training=True))
            return tape.gradient(y, network.trainable_variables)

        operations = step.get_concrete_function().graph.get_operations()
        return sum(operation.type == "Conv2D" for operation in operations)

    assert count(True) >= count(False) + 2 * 7  # two in each of seven blocks


def test_dropout_is_a_function_of_the_step_and_off_in_inference():
    network = randomize(UNet((4, 4, 1), dropout=0.5, **SMALL))
    x, time = noise((2, 4, 4, 1)), tf.constant([0.2, 0.6])

    def step(seed):
        with random.seed_scope(tf.constant(seed)):
            return network(x, time, training=True).numpy()

    np.testing.assert_array_equal(step([1, 2]), step([1, 2]))
    assert (step([1, 2]) != step([1, 3])).any()
    np.testing.assert_array_equal(network(x, time), network(x, time))


@pytest.mark.parametrize("dtype", ["mixed_bfloat16", "mixed_float16"])
def test_half_precision_is_close_and_returns_float32(dtype):
    options = {"attention_resolutions": (4,), "condition_dim": 3, **SMALL}
    full = randomize(UNet((8, 8, 1), **options))
    half = UNet((8, 8, 1), dtype=dtype, **options)
    half.set_weights(full.get_weights())
    inputs = (noise((2, 8, 8, 1)), tf.constant([0.2, 0.6]), noise((2, 3)))
    y, expected = half(*inputs), full(*inputs).numpy()
    assert y.dtype == tf.float32
    assert all(weight.dtype == "float32" for weight in half.weights)
    error = np.std(y.numpy() - expected) / np.std(expected)
    assert 0 < error < 0.05


def test_the_seed_decides_the_weights():
    first, second, other = (UNet((4, 4, 1), seed=s, **SMALL) for s in (1, 1, 2))
    for a, b in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert (first.get_weights()[0] != other.get_weights()[0]).any()
    kernels = [w for w in first.get_weights() if w.shape == (3, 3, 8, 8) and w.any()]
    assert len({kernel.tobytes() for kernel in kernels}) == len(kernels) > 1


def test_it_survives_its_config_and_a_keras_file(tmp_path):
    network = UNet(
        (8, 8, 1),
        attention_resolutions=[4],
        condition_dim=3,
        context_dim=5,
        dropout=0.1,
        remat=True,
        seed=3,
        dtype="mixed_bfloat16",
        **SMALL,
    )
    randomize(network)
    assert UNet.from_config(network.get_config()).get_config() == network.get_config()
    network.save(tmp_path / "network.keras")
    loaded = keras.saving.load_model(tmp_path / "network.keras")
    inputs = (noise((2, 8, 8, 1)), tf.ones(2), noise((2, 3)), noise((2, 7, 5)))
    np.testing.assert_array_equal(loaded(*inputs), network(*inputs))
    assert loaded.get_config() == network.get_config()


@pytest.mark.slow
def test_it_learns_in_plain_fit_with_remat():
    network = UNet((4, 4, 1), remat=True, dropout=0.1, **SMALL)

    class Denoiser(keras.Model):
        def __init__(self):
            super().__init__()
            self.network = network
            self.built = True

        def call(self, x, training=False):
            with random.seed_scope(tf.constant([1, 2])):
                return self.network(x, tf.zeros(tf.shape(x)[:1]), training=training)

    model = Denoiser()
    model.compile(optimizer=keras.optimizers.Adam(1e-2), loss="mse")
    x = noise((16, 4, 4, 1))
    losses = model.fit(x, x, epochs=20, verbose=0).history["loss"]
    assert losses[-1] < 0.5 * losses[0]


@pytest.mark.parametrize(
    ("data_shape", "options", "message"),
    [
        ((28, 28, 1), {"channels": (4, 4, 4, 4)}, r"data_shape=\(28, 28, 1\), chan.*3"),
        ((7, 8, 1), {}, r"divisible by 2.*data_shape=\(7, 8, 1\)"),
        ((9, 1), {}, r"divisible by 2.*Pad or resize"),
        ((8,), {}, r"data_shape=\(8,\)"),
        ((8, 8, 1), {"channels": ()}, r"channels=\(\)"),
        ((8, 8, 1), {"patch_size": 3}, "patch_size=3"),
        ((8, 8, 1), {"attention_resolutions": (2,)}, r"\[8, 4\].*Leave \[2\] out"),
        ((8, 8, 1), {"context_dim": 5}, r"attention_resolutions=\(4,\)"),
        ((8, 8, 1), {"attention_resolutions": (4,), "num_heads": 3}, "num_heads=3"),
        ((8, 8, 1), {"dropout": 1.0}, r"rate=1\.0"),
    ],
)
def test_what_cannot_work_is_refused(data_shape, options, message):
    with pytest.raises(ValueError, match=message):
        UNet(data_shape, **{**SMALL, **options})


def test_inputs_that_were_not_announced_are_refused():
    network, x, time = UNet((4, 4, 1), **SMALL), tf.ones((1, 4, 4, 1)), tf.ones((1,))
    with pytest.raises(ValueError, match="condition_dim=None"):
        network(x, time, tf.ones((1, 3)))
    with pytest.raises(ValueError, match="context_dim=None"):
        network(x, time, None, tf.ones((1, 2, 3)))
