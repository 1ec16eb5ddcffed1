"""`load_arrays` and `describe`: whole splits, slices and cards."""

import numpy as np
import pytest

from tfgenai.core.errors import DataError
from tfgenai.data import ArraySource, describe, load, load_arrays


def test_a_split_comes_whole_and_in_order():
    digits = load_arrays("digits")
    assert (digits.images.dtype, digits.labels.dtype) == (np.uint8, np.int32)
    assert len(digits) == len(digits.labels) == len(digits.ids) == 1500
    assert digits.name == "digits"
    x = np.concatenate([x for x, _ in load("digits", shuffle=False, batch_size=500)])
    np.testing.assert_allclose(x, digits.images / 127.5 - 1, atol=1e-6)


def test_a_slice_is_that_of_load_with_the_same_seed():
    part = load_arrays("digits", split="train[:10%]", seed=5)
    data = load("digits", split="train[:10%]", seed=5, shuffle=False, batch_size=150)
    ((x, y),) = data
    np.testing.assert_allclose(x, part.images / 127.5 - 1, atol=1e-6)
    np.testing.assert_array_equal(y, part.labels)
    assert part.card == data.card
    whole = load_arrays("digits")
    for i, name in enumerate(part.ids):
        np.testing.assert_array_equal(
            part.images[i], whole.images[whole.ids.index(name)]
        )


def test_the_arrays_are_the_callers_own():
    source = ArraySource(np.zeros((4, 2, 2, 1), np.uint8))
    data = load(source, shuffle=False)
    first = load_arrays(source).images
    first[:] = 9
    assert load_arrays(source).images.max() == 0
    assert next(iter(data)).numpy().max() == -1


def test_a_card_describes_every_split():
    card = describe("digits")
    counts = {name: split.num_examples for name, split in card.splits.items()}
    assert counts == {"train": 1500, "test": 297}
    assert card.image_shape == (8, 8, 1)
    assert card.licence == "CC BY 4.0"
    assert "scikit-learn" in card.source
    assert sum(card.splits["test"].label_histogram) == 297


def test_a_split_that_is_not_there_is_refused():
    with pytest.raises(DataError, match="split='dev'"):
        load_arrays("digits", split="dev")
