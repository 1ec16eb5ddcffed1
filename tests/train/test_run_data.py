"""The data of a run: nothing is shared, and what is compared stays the same."""

import numpy as np
import pytest

from tfgenai.core.errors import ConfigError, DataError
from tfgenai.data import example_hashes, load_arrays
from tfgenai.train import Recipe
from tfgenai.train.run_data import load_run_data, validation_arrays


def recipe(data, **sections):
    return Recipe.from_dict(
        {
            "name": "tiny",
            "data": {"name": "digits", "batch_size": 100, **data},
            "model": {"family": "VAE", "latent_dim": 4},
            **sections,
        }
    )


SPLIT = {"split": "train[:80%]", "validation_split": "train[80%:]"}


def images(dataset):
    return np.concatenate([x.numpy() for x, _ in dataset])


def test_all_splits_are_read_and_on_the_card():
    data = load_run_data(recipe(SPLIT))
    splits = data.card.splits
    assert list(splits) == ["train[:80%]", "train[80%:]", "test"]
    assert data.train.num_examples + data.validation.num_examples == 1500
    assert data.num_classes == 10
    train, validation = validation_arrays(recipe(SPLIT))
    assert splits["train[:80%]"].num_examples == len(train)
    test = load_arrays("digits", split="test")
    seen = set(example_hashes(train)) | set(example_hashes(validation))
    assert not seen & set(example_hashes(test))
    assert not set(example_hashes(train)) & set(example_hashes(validation))


def test_validation_is_whole_in_one_order_and_not_augmented():
    data = load_run_data(recipe({**SPLIT, "augment": ["shift"], "binarize": "dynamic"}))
    first, second = images(data.validation), images(data.validation)
    np.testing.assert_array_equal(first, second)
    assert len(first) == data.validation.num_examples == 300
    assert set(np.unique(first)) == {-1.0, 1.0}
    (train_first, train_second) = images(data.train), images(data.train)
    assert (train_first != train_second).any()
    _, validation = validation_arrays(recipe(SPLIT))
    # Where a pixel is black or white, drawing it changes nothing.
    sure = (validation.images == 0) | (validation.images == 255)
    expected = np.where(validation.images > 127, 1.0, -1.0)
    np.testing.assert_array_equal(first[sure], expected[sure])


def test_nothing_is_read_that_is_not_asked_for():
    data = load_run_data(recipe({}, evaluate={"loss": False}))
    assert data.validation is None
    assert data.test is None
    assert list(data.card.splits) == ["train"]


@pytest.mark.parametrize("key", ["split", "validation_split"])
@pytest.mark.parametrize("value", ["test", "test[:50%]"])
def test_test_data_never_enter_training(key, value):
    with pytest.raises(ConfigError, match=rf"data\.{key}='{value[:4]}"):
        load_run_data(recipe({key: value}))


def test_splits_that_share_examples_are_refused():
    data = {"split": "train[:60%]", "validation_split": "train[50%:]"}
    with pytest.raises(ConfigError, match="which share 1"):
        load_run_data(recipe(data))
    load_run_data(recipe({"split": "train[:50%]", "validation_split": "train[60%:]"}))


def test_missing_data_stop_a_run_before_it_begins():
    with pytest.raises(DataError, match="digit"):
        load_run_data(recipe({"name": "digitz"}))
    with pytest.raises(ConfigError, match=r"validation_split=None"):
        validation_arrays(recipe({}))
