"""ImageGPT: exact likelihoods that sum to 1, samples from them, files, bad input."""

import inspect
import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfgenai as tg
from tfgenai.autoregressive import ImageGPT
from tfgenai.core import random

SIZES = {"num_layers": 2, "num_heads": 2, "hidden_dim": 8}


def tiny(image_shape=(2, 2, 1), **options):
    model = ImageGPT(image_shape, **{**SIZES, **options})
    rng = random.numpy_generator(11)
    for weight in model.decoder.trainable_variables:
        weight.assign(weight + 0.4 * rng.normal(size=weight.shape))
    return model


def every_image(image_shape, num_levels):
    levels = np.linspace(-1, 1, num_levels, dtype=np.float32)
    rows = list(itertools.product(levels, repeat=int(np.prod(image_shape))))
    return np.array(rows, np.float32).reshape(-1, *image_shape)


def draws(shape=(4, 3, 2), n=5, num_levels=4):
    levels = np.linspace(-1, 1, num_levels, dtype=np.float32)
    return random.numpy_generator(1).choice(levels, (n, *shape)).astype(np.float32)


# ---- likelihood --------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "options", "labels"),
    [
        ((2, 2, 1), {}, None),
        ((2, 2, 1), {"num_classes": 3}, 2),
        ((2, 2, 1), {"position_embedding": "rotary", "norm": "rms"}, None),
        ((2, 2, 1), {"num_levels": 5, "tie_weights": True}, None),
        ((1, 2, 3), {"num_levels": 3, "activation": "swiglu"}, None),
    ],
)
def test_probabilities_of_all_images_sum_to_one(shape, options, labels):
    model = tiny(shape, **options)
    x = every_image(shape, model.num_levels)
    nats = model.log_likelihood(x, labels, batch_size=256)
    assert np.exp(nats.astype(np.float64)).sum() == pytest.approx(1.0, abs=1e-4)
    assert nats.std() > 0.1


def test_each_value_depends_on_those_before_it_alone():
    model = tiny((2, 3, 2), num_levels=4)
    x = tf.constant(draws((2, 3, 2), n=1))
    logits = tf.reshape(model(x), (12, 4)).numpy()
    for place in range(12):
        flat = x.numpy().reshape(12).copy()
        flat[place] = 1.0 if flat[place] < 0 else -1.0
        changed = tf.reshape(model(flat.reshape(1, 2, 3, 2)), (12, 4)).numpy()
        moved = np.abs(changed - logits).max(axis=1) > 1e-6
        assert not moved[: place + 1].any()
        assert moved[place + 1 :].all()


def test_the_loss_is_nats_per_example_and_bits_per_dim_of_the_levels():
    model, x = tiny((4, 3, 2), num_levels=4), draws()
    nats = -model.log_likelihood(x).mean()
    model.compile()
    logs = model.evaluate(x, verbose=0, return_dict=True)
    assert logs["loss"] == pytest.approx(nats, rel=1e-5)
    assert logs["bits_per_dim"] == pytest.approx(nats / 24 / np.log(2), rel=1e-5)


def test_uniform_logits_cost_the_bits_of_a_level():
    model = ImageGPT((4, 3, 2), num_levels=4, **SIZES)
    model.decoder.output_kernel.assign(tf.zeros_like(model.decoder.output_kernel))
    nats = model.log_likelihood(draws())
    np.testing.assert_allclose(nats, -24 * np.log(4), rtol=1e-6)


def test_training_rounds_to_the_levels_and_likelihoods_refuse_other_values():
    model, x = tiny((4, 3, 2), num_levels=4), draws()
    noisy = np.clip(x + 0.1 * np.sign(x), -1, 1).astype(np.float32)
    noisy[0, 0, 0, 0] = x[0, 0, 0, 0] * 0.9
    np.testing.assert_allclose(model.round_to_levels(noisy), x, atol=1e-6)
    np.testing.assert_array_equal(model.log_prob(noisy), model.log_prob(x))
    with pytest.raises(ValueError, match=r"4 equally spaced grey levels.*x\[0\]"):
        model.log_likelihood(noisy)


# ---- samples -----------------------------------------------------------------


def test_log_probabilities_of_samples_are_their_likelihoods():
    model = tiny((4, 3, 2), num_levels=4, num_classes=3)
    labels = np.int32([0, 1, 2, 0, 1, 2])
    x, log_prob = model.sample_with_log_prob(
        tf.constant(random.row_seeds(3, 6)),
        temperature=tf.ones(6),
        labels=tf.constant(labels),
    )
    np.testing.assert_allclose(
        log_prob, model.log_likelihood(x.numpy(), labels), atol=1e-4
    )
    np.testing.assert_array_equal(model.generate(6, seed=3, labels=labels), x)


def test_samples_come_as_often_as_their_probability():
    # Pearson's statistic over the 16 binary images; 1e-4 quantile for 15 degrees.
    model, n = tiny(), 10_000
    x = every_image((2, 2, 1), 2)
    expected = n * np.exp(model.log_likelihood(x).astype(np.float64))
    drawn = model.generate(n, seed=5, batch_size=n).reshape(n, 4) > 0
    counts = np.bincount(drawn @ [8, 4, 2, 1], minlength=16)
    statistic = ((counts - expected) ** 2 / expected).sum()
    assert expected.min() > 5
    assert statistic < 44.3


def test_temperature_zero_takes_the_likeliest_level():
    model = tiny((4, 3, 2), num_levels=4)
    (x,) = model.generate(1, temperature=0.0)
    best = tf.argmax(tf.reshape(model(x[None]), (24, 4)), axis=1)
    np.testing.assert_array_equal(x.reshape(24), np.linspace(-1, 1, 4)[best].round(7))


def test_the_class_decides():
    model = tiny(num_classes=2)
    x = every_image((2, 2, 1), 2)
    assert np.abs(model.log_likelihood(x, 0) - model.log_likelihood(x, 1)).max() > 0.1


# ---- completion --------------------------------------------------------------


def test_known_rows_stay_and_a_sample_is_completed_to_itself():
    model = tiny((4, 3, 2), num_levels=4)
    x = draws()
    done = model.complete(x, num_rows=2, seed=1)
    np.testing.assert_allclose(done[:, :2], x[:, :2], atol=1e-6)
    assert (done[:, 2:] != x[:, 2:]).any()
    sample = model.generate(5, seed=2)
    np.testing.assert_array_equal(model.complete(sample, num_rows=2, seed=2), sample)


def test_known_pixels_stay_with_all_their_channels():
    model, x = tiny((4, 3, 2), num_levels=4), draws()
    mask = random.numpy_generator(3).random((5, 4, 3)) < 0.5
    done = model.complete(x, mask=mask, seed=1)
    np.testing.assert_allclose(done[mask], x[mask], atol=1e-6)


# ---- training, files, bad input ----------------------------------------------


def test_training_learns_what_is_always_there():
    x = np.tile(draws((3, 3, 1), n=2, num_levels=2), (32, 1, 1, 1))
    model = ImageGPT((3, 3, 1), **SIZES)
    model.compile(keras.optimizers.Adam(0.01))
    losses = model.fit(x, epochs=60, batch_size=16, verbose=0).history["loss"]
    # Two images, alike often: no less than log 2.
    assert losses[0] > 4
    assert np.log(2) - 1e-3 < losses[-1] < 1.0


def test_half_precision_is_near_single():
    single = tiny((4, 3, 2), num_levels=4)
    half = tiny((4, 3, 2), num_levels=4, dtype="mixed_bfloat16")
    x = draws()
    np.testing.assert_allclose(
        half.log_likelihood(x), single.log_likelihood(x), rtol=0.05
    )
    assert half.generate(2).dtype == np.float32


def test_saving_keeps_likelihood_and_samples(tmp_path):
    model = tiny((2, 3, 3), num_levels=7, num_classes=2)
    model.save(tmp_path / "model.keras")
    loaded = tg.load_model(tmp_path / "model.keras")
    assert loaded.likelihood.num_levels == 7
    np.testing.assert_array_equal(
        model.generate(2, labels=1), loaded.generate(2, labels=1)
    )


def test_config_is_the_constructors_arguments():
    names = set(inspect.signature(ImageGPT.__init__).parameters) - {"self"}
    assert set(ImageGPT((2, 2, 1), **SIZES).get_config()) == names


def test_endpoints_are_those_of_a_pixel_model():
    signatures = tiny((2, 2, 1), num_classes=2).serving_signatures()
    assert set(signatures) == {
        *("generate", "generate_advanced", "generate_png"),
        *("score", "complete"),
    }
    answer = signatures["score"].function(
        images=tf.constant([[[[1.0], [-1.0]]] * 2, [[[0.5], [-1.0]]] * 2]),
        labels=tf.constant([0, 0]),
    )
    assert answer["error"][0] == b""
    assert b"2 equally spaced grey levels" in answer["error"][1].numpy()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"image_shape": (4, 4)}, "image_shape"),
        ({"num_levels": 1}, "num_levels=1"),
        ({"num_levels": 257}, "num_levels=257"),
        ({"num_levels": 2.0}, r"num_levels=2\.0"),
        ({"num_classes": 0}, "num_classes=0"),
        ({"num_layers": 0}, "num_layers=0"),
        ({"num_heads": 3}, "num_heads=3"),
        ({"norm": "batch"}, "norm"),
    ],
)
def test_bad_arguments_are_named(options, words):
    with pytest.raises(ValueError, match=words):
        ImageGPT(**{"image_shape": (4, 4, 1), **SIZES, **options})


def test_batches_that_do_not_fit_are_refused():
    model = tiny((2, 2, 1), num_classes=2)
    model.compile()
    with pytest.raises(ValueError, match=r"Batches of \(x, labels\)"):
        model.fit(np.ones((2, 2, 2, 1), np.float32), verbose=0)
    with pytest.raises(ValueError, match=r"shape \(2, 2, 1\)"):
        model.fit(np.ones((2, 3, 2, 1), np.float32), np.zeros(2, int), verbose=0)
