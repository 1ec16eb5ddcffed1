"""Conditions: what reaches the network, and what a batch must hold."""

import numpy as np
import pytest
import tensorflow as tf

from tfgenai.diffusion.conditioning import (
    ConditionEmbedding,
    data_conditions,
    rows_of_batch,
)

KEPT = tf.constant([True, True, False])
LABELS = tf.constant([0, 2, 2])


@pytest.fixture
def everything():
    return ConditionEmbedding(
        num_classes=3, vector_dim=2, context_shape=(4, 5), condition_dim=6, seed=1
    )


def test_a_label_is_a_row_of_the_table_and_the_last_is_none():
    embedding = ConditionEmbedding(num_classes=3, condition_dim=6)
    condition, context = embedding({"labels": LABELS}, KEPT)
    table = embedding.label_embedding.numpy()
    assert table.shape == (4, 6)
    np.testing.assert_array_equal(condition, table[[0, 2, 3]])
    assert context is None


def test_a_vector_is_projected_or_replaced():
    embedding = ConditionEmbedding(vector_dim=2, condition_dim=6)
    vector = np.array([[1.0, 0.0], [0.5, -2.0], [3.0, 3.0]], np.float32)
    condition, _ = embedding({"vector": tf.constant(vector)}, KEPT)
    projected = vector @ embedding.vector_projection.numpy()
    np.testing.assert_allclose(condition[:2], projected[:2], rtol=1e-5)
    np.testing.assert_array_equal(condition[2], embedding.no_vector)


def test_labels_and_vectors_add_up_and_the_context_stands_alone(everything):
    rows = {
        "labels": LABELS,
        "vector": tf.ones((3, 2)),
        "context": tf.ones((3, 4, 5)),
    }
    condition, context = everything(rows, KEPT)
    table = everything.label_embedding.numpy()
    vector = everything.vector_projection.numpy().sum(0)
    np.testing.assert_allclose(condition[0], table[0] + vector, rtol=1e-5)
    np.testing.assert_allclose(
        condition[2], table[3] + everything.no_vector.numpy(), rtol=1e-5
    )
    np.testing.assert_array_equal(context[:2], np.ones((2, 4, 5)))
    np.testing.assert_array_equal(context[2], everything.no_context)


def test_what_is_dropped_cannot_be_seen(everything):
    def answer(k):
        rows = {
            "labels": tf.fill((1,), k),
            "vector": tf.fill((1, 2), float(k)),
            "context": tf.fill((1, 4, 5), float(k)),
        }
        return everything(rows, tf.constant([False]))

    for a, b in zip(answer(0), answer(2), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_config_makes_the_same_embedding(everything):
    copy = ConditionEmbedding.from_config(everything.get_config())
    for a, b in zip(copy.get_weights(), everything.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_conditions_say_what_they_take():
    labels, vector, context = data_conditions(10, 3, (4, 5))
    assert (labels.name, labels.minimum, labels.maximum) == ("labels", 0, 9)
    assert (vector.name, vector.shape) == ("vector", (3,))
    assert (context.name, context.shape) == ("context", (4, 5))
    assert not any(c.is_knob for c in (labels, vector, context))
    assert data_conditions(None, None, None) == ()


def test_a_batch_gives_one_condition_as_it_is_and_several_by_name():
    one, both = data_conditions(10, None, None), data_conditions(10, 2, None)
    y = np.array([1, 2], np.uint8)
    rows = rows_of_batch(y, one)
    assert rows["labels"].dtype == tf.int32
    np.testing.assert_array_equal(rows["labels"], [1, 2])
    rows = rows_of_batch({"labels": y, "vector": np.zeros((2, 2))}, both)
    assert set(rows) == {"labels", "vector"}
    assert rows["vector"].dtype == tf.float32
    assert rows_of_batch(y, ()) == {}


@pytest.mark.parametrize(
    ("y", "both", "error", "word"),
    [
        (None, False, ValueError, "y=None"),
        (np.ones(2), False, TypeError, "float64"),
        (np.eye(2, dtype=np.int32), False, ValueError, "labels"),
        (np.ones(2, np.int32), True, ValueError, "Name each"),
        ({"labels": np.ones(2, np.int32)}, True, ValueError, "Add 'vector'"),
        (
            {"labels": np.ones(2, np.int32), "vector": np.ones((2, 3))},
            True,
            ValueError,
            "vector",
        ),
    ],
)
def test_what_does_not_fit_is_refused(y, both, error, word):
    conditions = data_conditions(10, 2 if both else None, None)
    with pytest.raises(error, match=word):
        rows_of_batch(y, conditions)
