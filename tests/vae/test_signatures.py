"""The served endpoints: equal to the model's methods, and bad rows stay alone."""

import numpy as np
import pytest

from tfgenai.core import random
from tfgenai.vae import VAE, VQVAE
from tfgenai.vae.signatures import NUM_SCORE_SAMPLES

SHAPE = (4, 4, 1)


@pytest.fixture(scope="module")
def model():
    return VAE(SHAPE, 3, hidden_units=(8,), num_classes=3)


@pytest.fixture(scope="module")
def served(model, traced_signatures):
    return traced_signatures(model)


@pytest.fixture(scope="module")
def rows():
    return {
        "images": random.numpy_generator(0)
        .choice([-1.0, 1.0], (4, *SHAPE))
        .astype(np.float32),
        "labels": np.int32([0, 1, 2, 0]),
        "latents": random.numpy_generator(1).normal(size=(4, 3)).astype(np.float32),
        "seed": random.row_seeds(5, 4),
    }


def pick(rows, *names):
    return {name: rows[name] for name in names}


def test_every_endpoint_is_there(model):
    assert set(model.serving_signatures()) == {
        *("generate", "generate_advanced", "generate_png"),
        *("encode", "decode", "reconstruct", "score"),
    }
    unconditional = VAE(SHAPE, 3, hidden_units=()).serving_signatures()
    assert "labels" not in unconditional["score"].inputs


def test_answers_equal_the_methods(model, served, rows):
    x, y, z = rows["images"], rows["labels"], rows["latents"]
    for name, inputs, output, expected in (
        ("encode", ("images", "labels"), "latents", model.encode(x, y)),
        ("decode", ("latents", "labels"), "images", model.decode(z, y)),
        ("reconstruct", ("images", "labels"), "images", model.reconstruct(x, y)),
        (
            "score",
            ("images", "labels", "seed"),
            "log_prob",
            model.log_likelihood(x, y, num_samples=NUM_SCORE_SAMPLES, seed=5),
        ),
    ):
        answer = served[name](**pick(rows, *inputs))
        assert set(answer) == {output, "error"}
        assert (answer["error"] == b"").all()
        np.testing.assert_allclose(answer[output], expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "field", "value", "words"),
    [
        ("encode", "images", np.nan, b"images: a value in [-1, 1]"),
        ("encode", "labels", 3, b"labels: a value in [0, 2]"),
        ("decode", "latents", np.inf, b"latents: a value"),
        ("decode", "labels", -2, b"labels: "),
        ("reconstruct", "images", 1.5, b"images: a value in [-1, 1]"),
        ("score", "images", 0.5, b"pixels of -1 or +1"),
        ("score", "images", np.nan, b"images: a value in [-1, 1]"),
        ("score", "seed", -1, b"seed: "),
    ],
)
def test_a_bad_row_gets_its_own_error_and_zeros(
    served, rows, name, field, value, words
):
    inputs = {
        "encode": ("images", "labels"),
        "reconstruct": ("images", "labels"),
        "decode": ("latents", "labels"),
        "score": ("images", "labels", "seed"),
    }[name]
    good = served[name](**pick(rows, *inputs))
    broken = {key: array.copy() for key, array in pick(rows, *inputs).items()}
    broken[field][1] = value
    answer = served[name](**broken)
    assert words in answer["error"][1]
    assert (answer["error"][[0, 2, 3]] == b"").all()
    (output,) = set(answer) - {"error"}
    assert not answer[output][1].any()
    np.testing.assert_array_equal(answer[output][[0, 2, 3]], good[output][[0, 2, 3]])


def test_knobs_have_sentinels(model, served, rows):
    advanced = served["generate_advanced"](
        **pick(rows, "seed", "labels"),
        temperature=np.float32([np.nan, 0.5, 11.0, 1.0]),
        pixel_noise=np.int32([-1, 0, 0, 1]),
    )
    plain = served["generate"](**pick(rows, "seed", "labels"))
    np.testing.assert_allclose(advanced["images"][0], plain["images"][0], atol=1e-6)
    assert b"temperature" in advanced["error"][2]
    assert set(np.unique(advanced["images"][3])) == {-1.0, 1.0}


@pytest.fixture(scope="module")
def code_model():
    return VQVAE(SHAPE, num_embeddings=5, embedding_dim=2, filters=(4,))


@pytest.fixture(scope="module")
def served_codes(code_model, traced_signatures):
    return traced_signatures(code_model)


def test_codes_are_served_as_the_methods_give_them(code_model, served_codes, rows):
    assert set(served_codes) == {
        *("generate", "generate_advanced", "generate_png"),
        *("encode", "decode", "reconstruct"),
    }
    x = rows["images"]
    codes = code_model.encode(x)
    np.testing.assert_array_equal(served_codes["encode"](images=x)["codes"], codes)
    for name, inputs, expected in (
        ("decode", {"codes": codes}, code_model.decode(codes)),
        ("reconstruct", {"images": x}, code_model.reconstruct(x)),
        ("generate", pick(rows, "seed"), code_model.generate(4, seed=rows["seed"])),
    ):
        answer = served_codes[name](**inputs)
        assert (answer["error"] == b"").all()
        np.testing.assert_allclose(answer["images"], expected, atol=1e-6)


def test_a_code_outside_of_the_book_is_its_row_s_error(served_codes):
    codes = np.ones((3, 2, 2), np.int32)
    codes[1, 0, 0] = 5
    answer = served_codes["decode"](codes=codes)
    assert b"codes" in answer["error"][1]
    assert (answer["error"][[0, 2]] == b"").all()
    assert not answer["images"][1].any()
    assert answer["images"][0].any()
