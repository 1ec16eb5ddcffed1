"""PixelCNN: its loss, training, files, precision and bad input."""

import inspect

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfgenai as tg
from tfgenai.autoregressive import PixelCNN
from tfgenai.core import random
from tfgenai.core.likelihoods import Categorical, DiscretizedLogisticMixture
from tfgenai.core.random import numpy_generator

SEED = tf.constant([1, 2])


def binary_images(n, shape=(4, 5, 1)):
    rng = random.numpy_generator(0)
    return rng.choice([-1.0, 1.0], (n, *shape)).astype(np.float32)


def test_a_uniform_model_has_one_bit_a_pixel():
    # closed form: zero logits
    model = PixelCNN((4, 5, 1), num_filters=4, num_blocks=1)
    for weight in model.network.head[-1].weights:
        weight.assign(tf.zeros_like(weight.value))
    x = tf.constant(binary_images(3))
    losses = model.compute_losses(x, None, None, seed=SEED, training=False)
    assert float(losses["loss"]) == pytest.approx(20 * np.log(2), rel=1e-6)
    assert float(losses["bits_per_dim"]) == pytest.approx(1.0, rel=1e-6)


def test_weights_of_examples_weigh_their_nats(make_tiny):
    model, x = make_tiny(), binary_images(3)
    nats = -model.log_likelihood(x)
    weights = np.float32([2.0, 0.0, 1.0])
    losses = model.compute_losses(
        tf.constant(x), None, tf.constant(weights), seed=SEED, training=False
    )
    assert float(losses["loss"]) == pytest.approx((weights * nats).mean(), rel=1e-5)


@pytest.mark.slow
def test_training_learns_a_known_distribution():
    # Rows repeat the first one, whose pixels are coins: the entropy is 4 bits, and a
    # model that saw only its own row could not get below 16.
    rng = random.numpy_generator(1)
    rows = rng.choice([-1.0, 1.0], (512, 1, 4, 1)).astype(np.float32)
    x = np.repeat(rows, 4, axis=1)
    model = PixelCNN((4, 4, 1), num_filters=16, num_blocks=2, ema_decay=0.9)
    model.compile(keras.optimizers.Adam(1e-2))
    model.fit(x, epochs=20, batch_size=32, verbose=0)
    nats = -model.log_likelihood(x).mean()
    assert 4 * np.log(2) - 0.05 < nats < 4 * np.log(2) + 0.1
    samples = model.generate(64, seed=0)
    assert (samples == samples[:, :1]).all(axis=(1, 2, 3)).mean() > 0.9


def test_dropout_is_a_function_of_the_step(make_tiny):
    model, x = make_tiny(dropout=0.5, row_context_dim=8), tf.constant(binary_images(3))

    def loss(seed, training):
        with random.seed_scope(seed):
            losses = model.compute_losses(x, None, None, seed=seed, training=training)
        return float(losses["loss"])

    assert loss(SEED, True) == loss(SEED, True) != loss(SEED + 1, True)
    assert loss(SEED, False) == loss(SEED + 1, False)


@pytest.mark.parametrize("dtype", ["mixed_float16", "mixed_bfloat16"])
def test_half_precision_is_close_finite_and_answers_in_float32(make_tiny, dtype):
    arguments = {
        "attention_blocks": (0,),
        "num_heads": 2,
        "row_context_dim": 8,
        "num_classes": 3,
    }
    half, single = make_tiny(dtype=dtype, **arguments), make_tiny(**arguments)
    x, labels = binary_images(4), np.int32([0, 1, 2, 0])
    assert half.network.blocks[0].compute_dtype == dtype.removeprefix("mixed_")
    np.testing.assert_allclose(
        half.log_likelihood(x, labels), single.log_likelihood(x, labels), rtol=0.05
    )
    drawn, log_prob = half.sample_with_log_prob(
        tf.constant(random.row_seeds(0, 4)),
        temperature=tf.ones(4),
        labels=tf.constant(labels),
    )
    assert drawn.dtype == log_prob.dtype == tf.float32
    np.testing.assert_allclose(
        log_prob, half.log_likelihood(drawn.numpy(), labels), rtol=0.05
    )
    half.compile("adam")
    assert np.isfinite(half.fit(x, labels, verbose=0).history["loss"]).all()


def test_saving_keeps_likelihood_and_samples(tmp_path):
    model = PixelCNN(
        (3, 3, 3),
        num_filters=6,
        num_blocks=1,
        likelihood=Categorical(4),
        attention_blocks=(0,),
        num_heads=3,
    )
    model.save(tmp_path / "model.keras")
    loaded = tg.load_model(tmp_path / "model.keras")
    assert loaded.likelihood.num_levels == 4
    np.testing.assert_array_equal(model.generate(2), loaded.generate(2))


def test_config_is_the_constructors_arguments(make_tiny):
    names = set(inspect.signature(PixelCNN.__init__).parameters) - {"self"}
    assert set(make_tiny().get_config()) == names


def test_initial_weights_are_a_function_of_the_seed():
    def weights(seed):
        model = PixelCNN((4, 4, 1), num_filters=4, num_blocks=1, seed=seed)
        return model.network.blocks[0].vertical.kernel.numpy()

    np.testing.assert_array_equal(weights(1), weights(1))
    assert (weights(1) != weights(2)).any()


def test_labels_are_required_and_in_range(make_tiny):
    model = make_tiny(num_classes=3)
    assert model.generate(2, labels=[0, 2]).shape == (2, 4, 5, 1)
    with pytest.raises(ValueError, match="labels"):
        model.generate(2)
    with pytest.raises(ValueError, match="labels=3"):
        model.log_likelihood(binary_images(2), [0, 3])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"image_shape": (28, 28)}, r"image_shape=\(28, 28\)"),
        ({"image_shape": (28, 0, 1)}, "image_shape="),
        ({"num_filters": 0}, "num_filters=0"),
        ({"num_blocks": 1.5}, "num_blocks=1.5"),
        ({"kernel_size": 4}, "kernel_size=4"),
        ({"first_kernel_size": 1}, "first_kernel_size=1"),
        ({"dilations": ()}, r"dilations=\[\]"),
        ({"dilations": (0,)}, r"dilations=\[0\]"),
        ({"num_blocks": 2, "attention_blocks": (2,)}, r"attention_blocks=\[2\]"),
        ({"num_filters": 6, "attention_blocks": (0,)}, "num_heads=4"),
        ({"row_context_dim": 0}, "row_context_dim=0"),
        ({"num_classes": 0}, "num_classes=0"),
        ({"dropout": 1.0}, "dropout=1.0"),
        ({"likelihood": "bernouli"}, "Did you mean 'bernoulli'"),
        ({"likelihood": "gaussian"}, "likelihood=Gaussian, a density"),
        (
            {"image_shape": (4, 4, 3), "num_filters": 2, "likelihood": "categorical"},
            "num_filters=2, 3 channels",
        ),
    ],
)
def test_constructor_names_the_argument(arguments, words):
    with pytest.raises(ValueError, match=words):
        PixelCNN(**{"image_shape": (4, 4, 1), **arguments})


def test_a_mixture_takes_fewer_filters_than_channels():
    likelihood = DiscretizedLogisticMixture(1, num_levels=4)
    model = PixelCNN((3, 3, 3), num_filters=2, num_blocks=1, likelihood=likelihood)
    assert model.network.num_groups == 1


@pytest.mark.parametrize(
    ("x", "y", "error", "words"),
    [
        (binary_images(4, (8, 8, 1)), np.arange(4), ValueError, "4, 5, 1"),
        (np.zeros((4, 4, 5, 1), np.uint8), np.arange(4), TypeError, "127.5"),
        (binary_images(4), None, ValueError, "y=None"),
        (binary_images(4), np.eye(4), ValueError, "y of type"),
    ],
)
def test_fit_refuses_data_that_do_not_fit(make_tiny, x, y, error, words):
    model = make_tiny(num_classes=4)
    model.compile("adam")
    with pytest.raises(error, match=words):
        model.fit(x, y, batch_size=4, verbose=0)


GREY = "pixels of -1 or [+]1, were expected"


@pytest.mark.parametrize(
    "kind", [np.float32, np.float64, np.float16, tf.bfloat16.as_numpy_dtype, "tensor"]
)
def test_grey_images_are_refused_before_a_binary_model_is_trained(make_tiny, kind):
    model, x = make_tiny(), binary_images(4)
    model.compile("adam")
    before = model.network.get_weights()
    grey = x.copy()
    grey[2, 1, 1] = 0.5
    if kind == "tensor":
        x, grey = tf.constant(x), tf.constant(grey)
    else:
        x, grey = x.astype(kind), grey.astype(kind)
    for call, words in [
        (lambda: model.fit(grey, verbose=0), r"x with .* in 1 of 4.* first x\[2\]"),
        (lambda: model.evaluate(grey, verbose=0), r"x with .* first x\[2\]"),
        (
            lambda: model.fit(x, validation_data=(grey, None), verbose=0),
            r"validation_data\[0\] with .* first validation_data\[0\]\[2\]",
        ),
    ]:
        with pytest.raises(ValueError, match=f"{GREY}.*{words}.*binarize="):
            call()
    for old, new in zip(before, model.network.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    model.check_data(x, "x")
    model.check_data((x, None), "validation_data")


def test_other_likelihoods_take_grey_images(make_tiny):
    model = make_tiny(likelihood=Categorical(4))
    model.check_data(np.full((2, 4, 5, 1), 0.5, np.float32), "x")
    model.check_data(tg.data.load("digits"), "x")


def test_black_and_white_images_that_are_augmented_to_grey_are_refused():
    images = numpy_generator(0).integers(0, 2, (20, 8, 8, 1)).astype(np.uint8)
    model = PixelCNN((8, 8, 1), num_filters=2, num_blocks=1)
    plain, cropped = (
        tg.data.load(tg.data.ArraySource(255 * images), augment=augment)
        for augment in ((), ("crop",))
    )
    model.check_data(plain, "x")
    with pytest.raises(ValueError, match=GREY):
        model.check_data(cropped, "x")


def test_a_loaded_set_of_grey_images_is_refused_unless_it_is_made_binary():
    model = PixelCNN((8, 8, 1), num_filters=2, num_blocks=1)
    model.compile("adam")
    grey, binary = (
        tg.data.load("digits", split=("train", "test"), binarize=binarize)
        for binarize in (None, "dynamic")
    )
    words = f"{GREY}.*: {{}} of 'digits' .*binarize=None.*binarize='dynamic'"
    with pytest.raises(ValueError, match=words.format("x")):
        model.fit(grey[0], verbose=0)
    with pytest.raises(ValueError, match=words.format("validation_data")):
        model.fit(binary[0], validation_data=grey[1], verbose=0)
    with pytest.raises(ValueError, match=words.format("x")):
        model.evaluate(grey[1], verbose=0)
    for kind in ("dynamic", "static", "threshold"):
        model.check_data(tg.data.load("digits", binarize=kind), "x")


def test_a_loaded_set_that_is_black_and_white_needs_no_binarize():
    model = PixelCNN((4, 5, 1), num_filters=2, num_blocks=1)
    pixels = (binary_images(300) > 0).astype(np.uint8) * 255
    model.check_data(tg.data.load(tg.data.ArraySource(pixels)), "x")
    pixels[7, 0, 0] = 128  # one in six thousand is enough
    with pytest.raises(ValueError, match=GREY):
        model.check_data(tg.data.load(tg.data.ArraySource(pixels)), "x")


def test_data_that_cannot_be_looked_at_are_taken(make_tiny):
    grey = np.full((2, 4, 5, 1), 0.5, np.float32)
    loaded = tg.data.load("digits").map(lambda x, y: tf.where(x > 0, 1.0, -1.0))
    for data in (tf.data.Dataset.from_tensors(grey), loaded, None, ()):
        make_tiny().check_data(data, "x")
