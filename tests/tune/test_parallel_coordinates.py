"""The picture of a search: its axes, and where its lines pass."""

import io

import numpy as np
import pytest
from PIL import Image

from tfgenai.tune.parallel_coordinates import _axis, parallel_coordinates
from tfgenai.tune.recipe import RangeSection

LOG = RangeSection(kind="float", min=1e-4, max=1e-2, sampling="log")
LINEAR = RangeSection(kind="int", min=0, max=8)
CHOICE = RangeSection(kind="choice", values=([16], [32, 16], None))


@pytest.mark.parametrize(
    ("part", "values", "heights"),
    [
        (LOG, [1e-4, 1e-3, 1e-2], [0, 0.5, 1]),
        (LINEAR, [0, 2, 8], [0, 0.25, 1]),
        (CHOICE, [None, [16], [32, 16]], [1, 0, 0.5]),
    ],
)
def test_heights_are_the_places_in_the_range(part, values, heights):
    np.testing.assert_allclose(_axis(part, values)[0], heights, atol=1e-12)


def test_labels_name_the_ends_and_all_choices():
    assert _axis(LOG, [1e-3])[1] == [(0.0, "0.0001"), (1.0, "0.01")]
    assert [text for _, text in _axis(CHOICE, [None])[1]] == [
        "[16]",
        "[32, 16]",
        "null",
    ]


@pytest.mark.parametrize("scores", [[1.0, 2.0, None], [1.0], [3.0, 3.0]])
def test_a_picture_of_any_number_of_trials(scores):
    header = ["trial", "val_loss", "epochs", "a", "b", "error"]
    rows = [[n, score, 1, 1e-3, [16], ""] for n, score in enumerate(scores)]
    space = {"a": LOG, "b": CHOICE}
    picture = Image.open(io.BytesIO(parallel_coordinates(space, [header, *rows])))
    assert picture.format == "PNG"
    assert picture.width > picture.height


def test_better_values_are_seen():
    header = ["trial", "val_loss", "epochs", "a", "error"]
    low = [[0, 1.0, 1, 1e-4, ""], [1, 2.0, 1, 1e-2, ""]]
    high = [[0, 1.0, 1, 1e-2, ""], [1, 2.0, 1, 1e-4, ""]]
    assert parallel_coordinates({"a": LOG}, [header, *low]) != parallel_coordinates(
        {"a": LOG}, [header, *high]
    )
