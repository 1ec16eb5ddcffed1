"""The served endpoints: equal to the model's methods, and bad rows stay alone."""

import numpy as np
import pytest

from tfgenai.core import random

SHAPE = (4, 5, 1)


@pytest.fixture(scope="module")
def model(make_tiny):
    return make_tiny(SHAPE, num_classes=3, row_context_dim=4, num_blocks=1)


@pytest.fixture(scope="module")
def served(model, traced_signatures):
    return traced_signatures(model)


@pytest.fixture(scope="module")
def rows():
    mask = np.zeros((4, 4, 5), np.int32)
    mask[:, :2] = 1
    rng = random.numpy_generator(0)
    return {
        "images": rng.choice([-1.0, 1.0], (4, *SHAPE)).astype(np.float32),
        "labels": np.int32([0, 1, 2, 0]),
        "mask": mask,
        "seed": random.row_seeds(5, 4),
    }


INPUTS = {
    "score": ("images", "labels"),
    "complete": ("images", "mask", "labels", "seed"),
}


def pick(rows, *names):
    return {name: rows[name] for name in names}


def test_every_endpoint_is_there(model, make_tiny):
    assert set(model.serving_signatures()) == {
        *("generate", "generate_advanced", "generate_png"),
        *("score", "complete"),
    }
    assert "labels" not in make_tiny().serving_signatures()["score"].inputs


def test_answers_equal_the_methods(model, served, rows):
    answer = served["score"](**pick(rows, *INPUTS["score"]))
    expected = model.log_likelihood(rows["images"], rows["labels"])
    np.testing.assert_allclose(answer["log_prob"], expected, rtol=1e-5)
    assert (answer["error"] == b"").all()
    answer = served["complete"](**pick(rows, *INPUTS["complete"]))
    expected = model.complete(rows["images"], num_rows=2, labels=rows["labels"], seed=5)
    np.testing.assert_array_equal(answer["images"], expected)
    assert (answer["error"] == b"").all()


@pytest.mark.parametrize(
    ("name", "field", "place", "value", "words"),
    [
        ("score", "images", (1, 0, 0, 0), 0.5, b"pixels of -1 or +1"),
        ("score", "images", (1, 0, 0, 0), np.nan, b"images: a value in [-1, 1]"),
        ("score", "labels", (1,), 3, b"labels: a value in [0, 2]"),
        ("complete", "images", (1, 0, 0, 0), 0.5, b"pixels of -1 or +1"),
        ("complete", "mask", (1, 3, 3), 2, b"mask: a value in [0, 1]"),
        ("complete", "seed", (1,), -1, b"seed: "),
    ],
)
def test_a_bad_row_gets_its_own_error_and_zeros(
    served, rows, name, field, place, value, words
):
    good = served[name](**pick(rows, *INPUTS[name]))
    broken = {key: rows[key].copy() for key in INPUTS[name]}
    broken[field][place] = value
    answer = served[name](**broken)
    assert words in answer["error"][1]
    others = [0, 2, 3]
    assert (answer["error"][others] == b"").all()
    (output,) = set(answer) - {"error"}
    assert not answer[output][1].any()
    np.testing.assert_array_equal(answer[output][others], good[output][others])


def test_pixels_to_draw_may_be_grey(served, rows):
    grey = rows["images"].copy()
    grey[:, 3] = 0.5
    answer = served["complete"](**pick(rows | {"images": grey}, *INPUTS["complete"]))
    assert (answer["error"] == b"").all()


def test_the_temperature_has_a_sentinel(served, rows):
    inputs = pick(rows, "seed", "labels")
    advanced = served["generate_advanced"](
        **inputs, temperature=np.float32([np.nan, 0.0, 11.0, 1.0])
    )
    plain = served["generate"](**inputs)["images"]
    np.testing.assert_array_equal(advanced["images"][[0, 3]], plain[[0, 3]])
    assert b"temperature" in advanced["error"][2]
