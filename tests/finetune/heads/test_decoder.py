"""New decoders: losses against NumPy, what they learn, files, exports and refusals."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.special import log_softmax
from scipy.stats import norm

import tfgenai as tg
from tfgenai.core import random
from tfgenai.core.errors import ConfigError, DataError, NonFiniteLossError
from tfgenai.core.likelihoods import Gaussian
from tfgenai.finetune.heads import DecoderHead, Features, unfreeze_gradually

SHAPE = (8, 8, 1)


def _digits(n=100):
    data = tg.data.load_arrays("digits", split="train")
    return (data.images[:n].astype(np.float32) / 127.5 - 1.0).reshape(-1, *SHAPE)


def _vae():
    return tg.VAE(SHAPE, 16, hidden_units=(64,))


def _gpt():
    return tg.GPT(
        tokenizer=tg.data.tokenizers.CharTokenizer("abcdef "),
        max_sequence_length=12,
        num_layers=2,
        num_heads=2,
        hidden_dim=16,
    )


def _losses(head, x, y, weight=None):
    return head.compute_losses(x, tf.constant(y), weight, seed=None, training=False)


def _tagged(n=60):
    tokens = random.numpy_generator(0).integers(0, 7, (n, 10)).astype(np.int32)
    tokens[::2, 7:] = -1
    return tokens, np.where(tokens >= 0, tokens % 3, 0).astype(np.int32)


def test_the_loss_of_images_is_their_negative_log_density():
    x = _digits(5)
    y = np.repeat(np.repeat(x, 2, 1), 2, 2)
    y = np.concatenate([y, -y], -1)
    head = DecoderHead(_vae(), target_shape=(16, 16, 2), likelihood=Gaussian(0.5))
    weight = np.array([1, 2, 0, 1, 1], np.float32)
    found = _losses(head, x, y, tf.constant(weight))
    mean = head(x).numpy()
    nats = -norm.logpdf(y, mean, 0.5).sum((1, 2, 3))
    error = np.square(np.clip(mean, -1, 1) - y).mean((1, 2, 3))
    psnr = tf.image.psnr(np.clip(mean, -1, 1), y, 2.0).numpy()
    np.testing.assert_allclose(found["loss"], (nats * weight).mean(), rtol=1e-4)
    np.testing.assert_allclose(
        found["squared_error"], (error * weight).mean(), rtol=1e-4
    )
    np.testing.assert_allclose(found["psnr"], (psnr * weight).mean(), rtol=1e-4)


def test_the_loss_of_masks_is_the_cross_entropy_of_what_counts():
    x = _digits(4)
    y = random.numpy_generator(0).integers(-1, 3, (4, 8, 8)).astype(np.int32)
    class_weights = [0.5, 1.0, 3.0]
    head = DecoderHead(
        tg.VQVAE(SHAPE), "mask", num_classes=3, class_weights=class_weights
    )
    log_probs = log_softmax(head(x).numpy().astype(np.float64), -1)
    label = np.maximum(y, 0)
    each = -np.take_along_axis(log_probs, label[..., None], -1)[..., 0]
    each *= np.array(class_weights)[label] * (y >= 0)
    np.testing.assert_allclose(
        _losses(head, x, y)["loss"], each.sum((1, 2)).mean(), rtol=1e-5
    )


def test_figures_of_an_epoch_are_those_of_all_its_pixels():
    from sklearn.metrics import jaccard_score

    x = _digits(10)
    y = random.numpy_generator(1).integers(0, 3, (10, 8, 8)).astype(np.int32)
    y[:5, 2:] = -1
    head = DecoderHead(_vae(), "mask", num_classes=5)
    head.compile()
    found = head.evaluate(x, y, batch_size=3, verbose=0, return_dict=True)
    labels = head.predict_targets(x)
    keep = y >= 0
    np.testing.assert_allclose(found["accuracy"], (labels == y)[keep].mean(), rtol=1e-5)
    iou = jaccard_score(y[keep], labels[keep], average="macro")
    np.testing.assert_allclose(found["mean_iou"], iou, rtol=1e-5)


def test_a_mask_is_learned_and_the_base_stays():
    x = _digits()
    y = (x[..., 0] > 0).astype(np.int32)
    base = _vae()
    before = [variable.numpy() for variable in base.encoder.weights]
    head = DecoderHead(base, "mask", num_classes=2, hidden_dim=16)
    head.compile(keras.optimizers.Adam(0.01))
    history = head.fit(
        x,
        y,
        epochs=20,
        batch_size=50,
        shuffle=False,
        validation_data=(x, y),
        verbose=0,
    ).history
    assert history["val_accuracy"][-1] > 0.85
    assert history["val_mean_iou"][-1] > history["val_mean_iou"][0]
    for variable, value in zip(base.encoder.weights, before, strict=True):
        np.testing.assert_array_equal(variable, value)


def test_an_image_of_another_size_is_learned():
    x = _digits()
    y = -np.repeat(np.repeat(x, 2, 1), 2, 2)
    head = DecoderHead(tg.VQVAE(SHAPE), target_shape=(16, 16, 1), hidden_dim=16)
    head.compile(keras.optimizers.Adam(0.01))
    # Unshuffled: the order that Keras draws would differ from run to run.
    history = head.fit(x, y, epochs=40, batch_size=50, shuffle=False, verbose=0).history
    assert history["psnr"][-1] > history["psnr"][0] + 2
    images = head.predict_targets(x)
    np.testing.assert_allclose(
        np.mean((images - y) ** 2),
        head.evaluate(x, y, verbose=0, return_dict=True)["squared_error"],
        rtol=1e-3,
    )


def test_tags_of_tokens_are_learned_without_padding():
    x, y = _tagged()
    head = DecoderHead(_gpt(), "tokens", num_classes=3, class_names=["p", "q", "r"])
    head.compile(keras.optimizers.Adam(0.02))
    history = head.fit(x, y, epochs=40, batch_size=30, shuffle=False, verbose=0).history
    assert history["accuracy"][-1] > 0.9 > history["accuracy"][0]
    labels = head.predict_targets(x)
    assert (labels[x < 0] == -1).all()
    accuracy = (labels == y)[x >= 0].mean()
    found = head.evaluate(x, y, verbose=0, return_dict=True)
    np.testing.assert_allclose(found["accuracy"], accuracy, rtol=1e-5)
    other = np.where(x < 0, 2, y)
    changed = head.evaluate(x, other, verbose=0, return_dict=True)
    np.testing.assert_allclose(changed["loss"], found["loss"], rtol=1e-6)


BASES = {
    "gan": lambda: tg.GAN(SHAPE, 4, network="mlp"),
    "dit": lambda: tg.DiffusionModel(
        SHAPE,
        network="dit",
        network_options={
            "hidden_dim": 16,
            "num_layers": 2,
            "num_heads": 2,
            "patch_size": 2,
        },
        num_timesteps=20,
    ),
    "unet": lambda: tg.DiffusionModel(
        SHAPE,
        network_options={
            "channels": (8, 16),
            "num_blocks": 1,
            "attention_resolutions": (),
        },
        num_timesteps=20,
    ),
    "image_gpt": lambda: tg.ImageGPT(
        SHAPE, num_levels=2, num_layers=2, num_heads=2, hidden_dim=16
    ),
    "pixel_cnn": lambda: tg.PixelCNN(SHAPE),
}


@pytest.mark.parametrize("name", BASES)
@pytest.mark.parametrize("hidden_dim", [None, 8])
def test_every_family_takes_a_decoder(name, hidden_dim):
    x = np.sign(_digits(3)) + 0.0
    x[x == 0] = 1.0
    head = DecoderHead(
        BASES[name](),
        target_shape=(5, 12, 3),
        likelihood="bernoulli",
        hidden_dim=hidden_dim,
    )
    assert head(x).shape == (3, 5, 12, 3)
    y = np.ones((3, 5, 12, 3), np.float32)
    assert np.isfinite(_losses(head, x, y)["loss"])


def test_files_and_gradual_unfreezing(tmp_path):
    x, y = _tagged(20)
    base = _gpt()
    own = keras.Sequential([keras.layers.Dense(3, name="mine")])
    head = DecoderHead(base, "tokens", num_classes=3, decoder=own, dropout=0.1)
    data = tf.data.Dataset.from_tensor_slices((x, y)).batch(10)
    unfreeze_gradually(head, data, ("final_norm",), verbose=False)
    head.save(tmp_path / "head.keras")
    loaded = tg.load_model(tmp_path / "head.keras")
    np.testing.assert_array_equal(loaded.predict_rows(x), head.predict_rows(x))
    assert len(loaded.base.trainable_variables) == 2
    assert loaded.get_config().keys() == head.get_config().keys()
    image = DecoderHead(_vae(), target_shape=(4, 4, 3), likelihood=Gaussian(0.1))
    image.save(tmp_path / "image.keras")
    again = tg.load_model(tmp_path / "image.keras")
    np.testing.assert_array_equal(
        again.predict_targets(_digits(3)), image.predict_targets(_digits(3))
    )


@pytest.mark.slow
def test_exports_answer_as_the_heads_do(tmp_path):
    head = DecoderHead(_gpt(), "tokens", num_classes=3, class_names=["p", "q", "r"])
    path = head.export_serving(tmp_path / "tags", warmup_batch_sizes=(1,))
    predict = tf.saved_model.load(str(path)).signatures["predict"]
    answer = predict(texts=tf.constant(["abc", "fed cab", ""]))
    assert [bool(e) for e in answer["error"].numpy()] == [False, False, True]
    tokens = answer["tokens"].numpy()[:2]
    np.testing.assert_array_equal(answer["labels"][:2], head.predict_targets(tokens))
    names = answer["class_names"].numpy()[0]
    assert set(names[:3]) <= {b"p", b"q", b"r"}
    assert set(names[3:]) == {b""}
    x = _digits(3)
    mask = DecoderHead(_vae(), "mask", num_classes=4, target_shape=(16, 16))
    path = mask.export_serving(tmp_path / "mask", warmup_batch_sizes=(1,))
    answer = tf.saved_model.load(str(path)).signatures["predict"](images=x)
    np.testing.assert_array_equal(answer["labels"], mask.predict_targets(x))
    report = tg.export.verify(tmp_path / "mask")
    assert [check for check in report.checks if not check.ok] == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"target": "sound"}, "target='sound'"),
        ({"target": "mask"}, "num_classes=None"),
        ({"num_classes": 3}, "num_classes=3"),
        ({"target": "mask", "num_classes": 2, "likelihood": "gaussian"}, "Leave it"),
        ({"target": "mask", "num_classes": 2, "class_names": ["a"]}, "class_names"),
        ({"target": "mask", "num_classes": 2, "target_shape": (8, 8, 1)}, "8, 8, 1"),
        ({"target_shape": (8, 0, 1)}, r"\(8, 0, 1\)"),
        ({"target": "tokens", "num_classes": 2}, "base=VAE"),
    ],
)
def test_arguments_that_do_not_go_together_are_named(arguments, words):
    with pytest.raises(ConfigError, match=words):
        DecoderHead(_vae(), **arguments)


def test_other_mistakes_of_the_constructor_are_named():
    with pytest.raises(ConfigError, match="base=GPT"):
        DecoderHead(_gpt(), target_shape=SHAPE, features=Features(pool="none"))
    with pytest.raises(ConfigError, match="target_shape"):
        DecoderHead(_gpt(), target_shape=None)
    with pytest.raises(ValueError, match="decoder with outputs"):
        DecoderHead(_vae(), decoder=keras.layers.Dense(3))
    with pytest.raises(ValueError, match="pool='none'"):
        tg.finetune.ClassifierHead(tg.VQVAE(SHAPE), 3, features=Features(pool="none"))


def test_targets_that_make_no_sense_are_refused_before_training():
    x = _digits(6)
    image = DecoderHead(_vae(), likelihood="bernoulli")
    mask = DecoderHead(_vae(), "mask", num_classes=3)
    tags = DecoderHead(_gpt(), "tokens", num_classes=3)
    tokens, labels = _tagged(6)
    good = np.zeros((6, 8, 8), np.int32)
    for head, x_, y, words in (
        (image, x, np.zeros_like(x), "-1 or \\+1"),
        (image, x, np.full_like(x, 2.0), "from 2.0 to 2.0"),
        (image, x, np.full_like(x, np.nan), "nan"),
        (image, x, np.zeros(x.shape, np.uint8), "127.5"),
        (image, x, np.ones((6, 4, 4, 1), np.float32), r"\(6, 4, 4, 1\)"),
        (mask, x, good + 3, "from 3 to 3"),
        (mask, x, good - 2, "from -2 to -2"),
        (mask, x, good - 1, "-1 alone"),
        (mask, x, good[..., None], r"y\[..., 0\]"),
        (mask, x, good.astype(np.float32), "int32"),
        (tags, tokens, labels[:, :5], r"\(6, 5\)"),
    ):
        head.compile()
        with pytest.raises(DataError, match=words):
            head.fit(x_, y, verbose=0)
        with pytest.raises(DataError, match=words):
            head.evaluate(x_, y, verbose=0)
        assert head.step.numpy() == 0
    with pytest.raises(DataError, match="from 3 to 3"):
        mask.fit(x, good, validation_data=(x, good + 3), verbose=0)
    with pytest.raises(DataError, match="sample_weight of shape"):
        mask.fit(x, good, sample_weight=np.ones((6, 8, 8)), verbose=0)


@pytest.mark.parametrize("jit_compile", [True, False])
def test_bad_targets_of_a_dataset_stop_the_training(jit_compile):
    x = _digits(6)
    mask = DecoderHead(_vae(), "mask", num_classes=3)
    image = DecoderHead(_vae(), likelihood="bernoulli")
    for head, y in (
        (mask, np.full((6, 8, 8), 3, np.int32)),
        (image, np.zeros_like(x)),
    ):
        head.compile(jit_compile=jit_compile)
        data = tf.data.Dataset.from_tensor_slices((x, y)).batch(3)
        with pytest.raises(NonFiniteLossError):
            head.fit(data, verbose=0)
