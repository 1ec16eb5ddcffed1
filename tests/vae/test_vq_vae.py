"""VQVAE: its objective by hand, its bound, its codes, files and bad input."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfgenai as tg
from tfgenai.core import random
from tfgenai.vae import VQVAE

SHAPE = (8, 8, 1)
SEED = tf.constant([1, 2])


def tiny(**options):
    sizes = {
        "num_embeddings": 6,
        "embedding_dim": 3,
        "filters": (4,),
        "num_residual_blocks": 1,
        "likelihood": "bernoulli",
    }
    return VQVAE(SHAPE, **{**sizes, **options})


def binary_images(n, seed=0):
    rng = random.numpy_generator(seed)
    return rng.choice([-1.0, 1.0], (n, *SHAPE)).astype(np.float32)


def losses_of(model, x, weight=None, *, training=False):
    weight = None if weight is None else tf.constant(weight)
    return model.compute_losses(
        tf.constant(x), None, weight, seed=SEED, training=training
    )


def by_hand(model, x):
    """Each example's terms of equation 3, in NumPy from the networks' outputs."""
    z = model.encoder(x).numpy()
    book = model.quantizer.embeddings.numpy()
    distances = np.square(z[..., None, :] - book).sum(-1)
    codes = distances.argmin(-1)
    logits = model.decoder(book[codes]).numpy().astype(np.float64)
    # log p of a Bernoulli by its logit: -log(1 + exp(-+ logit))
    nats = np.logaddexp(0.0, -np.sign(x) * logits).sum((1, 2, 3))
    return nats, distances.min(-1).sum((1, 2)), codes


def test_losses_are_those_of_equation_3():
    model, x = tiny(commitment_weight=0.5), binary_images(5)
    nats, distance, codes = by_hand(model, x)
    found = {name: float(value) for name, value in losses_of(model, x).items()}
    assert found["reconstruction_loss"] == pytest.approx(nats.mean(), rel=1e-5)
    assert found["codebook_loss"] == pytest.approx(distance.mean(), rel=1e-4)
    assert found["commitment_loss"] == pytest.approx(distance.mean(), rel=1e-4)
    assert found["loss"] == pytest.approx(nats.mean() + 1.5 * distance.mean(), rel=1e-4)
    assert found["elbo"] == pytest.approx(-nats.mean() - 16 * np.log(6), rel=1e-5)
    shares = np.bincount(codes.ravel(), minlength=6) / codes.size
    entropy = -sum(p * np.log(p) for p in shares if p)
    assert found["code_perplexity"] == pytest.approx(np.exp(entropy), rel=1e-5)


def test_weights_of_examples_weigh_their_terms():
    model, x = tiny(), binary_images(3)
    nats, distance, _ = by_hand(model, x)
    weight = np.float32([2.0, 0.0, 1.0])
    loss = losses_of(model, x, weight)["loss"]
    expected = (weight * (nats + 1.25 * distance)).mean()
    assert float(loss) == pytest.approx(expected, rel=1e-4)


def test_weights_weigh_the_bound_and_the_codes():
    model, x = tiny(), binary_images(4)
    x[2:] = x[:1]  # of the last two nothing is to be seen in the perplexity
    whole = losses_of(model, x[:2])
    padded = losses_of(model, x, [1.0, 1.0, 0.0, 0.0])
    ones = losses_of(model, x, [1.0] * 4)
    np.testing.assert_allclose(ones["elbo"], losses_of(model, x)["elbo"], rtol=1e-6)
    np.testing.assert_allclose(padded["elbo"], whole["elbo"] / 2, rtol=1e-5)
    for name in ("code_perplexity", "elbo"):
        assert float(losses_of(model, x, [0.0] * 4)[name]) == (name[0] == "c")
    found = padded["code_perplexity"]
    np.testing.assert_allclose(found, whole["code_perplexity"], rtol=1e-5)


def test_perplexity_of_replicas_is_that_of_their_whole_batch():
    x = binary_images(8)
    model = tiny()
    model.compile()
    one = model.evaluate(x, batch_size=8, verbose=0, return_dict=True)
    with tg.train.strategy("mirrored").scope():
        model = tiny()
        model.compile()
    two = model.evaluate(x, batch_size=8, verbose=0, return_dict=True)
    assert model.distribute_strategy.num_replicas_in_sync == 2
    for name, value in one.items():
        assert two[name] == pytest.approx(value, rel=1e-4), name


def test_numbers_of_numpy_are_numbers_of_the_export(tmp_path):
    model = tiny(num_embeddings=np.int64(6), filters=(np.int64(4),))
    path = model.export_serving(tmp_path / "m")
    codes = tg.export.read_card(path)["signatures"]["decode"]["inputs"][0]
    assert codes["maximum"] == 5


def test_the_book_moves_to_what_is_encoded_and_the_encoder_not_by_that():
    model, x = tiny(), binary_images(4)
    with tf.GradientTape() as tape:
        loss = losses_of(model, x, training=True)["codebook_loss"]
    variables = [
        model.quantizer.embeddings.value,
        model.encoder.trainable_variables[0].value,
    ]
    to_book, to_encoder = tape.gradient(loss, variables)
    assert to_encoder is None
    z = model.encoder(x).numpy().reshape(-1, 3)
    codes = model.encode_codes(tf.constant(x)).numpy().ravel()
    book = model.quantizer.embeddings.numpy()
    expected = np.zeros_like(book)
    for code, vector in zip(codes, z, strict=True):
        expected[code] += 2.0 * (book[code] - vector) / len(x)
    np.testing.assert_allclose(
        tf.convert_to_tensor(to_book), expected, rtol=1e-4, atol=1e-4
    )


def test_the_decoder_s_gradient_goes_to_the_encoder():
    model, x = tiny(), binary_images(4)
    with tf.GradientTape() as tape:
        loss = losses_of(model, x, training=True)["reconstruction_loss"]
    variables = [v.value for v in model.encoder.trainable_variables]
    gradients = tape.gradient(loss, [*variables, model.quantizer.embeddings.value])
    assert gradients.pop() is None
    assert all(float(tf.norm(gradient)) > 0 for gradient in gradients)


def test_encode_decode_and_reconstruct_agree():
    model, x = tiny(), binary_images(5)
    codes = model.encode(x, batch_size=2)
    assert codes.shape == (5, *model.code_shape) == (5, 4, 4)
    assert codes.dtype == np.int32
    np.testing.assert_array_equal(codes, by_hand(model, x)[2])
    images = model.decode(codes)
    assert images.shape == x.shape
    np.testing.assert_allclose(model.reconstruct(x), images, atol=1e-6)
    np.testing.assert_allclose(model(x), images, atol=1e-5)


def test_samples_are_images_of_uniform_codes():
    model = tiny()
    # A decoder that tells the code: every image shows which codes were drawn.
    seen = []
    model.decode_codes = lambda codes: seen.append(codes) or tf.zeros((1, *SHAPE))
    model.sample(tf.constant(random.row_seeds(0, 600)))
    counts = np.bincount(seen[0].numpy().ravel(), minlength=6)
    # chi-square with 5 degrees of freedom: 20.5 is its 99.9 % quantile.
    expected = counts.sum() / 6
    assert len(counts) == 6
    assert (np.square(counts - expected) / expected).sum() < 20.5


@pytest.mark.slow
def test_training_uses_many_codes_and_reconstructs_digits():
    data = tg.data.load_arrays("digits", split="train")
    x = (data.images[:512] / 127.5 - 1.0).astype(np.float32)
    model = VQVAE(
        SHAPE, num_embeddings=32, embedding_dim=8, filters=(16,), likelihood="gaussian"
    )
    before = np.square(model.reconstruct(x) - x).mean()
    model.compile(keras.optimizers.Adam(3e-3))
    model.fit(x, epochs=15, batch_size=32, verbose=0)
    logs = model.evaluate(x, verbose=0, return_dict=True)
    assert logs["code_perplexity"] > 8
    after = np.square(model.reconstruct(x) - x).mean()
    assert after < 0.25 * min(before, x.var())


def test_half_precision_keeps_vectors_and_losses_in_float32():
    model = tiny(dtype="mixed_bfloat16")
    assert model.quantizer.embeddings.dtype == "float32"
    losses = losses_of(model, binary_images(2), training=True)
    assert {value.dtype for value in losses.values()} == {tf.float32}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"filters": 8}, r"filters=8\."),
        ({"embedding_dim": True}, r"embedding_dim=True\."),
        ({"commitment_weight": "x"}, "commitment_weight='x'"),
        ({"num_embeddings": 0}, "num_embeddings"),
        ({"embedding_dim": 1.5}, "embedding_dim"),
        ({"filters": (4, 0)}, "filters"),
        ({"filters": (4,) * 4}, "divisible by 16"),
        ({"num_residual_blocks": -1}, "num_residual_blocks=-1"),
        ({"commitment_weight": -0.1}, "commitment_weight=-0.1"),
        ({"commitment_weight": float("nan")}, "commitment_weight=nan"),
        ({"likelihood": "bernouli"}, "bernoulli"),
    ],
)
def test_bad_arguments_are_refused(options, words):
    with pytest.raises(ValueError, match=words):
        tiny(**options)


@pytest.mark.parametrize(
    ("codes", "error", "words"),
    [
        (np.zeros((1, 4, 4)), TypeError, "integers"),
        (np.zeros((4, 4), int), ValueError, r"shape \(n, 4, 4\)"),
        (np.zeros((0, 4, 4), int), ValueError, "n > 0"),
        (np.full((1, 4, 4), 6), ValueError, "from 0 to 5.*the value 6"),
        (np.full((1, 4, 4), -1), ValueError, "the value -1"),
    ],
)
def test_bad_codes_are_refused(codes, error, words):
    with pytest.raises(error, match=words):
        tiny().decode(codes)


def test_bad_images_are_refused():
    with pytest.raises(TypeError, match="floats"):
        tiny().encode(np.zeros((1, *SHAPE), np.uint8))
    with pytest.raises(ValueError, match=r"value 2\.0"):
        tiny().reconstruct(np.full((1, *SHAPE), 2.0, np.float32))
