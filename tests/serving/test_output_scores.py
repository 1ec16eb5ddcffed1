"""Scores of outputs: what they are, how they are kept, and when they have changed."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfgenai.core.errors import DataError
from tfgenai.core.random import numpy_generator
from tfgenai.serving.output_scores import (
    REFERENCE_FILE,
    DriftWatch,
    ScoreHistogram,
    read_reference,
    score_rows,
    write_reference,
)


def test_pictures_have_mean_and_deviation_and_texts_length_and_words():
    outputs = {
        "images": np.array([[[0.0, 1.0]], [[0.5, 0.5]]], np.float32),
        "text": np.array([b"to be or not to be", b""], object),
        "error": np.array([b"", b""], object),
        "image_bytes": np.array([b"a", b"b"], object),
        "num_steps": np.array([1, 2]),
    }
    found = {name: values.tolist() for name, values in score_rows(outputs).items()}
    assert found == {
        "images_mean": [0.5, 0.5],
        "images_deviation": [0.5, 0.0],
        "text_length": [18.0, 0.0],
        "text_different_words": [4 / 6, 0.0],
    }


def test_only_some_rows_of_a_large_answer_are_looked_at():
    outputs = {"images": np.zeros((1000, 4), np.float32)}
    assert len(score_rows(outputs)["images_mean"]) == 16
    assert len(score_rows(outputs, max_rows=50)["images_mean"]) == 50


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=200))
def test_a_reference_is_at_no_distance_from_itself(values):
    histogram = ScoreHistogram.of(np.array(values))
    assert sum(histogram.shares) == pytest.approx(1.0)
    assert histogram.distance(histogram.bins(np.array(values))) == pytest.approx(0.0)


def test_the_distance_is_the_share_that_would_have_to_be_otherwise():
    histogram = ScoreHistogram((0.0,), (0.5, 0.5))
    assert histogram.distance(histogram.bins(np.array([-1.0, 1.0]))) == 0.0
    assert histogram.distance(histogram.bins(np.array([-1.0] * 3 + [1.0]))) == 0.25
    assert histogram.distance(histogram.bins(np.array([1.0]))) == 0.5


def test_only_the_newest_rows_count_and_only_if_enough():
    reference = {"s": ScoreHistogram((0.0,), (1.0, 0.0))}
    watch = DriftWatch(reference, window=10, least=5)
    watch.add({"s": np.full(4, -1.0), "unknown": np.zeros(3)})
    assert watch.distances() == {}
    watch.add({"s": np.full(4, -1.0)})
    assert watch.distances() == {"s": 0.0}
    watch.add({"s": np.full(12, 1.0)})
    assert watch.distances() == {"s": 1.0}


def test_a_reference_is_kept_and_read(tmp_path):
    assert read_reference(tmp_path) == {}
    values = numpy_generator(0).normal(size=500)
    assert write_reference(tmp_path, {"s": values}) == tmp_path / REFERENCE_FILE
    assert read_reference(tmp_path) == {"s": ScoreHistogram.of(values)}


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "{}",
        '{"scores": 1}',
        json.dumps({"scores": {"s": {"edges": [1]}}}),
        json.dumps({"scores": {"s": {"edges": [1], "shares": [1]}}}),
    ],
)
def test_a_broken_reference_is_refused(tmp_path, text):
    file = tmp_path / REFERENCE_FILE
    file.parent.mkdir()
    file.write_text(text)
    with pytest.raises(DataError, match="tfgenai export reference"):
        read_reference(tmp_path)
