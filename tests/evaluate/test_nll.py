from types import SimpleNamespace

import numpy as np
import pytest

import tfgenai.data
from tfgenai.core.conditions import Condition
from tfgenai.core.random import numpy_generator
from tfgenai.evaluate.nll import evaluate_nll

LABELS = Condition("labels", "int32", minimum=0, maximum=59)
IMAGES = numpy_generator(0).integers(0, 256, (60, 4, 4, 1)).astype(np.uint8)


class Pixels:
    """Independent Bernoulli pixels: the likelihood has a closed form."""

    image_shape = (4, 4, 1)

    def __init__(self, chance: float = 0.5, conditions=()) -> None:
        self.chance = chance
        self.asked, self.seen = [], []
        self.conditions = lambda: conditions

    def log_likelihood(self, images, labels=None, *, num_samples=1, seed=-1):
        self.asked.append((len(images), labels, num_samples, seed))
        self.seen.append(images)
        ones = (images + 1) / 2
        nats = ones * np.log(self.chance) + (1 - ones) * np.log(1 - self.chance)
        return nats.sum(axis=(1, 2, 3)).astype(np.float32)


def test_fair_coins_cost_log_two_a_pixel() -> None:
    model = Pixels()
    value = evaluate_nll(
        model, IMAGES, binarize="static", num_images=50, seed=4, num_samples=3
    )
    assert value.value == pytest.approx(16 * np.log(2), rel=1e-6)
    assert (value.n, value.unit, value.better) == (50, "nats per example", "lower")
    assert model.asked == [(50, None, 3, 4)]
    assert value.details["num_samples"] == 3
    assert set(np.unique(model.seen[0])) == {-1.0, 1.0}


def test_mean_and_interval_equal_the_closed_form() -> None:
    model = Pixels(chance=0.9)
    value = evaluate_nll(model, IMAGES, binarize="threshold", seed=2)
    ones = (IMAGES > 127).sum(axis=(1, 2, 3))
    nats = -(ones * np.log(0.9) + (16 - ones) * np.log(0.1))
    error = nats.std(ddof=1) / np.sqrt(60)
    assert value.value == pytest.approx(nats.mean(), rel=1e-5)
    assert value.interval == pytest.approx(
        (nats.mean() - 1.96 * error, nats.mean() + 1.96 * error), rel=1e-5
    )
    np.testing.assert_allclose(value.artifacts["per_image"], nats, rtol=1e-5)


def test_static_binarisation_is_a_seeded_draw_with_the_grey_level() -> None:
    images = np.full((200, 4, 4, 1), 64, np.uint8)

    def drawn(seed: int) -> np.ndarray:
        model = Pixels()
        evaluate_nll(model, images, binarize="static", seed=seed)
        return np.concatenate(model.seen)

    assert (drawn(1) == drawn(1)).all()
    assert (drawn(1) != drawn(2)).any()
    # 3,200 draws of chance 64/255, within four standard errors.
    assert (drawn(1) > 0).mean() == pytest.approx(64 / 255, abs=4 * 0.0077)


def test_static_binarisation_is_that_of_the_loader() -> None:
    model = Pixels()
    model.image_shape = (8, 8, 1)
    evaluate_nll(model, "digits", binarize="static", seed=5, num_images=50)
    loaded = tfgenai.data.load("digits", split="test", binarize="static", seed=5)
    expected, _ = next(loaded.as_numpy_iterator())
    np.testing.assert_array_equal(model.seen[0], expected[:50])


def test_grey_levels_are_kept_without_binarisation() -> None:
    model = Pixels()
    evaluate_nll(model, IMAGES)
    np.testing.assert_allclose(
        np.concatenate(model.seen), IMAGES / 127.5 - 1, atol=1e-6
    )


def test_conditional_models_are_given_the_labels() -> None:
    model = Pixels(conditions=(LABELS,))
    arrays = SimpleNamespace(images=IMAGES, labels=np.arange(60))
    value = evaluate_nll(model, arrays, num_images=3)
    assert model.asked[0][1].tolist() == [0, 1, 2]
    assert value.details["conditional"]


def test_named_data_is_loaded_at_the_models_size(monkeypatch) -> None:
    asked = []

    def load_arrays(name, **arguments):
        asked.append((name, arguments))
        return type("Arrays", (), {"images": IMAGES})

    monkeypatch.setattr(tfgenai.data, "load_arrays", load_arrays)
    evaluate_nll(Pixels(), "mine", seed=3)
    assert asked == [("mine", {"split": "test", "image_size": (4, 4)})]


class Broken(Pixels):
    def log_likelihood(self, images, labels, *, seed):
        return np.full(len(images), np.nan)


@pytest.mark.parametrize(
    ("model", "arguments", "error", "message"),
    [
        (object(), {}, TypeError, "model=object"),
        (Pixels(), {"binarize": "dynamic"}, ValueError, "binarize='dynamic'"),
        (Pixels(), {"num_images": 61}, ValueError, "num_images=61"),
        (Pixels(), {"num_images": 1}, ValueError, "num_images=1"),
        (Pixels(conditions=(LABELS,)), {}, ValueError, "labels=None"),
        (Broken(), {}, ValueError, "60 of them not finite"),
    ],
)
def test_bad_input_is_refused(model, arguments, error, message) -> None:
    with pytest.raises(error, match=message):
        evaluate_nll(model, IMAGES, **arguments)
