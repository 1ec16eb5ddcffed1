import dataclasses
import json

import numpy as np
import pytest

from tfgenai.core.conditions import Condition
from tfgenai.core.errors import CheckpointError
from tfgenai.core.random import numpy_generator, row_seeds
from tfgenai.evaluate import KID, METRICS, Metric, evaluate_samples


class Digits:
    """A conditional "model" that answers a seed with a training digit of the label."""

    image_shape = (8, 8, 1)

    def __init__(self, arrays) -> None:
        self.rows = [np.flatnonzero(arrays.labels == label) for label in range(10)]
        self.images = arrays.images.astype(np.float32) / 127.5 - 1
        self.step = 5

    def conditions(self):
        return (
            Condition("labels", "int32", minimum=0, maximum=9),
            Condition("noise", "float32", default=0.0),
        )

    def generate(self, n, *, seed, labels, batch_size=None, noise=0.0):
        choice = [
            self.rows[label][int(s) % len(self.rows[label])]
            for s, label in zip(seed, labels, strict=True)
        ]
        drawn = numpy_generator(int(seed[0])).normal(size=(n, 8, 8, 1))
        return np.clip(self.images[choice] + noise * drawn, -1, 1).astype(np.float32)

    def get_config(self):
        return {"latent_dim": 5}


@pytest.fixture(scope="module")
def report(digits, extractor):
    return evaluate_samples(
        Digits(digits[0]), digits, num_samples=300, seed=1, features=extractor
    )


def test_everything_that_can_be_measured_is(report, extractor) -> None:
    assert set(report) == set(METRICS.names())
    assert {value.n for value in report.values()} == {300}
    assert {value.seed for value in report.values()} == {1}
    assert all(value.floor is not None for value in report.values())
    assert all(value.interval is not None for value in report.values())
    hashes = {value.extractor_hash for value in report.values()}
    assert hashes == {extractor.sha256, None}
    json.dumps(report.to_json())


def test_a_model_that_copies_is_near_the_floor_and_found_out(report) -> None:
    assert report["fid"].value < 2 * report["fid"].floor
    assert report["label_accuracy"].value > 0.97
    assert report["class_histogram"].value == 10
    assert report["nearest"].value == 1.0
    assert report["nearest"].details["num_identical"] == 300
    assert any("identical to a training image" in note for note in report.notes)


def test_labels_are_balanced_and_shown(report) -> None:
    assert report.labels.tolist() == [k % 10 for k in range(300)]
    assert report["label_accuracy"].details["per_class"][0] > 0.9
    assert report.model["latent_dim"] == 5
    assert report.settings["model"] == "Digits"


def test_worse_images_score_worse(report, digits, extractor) -> None:
    noisy = evaluate_samples(
        Digits(digits[0]),
        digits,
        num_samples=300,
        seed=1,
        features=extractor,
        metrics=["fid", "kid", "inception_score", "nearest"],
        noise=0.5,
    )
    assert list(noisy) == ["fid", "kid", "inception_score", "nearest"]
    assert noisy["fid"].interval[0] > report["fid"].value
    assert noisy["kid"].interval[0] > report["kid"].value
    assert noisy["nearest"].details["num_identical"] == 0
    assert noisy.settings["noise"] == 0.5


def test_given_images_equal_the_models(report, digits, extractor) -> None:
    model, labels = Digits(digits[0]), np.arange(300) % 10
    images = model.generate(300, seed=row_seeds(1, 300), labels=labels)
    again = evaluate_samples(
        images, digits, seed=1, features=extractor, labels=labels, metrics=list(report)
    )
    assert again.settings["model"] == "given images"
    for name in report:
        assert again[name] == report[name]


def test_without_training_images_there_is_no_floor(digits, extractor) -> None:
    report = evaluate_samples(
        digits[0].images[:200], digits[1], features=extractor, metrics=[KID()]
    )
    assert report["kid"].floor is None
    assert "no floor" in report.notes[0]
    default = evaluate_samples(digits[0].images[:200], digits[1], features=extractor)
    assert not {"nearest", "label_accuracy"} & set(default)


class Counting(Metric):
    """Notes how many images of each kind it was given."""

    name, title, unit = "counting", "Counting", "images"

    def __call__(self, samples, real, *, seed=0):
        counts = [len(part) for part in (samples, real.test, real.train, real.floor)]
        self.floor = real.floor
        return self.result(
            0, n=0, seed=seed, interval=None, floor=None, extractor_hash=None,
            method="", details={"counts": counts},
        )  # fmt: skip


def test_floor_is_made_of_as_many_training_images_as_samples(digits, extractor) -> None:
    metric = Counting()
    report = evaluate_samples(
        digits[0].images[:200], digits, features=extractor, metrics=[metric]
    )
    assert report["counting"].details["counts"] == [200, 360, 1437, 200]
    known = {image.tobytes() for image in digits[0].images}
    assert all(image.tobytes() in known for image in metric.floor.images)


def test_pixels_need_no_extractor(digits) -> None:
    report = evaluate_samples(digits[1].images[:9], digits, metrics=["nearest"])
    assert report.extractor == {}


def test_named_data_and_extractor(digits, extractor_folder, monkeypatch) -> None:
    import tfgenai.data

    asked = []

    def load_arrays(name, *, split, image_size):
        asked.append((name, split, image_size))
        return digits[split == "test"]

    monkeypatch.setattr(tfgenai.data, "load_arrays", load_arrays)
    home = extractor_folder.parent / "home"
    (home / "extractors").mkdir(parents=True)
    (home / "extractors" / "mine_classifier").symlink_to(extractor_folder)
    monkeypatch.setenv("TFGENAI_HOME", str(home))
    report = evaluate_samples(digits[0].images[:50], "mine", seed=4, metrics=["kid"])
    assert asked == [("mine", split, (8, 8)) for split in ("train", "test")]
    assert report.data["data"] == "mine"
    with pytest.raises(CheckpointError, match="fit-extractor other`"):
        evaluate_samples(digits[0].images[:50], "other", metrics=["kid"])


class Untouchable:
    """A model that must not be asked for images."""

    image_shape = (8, 8, 1)

    def generate(self, *args, **kwargs):
        raise AssertionError("generated before the arguments were checked")


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"num_samples": 0}, ValueError, "num_samples=0"),
        ({"num_samples": 100}, ValueError, "128 images.*num_samples=100"),
        ({"metrics": ["fib"]}, ValueError, "Did you mean 'fid'"),
        ({"metrics": "fid"}, ValueError, "metrics='fid'"),
        ({"metrics": []}, ValueError, "one metric or more"),
        ({"metrics": ["kid", KID()]}, ValueError, "once"),
        ({"metrics": ["label_accuracy"]}, ValueError, "needs labels"),
        ({"labels": "balanced"}, ValueError, "takes labels"),
        ({"features": None}, ValueError, "features=None"),
        ({"features": "nowhere"}, CheckpointError, "nowhere"),
    ],
)
def test_bad_arguments_are_refused_before_generation(
    digits, extractor, changes, error, message
) -> None:
    arguments = {"num_samples": 300, "features": extractor} | changes
    with pytest.raises(error, match=message):
        evaluate_samples(Untouchable(), digits, **arguments)


def test_data_that_does_not_fit_is_refused(digits, extractor) -> None:
    with pytest.raises(ValueError, match="needs the training images"):
        evaluate_samples(
            Untouchable(), digits[1], metrics=["nearest"], features=extractor
        )
    wide = dataclasses.replace(digits[1], images=np.zeros((9, 16, 16, 1), np.uint8))
    with pytest.raises(ValueError, match=r"\(8, 8, 1\) and \(16, 16, 1\)"):
        evaluate_samples(Untouchable(), wide, features=extractor)


def test_images_that_the_extractor_has_seen_are_no_test(digits, extractor) -> None:
    with pytest.raises(ValueError, match="has not seen the test images"):
        evaluate_samples(
            digits[1].images, digits[0], metrics=["kid"], features=extractor
        )


def test_images_that_are_none_are_refused(digits, extractor) -> None:
    images = digits[0].images[:200]
    arguments = {"features": extractor, "metrics": ["kid"]}
    with pytest.raises(ValueError, match=r"looks like \[0, 1\]"):
        evaluate_samples(images / 255, digits, **arguments)
    broken = images.astype(np.float32) / 127.5 - 1
    broken[7, 2, 2] = np.nan
    with pytest.raises(ValueError, match=r"images\[7\] with NaN"):
        evaluate_samples(broken, digits, **arguments)
    with pytest.raises(TypeError, match="noise"):
        evaluate_samples(images, digits, noise=1.0, **arguments)
    with pytest.raises(TypeError, match="image_shape"):
        evaluate_samples(type("Text", (), {"generate": None})(), digits, **arguments)
