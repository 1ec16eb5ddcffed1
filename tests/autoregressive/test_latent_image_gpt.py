"""LatentImageGPT: probabilities of codes, a frozen autoencoder, files, bad input."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfgenai as tg
from tfgenai.autoregressive import LatentImageGPT
from tfgenai.core import random

SHAPE = (4, 4, 1)
SIZES = {"num_layers": 1, "num_heads": 2, "hidden_dim": 8}


@keras.saving.register_keras_serializable("latent_gpt_tests")
class Quadrants(keras.Model):
    """The code of a 2×2 block is how many of its pixels are bright, 0 to 4."""

    image_shape, code_shape, num_embeddings = SHAPE, (2, 2), 5

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.factor = self.add_weight(name="factor", shape=(), initializer="ones")
        self.built = True

    def encode_codes(self, x):
        bright = tf.cast(x * self.factor > 0, tf.int32)
        return tf.reduce_sum(tf.nn.space_to_depth(bright, 2), axis=-1)

    def decode_codes(self, codes):
        levels = tf.cast(codes, tf.float32)[..., None] / 2.0 - 1.0
        return tf.repeat(tf.repeat(levels, 2, axis=1), 2, axis=2) * self.factor


def model_of(autoencoder=None, **options):
    model = LatentImageGPT(autoencoder or Quadrants(), **{**SIZES, **options})
    rng = random.numpy_generator(3)
    for weight in model.decoder.trainable_variables:
        weight.assign(weight + 0.4 * rng.normal(size=weight.shape))
    return model


def image_of(codes):
    """An image whose blocks have as many bright pixels as `codes` says."""
    x = -np.ones(SHAPE, np.float32)
    for (i, j), code in np.ndenumerate(np.reshape(codes, (2, 2))):
        for place in range(code):
            x[2 * i + place // 2, 2 * j + place % 2] = 1.0
    return x


@pytest.mark.parametrize("labels", [None, 2])
def test_probabilities_of_all_codes_sum_to_one(labels):
    model = model_of(num_classes=None if labels is None else 3)
    x = np.stack([image_of(codes) for codes in itertools.product(range(5), repeat=4)])
    rows = None if labels is None else tf.fill((len(x),), labels)
    nats = model.code_log_prob(tf.constant(x), rows).numpy().astype(np.float64)
    assert np.exp(nats).sum() == pytest.approx(1.0, abs=1e-4)
    assert nats.std() > 0.1


def test_each_code_depends_on_those_before_it_alone():
    model = model_of()
    codes = np.array([1, 2, 3, 0])
    logits = model(image_of(codes)[None])[0].numpy()
    assert logits.shape == (4, 5)
    for place in range(4):
        other = codes.copy()
        other[place] = 4
        moved = np.abs(model(image_of(other)[None])[0] - logits).max(-1) > 1e-6
        assert not moved[: place + 1].any()
        assert moved[place + 1 :].all()


def test_the_loss_is_nats_per_example_and_bits_per_code():
    model = model_of()
    x = np.stack([image_of(c) for c in ([0, 1, 2, 3], [4, 4, 0, 0], [1, 1, 1, 1])])
    nats = -model.code_log_prob(tf.constant(x)).numpy()
    model.compile()
    logs = model.evaluate(x, verbose=0, return_dict=True)
    assert logs["loss"] == pytest.approx(nats.mean(), rel=1e-5)
    assert logs["bits_per_code"] == pytest.approx(nats.mean() / 4 / np.log(2), rel=1e-5)


def test_samples_follow_the_probabilities():
    model = model_of()
    images = model.generate(4000, seed=1)
    drawn = np.round((images[:, ::2, ::2, 0] + 1.0) * 2.0).astype(int)
    counts = np.bincount(drawn[:, 0, 0], minlength=5)
    logits = model(image_of([0, 0, 0, 0])[None])[0, 0]  # the first code's
    expected = 4000 * tf.nn.softmax(logits).numpy()
    # chi-square with 4 degrees of freedom: 18.5 is its 99.9 % quantile.
    assert (np.square(counts - expected) / expected).sum() < 18.5


@pytest.mark.slow
def test_training_moves_the_transformer_and_learns_the_codes_of_a_class():
    autoencoder = Quadrants()
    model = LatentImageGPT(autoencoder, num_classes=2, ema_decay=0.9, **SIZES)
    x = np.stack([image_of([0, 4, 4, 0]), image_of([3, 1, 1, 3])] * 32)
    labels = np.arange(64) % 2
    model.compile(keras.optimizers.Adam(1e-2))
    model.fit(x, labels, epochs=40, batch_size=16, verbose=0)
    assert float(model.autoencoder.factor) == 1.0
    assert all("factor" not in v.path for v in model.trainable_variables)
    assert model.evaluate(x, labels, verbose=0, return_dict=True)["loss"] < 0.1
    one = model.generate(1, seed=0, labels=1, temperature=0.0)
    np.testing.assert_array_equal(one[0, ::2, ::2, 0], [[0.5, -0.5], [-0.5, 0.5]])


def test_the_averaged_autoencoder_is_copied_and_travels_with_the_file(tmp_path):
    vqvae = tg.VQVAE(SHAPE, num_embeddings=4, filters=(4,), ema_decay=0.5)
    for _, shadow in vqvae.ema.pairs:
        shadow.assign(shadow.value * 1.5)
    model = LatentImageGPT(vqvae, **SIZES)
    np.testing.assert_allclose(
        model.autoencoder.quantizer.embeddings,
        1.5 * vqvae.quantizer.embeddings.numpy(),
        rtol=1e-6,
    )
    before = model.generate(2, seed=3)
    vqvae.quantizer.embeddings.assign(tf.zeros_like(vqvae.quantizer.embeddings))
    model.save(tmp_path / "model.keras")
    after = tg.load_model(tmp_path / "model.keras").generate(2, seed=3)
    np.testing.assert_array_equal(before, after)
    assert np.abs(before).max() > 0


class NoCodes(keras.Model):
    image_shape = SHAPE


class WrongShape(Quadrants):
    code_shape = (4, 4)


class Floats(Quadrants):
    def encode_codes(self, x):
        return tf.cast(super().encode_codes(x), tf.float32)


class SmallImages(Quadrants):
    def decode_codes(self, codes):
        return super().decode_codes(codes)[:, :2]


@pytest.mark.parametrize(
    ("autoencoder", "error", "words"),
    [
        (NoCodes, TypeError, "NoCodes, without.*encode_codes"),
        (lambda: tg.VAE(SHAPE, 3), TypeError, "LatentDiffusion"),
        (lambda: "vqvae", TypeError, "autoencoder of type str"),
        (WrongShape, ValueError, r"code_shape=\(4, 4\)"),
        (Floats, ValueError, "type float32"),
        (SmallImages, ValueError, r"image_shape=\(4, 4, 1\)"),
    ],
)
def test_what_cannot_stand_below_is_refused(autoencoder, error, words):
    with pytest.raises(error, match=words):
        LatentImageGPT(autoencoder(), **SIZES)


def test_a_label_is_required_where_there_are_classes():
    with pytest.raises(ValueError, match="labels"):
        model_of(num_classes=3).generate(1)
    with pytest.raises(TypeError, match="labels"):
        model_of().generate(1, labels=0)


@pytest.mark.parametrize("num_classes", [0, -3, True, 2.5, "auto"])
def test_bad_numbers_of_classes_are_refused(num_classes):
    with pytest.raises(ValueError, match=f"num_classes={num_classes!r}"):
        LatentImageGPT(Quadrants(), num_classes=num_classes, **SIZES)


def test_half_precision_reads_the_codes_of_the_images_that_are_given():
    model = model_of(dtype="mixed_bfloat16")
    x = np.zeros((1, *SHAPE), np.float32)
    seen = []
    real = model._codes
    model._codes = lambda x: seen.append(x.dtype) or real(x)
    model(tf.constant(x))
    model.code_log_prob(tf.constant(x))
    assert seen == [tf.float32, tf.float32]


def test_the_temperature_is_of_codes():
    (temperature,) = model_of().conditions()
    assert "code" in temperature.description
