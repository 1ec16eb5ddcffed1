"""LatentDiffusion: latents in, images out, and an autoencoder that nothing moves."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfgenai as tg
from tfgenai.core import random
from tfgenai.diffusion import DiffusionModel, LatentDiffusion
from tfgenai.train import Backup

SHAPE = (4, 4, 1)
SMALL = {"hidden_dim": 16, "num_blocks": 1}
# Scales and shifts of the four channels, which adapt() should find.
SCALE = np.array([1.0, 2.0, 0.5, 4.0], np.float32)
SHIFT = np.array([0.0, 1.0, -1.0, 3.0], np.float32)


@keras.saving.register_keras_serializable("latent_tests")
class Affine(keras.Model):
    """Images to maps (2, 2, 4) and back, exactly; with a weight to watch."""

    image_shape = SHAPE

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.factor = self.add_weight(name="factor", shape=(), initializer="ones")
        self.built = True

    def encode(self, x):
        return tf.nn.space_to_depth(x, 2) * SCALE * self.factor.value + SHIFT

    def decode(self, z):
        return tf.nn.depth_to_space((z - SHIFT) / (SCALE * self.factor.value), 2)


def images(n=512):
    values = random.numpy_generator(4).uniform(-1.0, 1.0, size=(n, *SHAPE))
    return values.astype(np.float32)


def vae(**options):
    return tg.VAE(SHAPE, 3, hidden_units=(8,), seed=2, **options)


def model_of(autoencoder=None, **options):
    options = {"network": "mlp", "network_options": SMALL, **options}
    return LatentDiffusion(autoencoder or Affine(), **options)


def test_the_statistics_are_those_of_the_latents():
    model, x = model_of(), images()
    model.adapt(x)
    # uniform pixels have mean 0 and variance 1/3; here as measured, per channel
    z = tf.nn.space_to_depth(x, 2).numpy().reshape(-1, 4)
    np.testing.assert_allclose(
        model.latent_mean.numpy(), z.mean(0) * SCALE + SHIFT, rtol=1e-4, atol=1e-5
    )
    np.testing.assert_allclose(model.latent_std.numpy(), z.std(0) * SCALE, rtol=1e-4)
    normalised = model.encode_data(tf.constant(x), {}).numpy().reshape(-1, 4)
    np.testing.assert_allclose(normalised.mean(0), 0.0, atol=1e-5)
    np.testing.assert_allclose(normalised.std(0), 1.0, rtol=1e-4)
    back = model.decode_samples(model.encode_data(tf.constant(x), {}), {})
    np.testing.assert_allclose(back, x, atol=1e-5)


def test_batches_arrays_and_datasets_give_the_same_statistics():
    x = images(64)
    expected = model_of()
    expected.adapt(x)
    for data in (
        tf.data.Dataset.from_tensor_slices(x).batch(7),
        (x, np.zeros(64, np.int32)),
        tf.data.Dataset.from_tensor_slices((x, np.zeros(64, np.int32))).batch(64),
    ):
        other = model_of()
        other.adapt(data)
        np.testing.assert_allclose(
            other.latent_std.numpy(), expected.latent_std.numpy(), rtol=1e-5
        )
    first = model_of()
    first.adapt(tf.data.Dataset.from_tensor_slices(x).batch(16), num_batches=1)
    assert int(first.num_adapted.numpy()) == 16 * 4  # places of the maps


def test_a_latent_that_never_varies_is_kept():
    model = model_of()
    model.adapt(np.zeros((8, *SHAPE), np.float32))
    np.testing.assert_array_equal(model.latent_std.numpy(), np.ones(4))
    np.testing.assert_array_equal(model.latent_mean.numpy(), SHIFT)


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (iter([]), TypeError),
        (tf.data.Dataset.from_tensor_slices(images(4)).batch(4).take(0), ValueError),
        (np.zeros((4, 5, 5, 1), np.float32), ValueError),
        (np.zeros((4, *SHAPE), np.uint8), TypeError),
    ],
)
def test_data_that_cannot_be_measured_are_refused(data, error):
    with pytest.raises(error):
        model_of().adapt(data)


def test_training_adapts_first_and_moves_neither_statistics_nor_autoencoder():
    autoencoder = vae(ema_decay=0.9)
    for _, shadow in autoencoder.ema.pairs:
        shadow.assign(shadow.value * 1.5)
    model = model_of(autoencoder, ema_decay=0.9)
    # what is below are the averaged weights, and no part of the model's own average
    np.testing.assert_array_equal(
        model.autoencoder.encoder.weights[0].numpy(),
        1.5 * autoencoder.encoder.weights[0].numpy(),
    )
    assert len(model.ema.pairs) == len(model.network.weights)
    model.compile(jit_compile=False)
    before = [w.numpy() for w in model.autoencoder.weights]
    head = model.network.head.bias.numpy()
    model.fit(images(32), batch_size=16, verbose=0)
    assert int(model.num_adapted.numpy()) == 32
    z = model.encode_data(tf.constant(images(32)), {}).numpy()
    np.testing.assert_allclose(z.std(0), 1.0, rtol=1e-3)
    for value, weight in zip(before, model.autoencoder.weights, strict=True):
        np.testing.assert_array_equal(value, weight.numpy())
    assert not np.array_equal(head, model.network.head.bias.numpy())
    ours = {id(w) for w in model.network.trainable_variables}
    assert {id(w) for w in model.trainable_variables} == ours
    # further training does not measure again
    statistics = model.latent_mean.numpy()
    model.fit(images(16) * 0.1, verbose=0)
    np.testing.assert_array_equal(statistics, model.latent_mean.numpy())


def test_the_loss_is_that_of_diffusion_on_normalised_latents():
    model = model_of(vae())
    x, seed = tf.constant(images(16)), tf.constant([3, 4])
    model.adapt(x.numpy())
    plain = DiffusionModel(data_shape=(3,), network_options=SMALL)
    plain.network.set_weights(model.network.get_weights())
    arguments = {"y": None, "sample_weight": None, "seed": seed, "training": False}
    expected = plain.compute_losses(model.encode_data(x, {}), **arguments)
    found = model.compute_losses(x, **arguments)
    assert set(found) == {"loss", "latent_elbo"}
    np.testing.assert_allclose(found["loss"], expected["loss"], rtol=1e-6)
    np.testing.assert_allclose(found["latent_elbo"], expected["elbo"], rtol=1e-6)


def test_samples_are_decoded_latents():
    model = model_of(vae())
    model.adapt(images(64))
    plain = DiffusionModel(data_shape=(3,), network_options=SMALL)
    plain.network.set_weights(model.network.get_weights())
    z = plain.generate(4, seed=3, num_steps=5)
    z = z * model.latent_std.numpy() + model.latent_mean.numpy()
    expected = model.autoencoder.decode(z)
    found = model.generate(4, seed=3, num_steps=5)
    assert found.shape == (4, *SHAPE)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_labels_go_to_a_conditional_autoencoder_too():
    model = model_of(vae(num_classes=3), num_classes=3)
    model.compile(jit_compile=False)
    model.fit(images(16), np.arange(16) % 3, verbose=0)
    assert int(model.num_adapted.numpy()) == 16
    a, b = model.generate(2, seed=[1, 1], labels=[0, 2], num_steps=2)
    assert not np.array_equal(a, b)
    with pytest.raises(ValueError, match="conditional"):
        model.adapt(images(16))


@pytest.mark.parametrize("network", ["mlp", "dit", "unet"])
def test_maps_go_into_every_network(network):
    options = {
        "mlp": SMALL,
        "dit": {"hidden_dim": 16, "num_layers": 1, "num_heads": 2, "patch_size": 1},
        "unet": {"channels": (8,), "num_blocks": 1},
    }[network]
    model = model_of(network=network, network_options=options)
    assert model.data_shape == (2, 2, 4)
    assert model.generate(2, num_steps=2).shape == (2, *SHAPE)
    assert LatentDiffusion(vae()).network_name == "mlp"


@pytest.mark.slow
def test_a_file_holds_the_whole_model_once(tmp_path):
    model = model_of(vae(ema_decay=0.9), ema_decay=0.9)
    model.compile(jit_compile=False)
    model.fit(images(32), verbose=0)
    model.save(tmp_path / "m.keras")
    loaded = tg.load_model(tmp_path / "m.keras")
    for left, right in zip(model.weights, loaded.weights, strict=True):
        np.testing.assert_array_equal(left.numpy(), right.numpy())
    given = {"seed": 2, "num_steps": 3}
    np.testing.assert_array_equal(
        model.generate(3, **given), loaded.generate(3, **given)
    )
    assert loaded.trainable_variables[0] is not loaded.autoencoder.weights[0]
    assert loaded.autoencoder.trainable_variables == []
    json.dumps(model.get_config())
    # encoder and decoder: 4 layers with kernel and bias; and the VAE's own counters
    assert len(model.autoencoder.weights) == 8 + 4
    model.save_to_preset(tmp_path / "preset")
    preset = LatentDiffusion.from_preset(tmp_path / "preset")
    np.testing.assert_array_equal(
        model.generate(3, **given), preset.generate(3, **given)
    )


@pytest.mark.slow
def test_a_resumed_run_has_the_statistics_of_the_unbroken_one(tmp_path):
    x = images(32)
    data = tf.data.Dataset.from_tensor_slices(x).batch(8)

    def trained(epochs, folder):
        model = model_of(vae(), ema_decay=0.9)
        model.compile(jit_compile=False)
        model.fit(data, epochs=epochs, callbacks=[Backup(folder)], verbose=0)
        return model

    whole = trained(2, tmp_path / "whole")
    trained(1, tmp_path / "broken")
    # what would be measured now is not what the checkpoint holds
    data = tf.data.Dataset.from_tensor_slices(x).batch(8)
    resumed = trained(2, tmp_path / "broken")
    for left, right in zip(whole.weights, resumed.weights, strict=True):
        np.testing.assert_array_equal(left.numpy(), right.numpy())


@pytest.mark.slow
def test_one_export_answers_with_images(tmp_path):
    model = model_of(vae(num_classes=3), num_classes=3, ema_decay=0.9)
    model.compile(jit_compile=False)
    model.fit(images(16), np.arange(16) % 3, verbose=0)
    version = model.export_serving(tmp_path / "served", warmup_batch_sizes=())
    signature = tf.saved_model.load(str(version)).signatures["generate"]
    answer = signature(
        seed=tf.constant(random.row_seeds(5, 2)), labels=tf.constant([0, 2])
    )
    expected = model.generate(2, seed=5, labels=[0, 2])
    np.testing.assert_allclose(answer["images"], expected, atol=1e-6)


def test_what_is_no_autoencoder_is_refused():
    with pytest.raises(TypeError, match="encode and decode"):
        LatentDiffusion(keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)]))
    with pytest.raises(ValueError, match="num_classes=3"):
        LatentDiffusion(vae(num_classes=3))
