import keras
import numpy as np
import pytest
import tensorflow as tf

import tfgenai as tg
from tfgenai.core import random
from tfgenai.finetune.heads.features import Features

SHAPE = (8, 8, 1)


def _images(n=6):
    return random.numpy_generator(0).uniform(-1, 1, (n, *SHAPE)).astype(np.float32)


def _diffusion(**kwargs):
    options = {"channels": (8, 16), "num_blocks": 1, "attention_resolutions": ()}
    return tg.DiffusionModel(SHAPE, network_options=options, num_timesteps=20, **kwargs)


MODELS = {
    "vae": lambda: tg.VAE(SHAPE, 4),
    "vq_vae": lambda: tg.VQVAE(SHAPE),
    "gan": lambda: tg.GAN(SHAPE, 4, num_classes=3),
    "mlp_gan": lambda: tg.GAN(SHAPE, 4, network="mlp"),
    "diffusion": lambda: _diffusion(num_classes=3, condition_dropout=0.1),
    "dit": lambda: tg.DiffusionModel(
        SHAPE,
        network="dit",
        network_options={
            "hidden_dim": 16,
            "num_layers": 3,
            "num_heads": 2,
            "patch_size": 2,
        },
        num_timesteps=20,
    ),
    "image_gpt": lambda: tg.ImageGPT(
        SHAPE, num_levels=2, num_layers=2, num_heads=2, hidden_dim=16
    ),
    "pixel_cnn": lambda: tg.PixelCNN(SHAPE, num_classes=3),
}


@pytest.mark.parametrize("name", MODELS)
def test_each_row_has_features_of_its_own(name):
    model, x = MODELS[name](), _images()
    if name in ("image_gpt", "pixel_cnn"):
        x = np.sign(x)
    every = Features().of(model, tf.constant(x)).numpy()
    assert every.shape[0] == 6
    assert every.ndim == 2
    assert every.dtype == np.float32
    alone = Features().of(model, tf.constant(x[4:5])).numpy()
    np.testing.assert_allclose(every[4:5], alone, atol=1e-5)
    assert np.abs(every[0] - every[1]).max() > 1e-6


def test_what_they_are_where_it_can_be_said_otherwise():
    x = _images()
    vae = tg.VAE(SHAPE, 4)
    np.testing.assert_allclose(Features().of(vae, x), vae.encode(x), atol=1e-5)
    gan = tg.GAN(SHAPE, 4, network="mlp")
    (last,) = [
        layer
        for layer in gan.discriminator.layers
        if layer.name.startswith("dense") and layer.units == 1
    ]
    features = Features().of(gan, x).numpy()
    logits = (features @ last.kernel.numpy() + last.bias.numpy())[:, 0]
    np.testing.assert_allclose(logits, gan.discriminator(x), atol=1e-4)


def test_texts_are_means_over_their_tokens():
    gpt = tg.GPT(11, max_sequence_length=8, num_layers=2, num_heads=2, hidden_dim=8)
    short = np.array([[1, 2, 3]], np.int32)
    padded = np.array([[1, 2, 3, -1, -1], [4, 5, 6, 7, 8]], np.int32)
    expected = gpt.hidden_states(short).numpy().mean(1)
    np.testing.assert_allclose(
        Features().of(gpt, padded)[:1], expected, rtol=1e-5, atol=1e-6
    )
    below = Features(layer="block_0").of(gpt, short).numpy()
    assert below.shape == (1, 8)
    assert np.abs(below - expected).max() > 1e-3


def test_the_last_token_of_a_text_is_the_one_before_the_padding():
    gpt = tg.GPT(11, max_sequence_length=8, num_layers=1, num_heads=2, hidden_dim=8)
    tokens = np.array([[1, 2, 3, -1, -1], [4, 5, 6, 7, 8]], np.int32)
    hidden = gpt.hidden_states(tokens).numpy()
    np.testing.assert_allclose(
        Features(pool="last").of(gpt, tokens), [hidden[0, 2], hidden[1, 4]], rtol=1e-5
    )


def test_codes_pass_gradients_on_to_the_encoder():
    model, x = tg.VQVAE(SHAPE), tf.constant(_images())
    codes = model.quantizer.lookup(model.quantizer.codes(model.encoder(x))).numpy()
    with tf.GradientTape() as tape:
        features = Features().of(model, x)
        total = tf.reduce_sum(features)
    np.testing.assert_allclose(features, codes.mean((1, 2)), atol=1e-5)
    first = model.encoder.trainable_variables[0].value
    assert np.abs(tape.gradient(total, first)).max() > 0


def test_places_are_kept_or_averaged():
    model, x = _diffusion(), _images()
    flat = Features(pool="flatten").of(model, x).numpy()
    mean = Features().of(model, x).numpy()
    assert flat.shape == (6, 4 * 4 * 16)
    np.testing.assert_allclose(flat.reshape(6, 16, 16).mean(1), mean, atol=1e-5)
    named = Features(layer="down_0_0").of(model, x)
    assert named.shape == (6, 8)


def test_a_tap_leaves_the_model_as_it_was():
    model, x = _diffusion(), _images()
    Features().of(model, x)
    assert all("call" not in vars(layer) for layer in model._flatten_layers())


def test_mistakes_are_named():
    x = _images()
    for make, words in (
        (lambda: Features(pool="max"), "pool='max'"),
        (lambda: Features(time=1.5), "time=1.5"),
        (lambda: Features().of(keras.Sequential(), x), "base=Sequential"),
        (lambda: Features(layer="middle").of(_diffusion(), x), "no layers"),
        (lambda: Features(layer="conv_1").of(_diffusion(), x), r"\d+ layers have"),
        (lambda: Features(pool="last").of(tg.VAE(SHAPE, 4), x), "pool='last'"),
        (
            lambda: Features(pool="flatten").of(
                tg.GPT(9, num_layers=1, num_heads=2, hidden_dim=8), [[1, 2]]
            ),
            "base=GPT",
        ),
        (lambda: Features().of(tg.VAE(SHAPE, 4, num_classes=3), x), "num_classes=3"),
    ):
        with pytest.raises(ValueError, match=words):
            make()
