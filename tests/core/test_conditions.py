"""Conditions: the same rules in Python and, row by row, in a graph."""

import numpy as np
import pytest
import tensorflow as tf

from tfgenai.core.conditions import Condition, check_conditions, join_errors

LABELS = Condition("labels", "int32", minimum=0, maximum=9, description="class")
SCALE = Condition("scale", "float32", minimum=0.0, default=1.5)


def test_one_value_serves_all_rows_and_defaults_fill_in():
    arrays = check_conditions((LABELS, SCALE), {"labels": 3}, n=4)
    np.testing.assert_array_equal(arrays["labels"], [3, 3, 3, 3])
    np.testing.assert_array_equal(arrays["scale"], np.full(4, 1.5, np.float32))


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ({}, ValueError, "labels"),
        ({"labels": 10}, ValueError, r"\[0, 9\].*labels=10"),
        ({"labels": [1, 2]}, ValueError, r"labels of shape \(2,\)"),
        ({"labels": 1.5}, TypeError, "labels=1.5"),
        ({"labels": "3"}, TypeError, "labels='3'"),
        ({"labels": 1, "scale": np.nan}, ValueError, "scale=nan"),
        ({"labels": 1, "scal": 2.0}, TypeError, "Did you mean 'scale'"),
    ],
)
def test_bad_values_are_refused_by_name(given, error, words):
    with pytest.raises(error, match=words):
        check_conditions((LABELS, SCALE), given, n=3)


def test_in_a_graph_only_the_bad_row_gets_an_error_and_a_neutral_value():
    values, errors = LABELS.check_rows(tf.constant([3, 10, -5], tf.int32))
    np.testing.assert_array_equal(values, [3, 0, 0])
    texts = [e.decode() for e in errors.numpy()]
    assert texts[0] == ""
    assert "labels" in texts[1]
    assert "10" in texts[1]
    assert "-5" in texts[2]


def test_in_a_graph_a_sentinel_means_the_default():
    values, errors = SCALE.check_rows(tf.constant([np.nan, 2.0, -1.0, np.inf]))
    np.testing.assert_array_equal(values, [1.5, 2.0, 1.5, 1.5])
    assert [bool(e) for e in errors.numpy()] == [False, False, True, True]


def test_texts_are_one_a_row_and_pass_a_graph_as_they_are():
    texts = Condition("texts", "string", examples=("ab", "c"), counterexample="")
    assert not texts.is_knob
    array = texts.to_array(["ñ", "b"], 2)
    assert array.dtype == object
    assert array.tolist() == ["ñ", "b"]
    assert texts.to_array("a", 3).tolist() == ["a"] * 3
    with pytest.raises(TypeError, match="texts=5"):
        texts.to_array(5, 1)
    # a text that is refused is refused by the model, which knows why
    values, errors = texts.check_rows(tf.constant(["ab", ""]))
    assert values.numpy().tolist() == [b"ab", b""]
    assert errors.numpy().tolist() == [b"", b""]


def test_the_first_error_of_a_row_wins():
    joined = join_errors([tf.constant(["", "a", ""]), tf.constant(["b", "c", ""])])
    assert joined.numpy().tolist() == [b"b", b"a", b""]
