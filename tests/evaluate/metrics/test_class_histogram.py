import numpy as np
import pytest

from tfgenai.evaluate.features.image_set import ImageSet
from tfgenai.evaluate.metrics.class_histogram import ClassHistogram, LabelAccuracy
from tfgenai.evaluate.metrics.metric import RealImages


class Seen:
    """A classifier that sees the class each "image" names."""

    sha256 = "2" * 64
    num_features = 1
    num_classes = 4

    def features(self, images):
        return images[:, None].astype(float)

    def predict(self, images):
        return self.features(images), np.eye(4)[images]


def _set(classes: list[int], labels: list[int] | None = None) -> ImageSet:
    return ImageSet(
        np.array(classes),
        None if labels is None else np.array(labels, np.int32),
        extractor=Seen(),
    )


REAL = RealImages(_set([0, 1, 2, 3] * 25, [0, 1, 2, 3] * 25))


def test_all_classes_and_collapse() -> None:
    whole = ClassHistogram()(_set([0, 1, 2, 3] * 10), REAL)
    collapsed = ClassHistogram()(_set([2] * 40), REAL)
    assert (whole.value, whole.details["total_variation"]) == (4, 0)
    assert (collapsed.value, collapsed.details["total_variation"]) == (1, 0.75)
    assert collapsed.details["histogram"] == [0, 0, 40, 0]
    assert collapsed.interval == (1, 1)


def test_single_errors_make_no_mode() -> None:
    # Class 3 has a share of 0.02, under a tenth of its 0.25 in the test images.
    value = ClassHistogram()(_set([0] * 49 + [1] * 25 + [2] * 25 + [3]), REAL)
    assert value.value == 3
    assert ClassHistogram(min_share=0.04)(value_set := _set([0] * 49 + [3]), REAL)
    assert ClassHistogram(min_share=0.04)(value_set, REAL).value == 2


def test_interval_shows_that_a_rare_class_may_be_missed() -> None:
    # A share of 0.03, near the threshold of 0.025, with n = 100.
    value = ClassHistogram()(_set([0] * 33 + [1] * 32 + [2] * 32 + [3] * 3), REAL)
    assert value.value == 4
    assert value.interval == (3, 4)


def test_label_accuracy_is_the_share_of_agreement() -> None:
    value = LabelAccuracy()(_set([0, 0, 1, 3], [0, 1, 1, 1]), REAL)
    assert value.value == 0.5
    assert value.floor == 1.0
    assert value.details["per_class"] == [1.0, pytest.approx(1 / 3), None, None]
    # Wilson 1927 for 2 of 4.
    assert value.interval == (
        pytest.approx(0.15004, abs=1e-5),
        pytest.approx(0.84996, abs=1e-5),
    )


def test_bad_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="min_share=0"):
        ClassHistogram(min_share=0)
    with pytest.raises(ValueError, match="labels=None"):
        LabelAccuracy()(_set([0, 1]), REAL)
    with pytest.raises(ValueError, match=r"labels in \[0, 4\]"):
        LabelAccuracy()(_set([0, 1], [0, 4]), REAL)
