import numpy as np
import pytest

from tfgenai.evaluate.features.image_set import ImageSet


class Counting:
    sha256 = "3" * 64
    num_features = 2

    def __init__(self) -> None:
        self.calls = 0

    def features(self, images):
        self.calls += 1
        return np.zeros((len(images), 2), np.float32)


class CountingClassifier(Counting):
    num_classes = 3

    def predict(self, images):
        return self.features(images), np.full((len(images), 3), 1 / 3)


def test_an_extractor_runs_once() -> None:
    extractor = CountingClassifier()
    images = ImageSet(np.zeros((4, 2, 2, 1), np.uint8), extractor=extractor)
    assert images.features().dtype == np.float64
    assert images.probabilities().shape == (4, 3)
    assert images.features() is images.features()
    assert extractor.calls == 1


def test_taken_rows_keep_their_labels() -> None:
    images = np.arange(4, dtype=np.uint8).reshape(4, 1, 1, 1)
    taken = ImageSet(images, np.array([5, 6, 7, 8])).take(np.array([2, 0]))
    assert (len(taken), taken.labels.tolist()) == (2, [7, 5])
    assert taken.images.ravel().tolist() == [2, 0]
    assert taken.extractor_hash is None


def test_what_is_missing_is_named() -> None:
    images = np.zeros((4, 2, 2, 1), np.uint8)
    with pytest.raises(ValueError, match="A feature extractor was expected"):
        ImageSet(images).features()
    with pytest.raises(ValueError, match="A classifier as extractor was expected"):
        ImageSet(images, extractor=Counting()).probabilities()
