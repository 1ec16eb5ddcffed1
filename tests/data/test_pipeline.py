"""`load`: which split is treated how, and what is refused before data are read."""

import numpy as np
import pytest

from tfgenai.core.errors import DataError, DataNotFoundError
from tfgenai.data import ArraySource, load
from tfgenai.data.augment import Flip, Shift


def labels(batches) -> list[int]:
    return np.concatenate([y.numpy() for _, y in batches]).tolist()


def test_the_first_of_several_splits_is_for_training_and_the_others_stay_as_they_are():
    splits = ("train[:90%]", "train[90%:]", "test")
    train, valid, test = load("digits", split=splits, batch_size=64, augment="shift")
    assert [d.num_examples for d in (train, valid, test)] == [1350, 150, 297]
    assert [d.steps_per_epoch for d in (train, valid, test)] == [21, 3, 5]
    assert labels(train) != labels(train)
    for data in (valid, test):
        for (x, y), (x2, y2) in zip(data, data, strict=True):
            np.testing.assert_array_equal(x, x2)
            np.testing.assert_array_equal(y, y2)
    assert train.card == test.card
    assert list(train.card.splits) == list(splits)


def test_a_split_alone_is_for_training_unless_it_is_the_test_split():
    train, test = (load("digits", split=split) for split in ("train[50%:]", "test"))
    assert labels(train) != labels(train)
    assert labels(test) == labels(test)
    assert (train.steps_per_epoch, test.steps_per_epoch) == (5, 3)


def test_what_is_said_counts_more_than_the_split():
    train = load("digits", shuffle=False, drop_remainder=False)
    assert labels(train) == labels(train)
    assert train.steps_per_epoch == 12
    test = load("digits", split="test", shuffle=True, drop_remainder=True)
    assert labels(test) != labels(test)
    assert test.steps_per_epoch == 2


def test_a_small_training_split_is_not_dropped_altogether():
    source = ArraySource(np.zeros((5, 2, 2, 1), np.uint8))
    assert load(source, batch_size=128).steps_per_epoch == 1
    with pytest.raises(DataError, match="At least 128 examples"):
        load(source, batch_size=128, drop_remainder=True)


def test_slices_of_separate_calls_share_nothing():
    parts = [
        {x.numpy().tobytes() for xs, _ in load("digits", split=s, seed=7) for x in xs}
        for s in ("train[:90%]", "train[90%:]", "test")
    ]
    assert not parts[0] & parts[1]
    assert not (parts[0] | parts[1]) & parts[2]


def test_the_size_is_a_number_or_a_pair():
    for size in (16, (16, 16), [16, 16]):
        data = load("digits", image_size=size, batch_size=10)
        assert data.element_spec[0].shape == (10, 16, 16, 1)
    assert data.card.image_shape == (16, 16, 1)


@pytest.mark.parametrize(
    ("arguments", "kind", "words"),
    [
        ({"batch_size": 0}, ValueError, "batch_size=0"),
        ({"batch_size": -8}, ValueError, "batch_size=-8"),
        ({"batch_size": 8.0}, TypeError, r"batch_size=8\.0"),
        ({"batch_size": True}, TypeError, "batch_size=True"),
        ({"binarize": "dynamik"}, ValueError, "Did you mean 'dynamic'"),
        ({"augment": "flop"}, ValueError, "Did you mean 'flip'"),
        ({"augment": [3]}, TypeError, "augment="),
        ({"augment": "shift", "split": "test"}, DataError, "split='test'"),
        ({"split": "validation"}, DataError, r"\['train', 'test'\].*'validation'"),
        ({"split": "train[:9O%]"}, DataError, "cannot be read"),
        ({"split": "train[50%:50%]"}, DataError, "selects none"),
        ({"split": ()}, DataError, "One split or more"),
        ({"seed": -1}, ValueError, "seed=-1"),
        ({"seed": 1.5}, ValueError, "seed=1.5"),
        ({"image_size": 0}, ValueError, "image_size=0"),
        ({"image_size": (8, 8, 1)}, ValueError, r"image_size=\(8, 8, 1\)"),
        ({"image_size": 8.5}, ValueError, "image_size=8.5"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(arguments, kind, words):
    with pytest.raises(kind, match=words):
        load("digits", **arguments)


def test_mirrored_digits_are_refused_unless_one_insists():
    with pytest.raises(DataError, match=r"augment=Flip for 'digits'"):
        load("digits", augment=("shift", "flip"))
    load("digits", augment=(Shift(), Flip(allow_mirrored_labels=True)))
    load(ArraySource(np.zeros((5, 2, 2, 1), np.uint8)), augment="flip")


def test_an_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(DataNotFoundError, match="Did you mean 'digits'"):
        load("digit")
    with pytest.raises(DataNotFoundError, match="'fashion_mnist'"):
        load("fashion_mnits")


@pytest.mark.parametrize(("how", "count"), [("oversample", 60), ("undersample", 10)])
def test_classes_are_balanced_in_training_alone(how, count):
    images = np.zeros((70, 4, 4, 1), np.uint8)
    labels = np.repeat([0, 1], [60, 10])
    source = ArraySource(images, labels)
    train = load(source, batch_size=10, class_balance=how)
    seen = np.concatenate([y.numpy() for _, y in train])
    assert np.bincount(seen).tolist() == [count, count]
    assert train.card.splits["train"].label_histogram == [60, 10]
    with pytest.raises(DataError, match="which has no labels"):
        load(ArraySource(images), class_balance=how)
    with pytest.raises(DataError, match="Training data were expected"):
        load("digits", split="test", class_balance=how)
    with pytest.raises(DataError, match="No class_balance"):
        load("pydoc_topics", class_balance=how)
