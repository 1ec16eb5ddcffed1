import hashlib

import numpy as np
import pytest
import tensorflow as tf

import tfgenai.data
from tfgenai.evaluate.real_images import load_real_data


def _dataset(images: np.ndarray, labels: np.ndarray | None) -> tf.data.Dataset:
    x = images.astype(np.float32) / 127.5 - 1
    elements = x if labels is None else (x, labels)
    return tf.data.Dataset.from_tensor_slices(elements).batch(50)


def test_arrays_and_datasets_give_the_same_images(digits) -> None:
    pairs = [digits, tuple(_dataset(part.images, part.labels) for part in digits)]
    for pair in pairs:
        real = load_real_data(pair)
        for part, name in zip(digits, ("train", "test"), strict=True):
            np.testing.assert_array_equal(getattr(real, f"{name}_images"), part.images)
            np.testing.assert_array_equal(getattr(real, f"{name}_labels"), part.labels)
    assert load_real_data(digits).class_names == list("0123456789")


def test_test_images_alone(digits) -> None:
    test = digits[1]
    for source in (test, test.images, _dataset(test.images, None)):
        real = load_real_data(source)
        np.testing.assert_array_equal(real.test_images, test.images)
        assert real.train_images is None
    assert real.test_labels is None


def test_description_pins_the_images(digits) -> None:
    description = load_real_data(digits).description
    expected = hashlib.sha256(digits[1].images.tobytes()).hexdigest()
    assert description["SHA-256 of the test images"] == expected
    assert description["test images"] == 360
    assert description["training images"] == 1437
    assert description["image shape"] == "8 x 8 x 1"


def test_card_is_summed_up(digits) -> None:
    real = load_real_data("digits")
    card = tfgenai.data.load_arrays("digits", split="test").card
    assert real.description["licence"] == card.licence
    assert real.description["data"] == "digits"
    assert real.test_sha256 == card.splits["test"].sha256
    assert (len(real.train_images), len(real.test_images)) == (1500, 297)


def test_splits_and_size_of_named_data_are_chosen() -> None:
    splits = ("train[:80%]", "train[80%:]")
    real = load_real_data("digits", splits=splits, image_size=(12, 10))
    assert real.train_images.shape == (1200, 12, 10, 1)
    assert real.test_images.shape == (300, 12, 10, 1)
    train, test = (tfgenai.data.load("digits", split=split) for split in splits)
    assert (
        load_real_data((train, test)).test_sha256 == test.card.splits[splits[1]].sha256
    )


def test_bad_input_is_refused(digits) -> None:
    with pytest.raises(TypeError, match="test=int"):
        load_real_data(3)
    with pytest.raises(ValueError, match=r"\(8, 8, 1\) and \(9, 9, 1\)"):
        load_real_data((digits[0], np.zeros((3, 9, 9, 1), np.uint8)))
    empty = _dataset(digits[1].images, None).take(0)
    with pytest.raises(ValueError, match="without a batch"):
        load_real_data(empty)
