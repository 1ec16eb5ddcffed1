"""Differences against values worked out by hand."""

import numpy as np
import pytest
import tensorflow as tf

from tfgenai.export.compare import largest_difference, rows_of, unusable


def texts(*items):
    array = np.empty(len(items), object)
    array[:] = items
    return array


def png(*levels):
    return tf.io.encode_png(np.array(levels, np.uint8).reshape(1, -1, 1)).numpy()


@pytest.mark.parametrize(
    ("one", "other", "difference"),
    [
        ([0.5, 0.25], [0.5, 0.0], 0.25),
        ([100.0], [101.0], 0.01),  # relative above one
        ([-2.0], [-1.0], 0.5),
        ([], [], 0.0),
    ],
)
def test_floats(one, other, difference):
    one, other = ({"x": np.array(x, np.float32)} for x in (one, other))
    assert largest_difference(one, other) == pytest.approx(difference)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"x": np.array([1, 2])}, {"x": np.array([1, 3])}),
        ({"x": np.array([1.0])}, {"x": np.array([[1.0]])}),
        ({"x": np.array([1.0])}, {"x": np.array([1])}),
        ({"x": np.array([1.0])}, {"y": np.array([1.0])}),
        ({"x": texts(b"a")}, {"x": texts(b"b")}),
        ({"x": texts(png(0, 10))}, {"x": texts(png(0, 12))}),
        ({"x": texts(png(0, 10))}, {"x": texts(png(0, 10, 0))}),
    ],
)
def test_what_cannot_be_equal_is_infinitely_far(one, other):
    assert largest_difference(one, other) == float("inf")
    assert largest_difference(one, one) == 0.0


def test_pixels_that_round_the_other_way_are_within_tolerance_but_not_equal():
    one, other = {"x": texts(png(0, 10))}, {"x": texts(png(0, 11))}
    assert 0.0 < largest_difference(one, other) < 1e-4


def test_rows_of_repeats_rows_in_order():
    rows = rows_of({"x": np.array([[1, 2], [3, 4]])}, [1, 0, 0])
    assert rows["x"].tolist() == [[3, 4], [1, 2], [1, 2]]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ("the loader said no", "the loader said no"),
        ({"x": None}, "no output 'x'"),
        ({"x": np.array([np.nan])}, "NaN"),
        ({"x": np.array([np.inf])}, "infinity"),
        ({"texts": texts(b"\xff")}, "UTF-8"),
        ({"error": texts(b"", b"too long")}, "'too long'"),
        ({"image_bytes": texts(b"\xff"), "error": texts(b"")}, ""),
    ],
)
def test_what_nobody_can_use_is_said(answer, words):
    assert words in unusable(answer)
    assert bool(unusable(answer)) == bool(words)
    if isinstance(answer, dict) and "error" in answer:
        assert unusable(answer, allow_errors=True) == ""
