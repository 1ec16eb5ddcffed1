"""Splits that do not go together, and what is no split at all."""

import pytest

from tfgenai.core.errors import DataError
from tfgenai.data import load_arrays
from tfgenai.data.reading import read
from tfgenai.data.sources import Records, Source


class TwoSizes(Source):
    name, origin = "two sizes", "this test"

    def split_names(self):
        return ["train", "test"]

    def read(self, split, *, image_size=None, memory_limit=None):
        import numpy as np

        size = 4 if split == "train" else 6
        return Records.in_memory(
            np.zeros((3, size, size, 1), np.uint8), None, list("abc")
        )


def test_splits_of_different_shapes_are_refused():
    options = {"image_size": None, "seed": 0, "data_dir": None, "memory_limit": None}
    assert read(TwoSizes(), "test", **options).card().image_shape == (6, 6, 1)
    with pytest.raises(DataError, match=r"\(4, 4, 1\).*\(6, 6, 1\)"):
        read(TwoSizes(), ["train", "test"], **options)


@pytest.mark.parametrize("split", [3, None, {"train"}])
def test_a_split_that_is_neither_a_string_nor_a_sequence_is_refused(split):
    with pytest.raises(TypeError, match=r"a tuple of them.*Received: split="):
        load_arrays("digits", split=split)
