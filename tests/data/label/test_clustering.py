"""Clusters of what has no label."""

import collections

import numpy as np
import pytest
from sklearn.datasets import load_digits

from tfgenai.core.errors import DataError
from tfgenai.data.label import cluster, clustering, label_clusters


@pytest.mark.parametrize("method", ["kmeans", "agglomerative"])
def test_heaps_that_lie_apart_are_found(method):
    middles = np.array([[0, 0], [100, 0], [0, 100]])
    steps = np.array([[0, 0], [1, 0], [0, 1], [-1, -1], [3, 3]])
    points = (middles[:, None] + steps).reshape(-1, 2)
    found = cluster(points, 3, method=method, num_representatives=1)
    numbers = found.assignment.reshape(3, 5)
    assert (numbers == numbers[:, :1]).all()
    assert len(set(numbers[:, 0])) == 3
    for number, rows in enumerate(found.representatives):
        members = np.flatnonzero(found.assignment == number)
        away = np.linalg.norm(points[members] - points[members].mean(0), axis=1)
        assert rows == [members[away.argmin()]]


def test_one_word_for_each_cluster_labels_most_digits():
    data = load_digits()
    found = cluster(data.data, 30, seed=2**40)
    names = {
        number: collections.Counter(data.target[rows].tolist()).most_common(1)[0][0]
        for number, rows in enumerate(found.representatives)
    }
    labels = label_clusters(found, names)
    assert np.mean(np.array(labels) == data.target) > 0.85
    again = cluster(data.data, 30, seed=2**40)
    np.testing.assert_array_equal(again.assignment, found.assignment)


def test_arguments_are_checked(monkeypatch):
    for points, number in ((np.zeros((2, 2)), 3), (np.zeros(3), 1), (np.eye(3), 0)):
        with pytest.raises(DataError, match="more examples than clusters"):
            cluster(points, number)
    with pytest.raises(ValueError, match="method='other'"):
        cluster(np.eye(3), 2, method="other")
    monkeypatch.setattr(clustering, "_MOST_AGGLOMERATED", 2)
    with pytest.raises(DataError, match="Use 'kmeans'"):
        cluster(np.eye(3), 2, method="agglomerative")
