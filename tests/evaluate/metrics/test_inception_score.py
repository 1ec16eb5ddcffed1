import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfgenai.core.random import numpy_generator
from tfgenai.evaluate.features.image_set import ImageSet
from tfgenai.evaluate.metrics.inception_score import InceptionScore, inception_score
from tfgenai.evaluate.metrics.metric import RealImages


class Given:
    """A classifier that answers what its "images" hold."""

    sha256 = "1" * 64
    num_features = 1
    num_classes = 4

    def features(self, images):
        return images[:, :1]

    def predict(self, images):
        return self.features(images), images


def _set(probabilities: np.ndarray) -> ImageSet:
    return ImageSet(probabilities, extractor=Given())


def _random(seed: int, n: int, sharpness: float = 3.0) -> np.ndarray:
    logits = sharpness * numpy_generator(seed).normal(size=(n, 4))
    powers = np.exp(logits)
    return powers / powers.sum(axis=1, keepdims=True)


def test_extremes_equal_the_closed_form() -> None:
    assert inception_score(np.eye(5)) == pytest.approx(5)
    assert inception_score(np.full((9, 5), 0.2)) == 1.0
    assert inception_score(np.eye(5)[[2, 2, 2]]) == 1.0
    # Two classes, one of them three times as frequent: exp of their entropy.
    entropy = -(0.75 * np.log(0.75) + 0.25 * np.log(0.25))
    assert inception_score(np.eye(5)[[0, 0, 0, 4]]) == pytest.approx(np.exp(entropy))


def test_score_equals_scipys_divergence() -> None:
    from scipy.stats import entropy

    probabilities = _random(0, 50)
    divergences = entropy(probabilities, probabilities.mean(axis=0), axis=1)
    assert inception_score(probabilities) == pytest.approx(np.exp(divergences.mean()))


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 1000), n=st.integers(1, 60), sharpness=st.floats(0.0, 200.0))
def test_score_lies_between_one_and_the_number_of_classes(seed, n, sharpness) -> None:
    probabilities = _random(seed, n, min(sharpness, 150.0))
    score = inception_score(probabilities)
    order = numpy_generator(seed, 1).permutation(n)
    assert 1.0 <= score <= 4.0
    assert inception_score(probabilities[order][:, ::-1]) == pytest.approx(score)


def test_value_interval_and_floor() -> None:
    samples, test = _random(1, 300), np.eye(4)[np.arange(40) % 4]
    value = InceptionScore()(_set(samples), RealImages(_set(test)), seed=2)
    low, high = value.interval
    assert value.value == pytest.approx(inception_score(samples))
    assert value.floor == pytest.approx(4.0)
    assert 1.0 <= low < value.value < high <= 4.0
    assert value.details["num_splits"] == 1
    assert value.better == "higher"


def test_splits_are_stated_and_biased_downwards() -> None:
    samples = _random(1, 200)
    one = InceptionScore(num_bootstrap=0)(_set(samples), RealImages(_set(samples)))
    many = InceptionScore(num_splits=20)(_set(samples), RealImages(_set(samples)))
    assert many.value < one.value
    assert "20 split" in many.method
    assert one.interval is None


def test_bad_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="num_splits=0"):
        InceptionScore(num_splits=0)
    with pytest.raises(ValueError, match="num_samples=3"):
        InceptionScore(num_splits=4)(
            _set(_random(1, 3)), RealImages(_set(_random(1, 9)))
        )
