"""Figures of samples in the logs: the evaluation's own, in the epochs asked for."""

import numpy as np
import pytest
from tiny_training import TinyData, compiled_model

from tfgenai.core.random import numpy_generator
from tfgenai.evaluate import evaluate_samples
from tfgenai.train import SampleMetrics


class Features:
    """Eight fixed projections of the pixels."""

    num_features = 8
    sha256 = "0" * 64

    def features(self, images):
        matrix = numpy_generator(1).normal(size=(16, 8))
        return np.asarray(images, np.float64).reshape(len(images), 16) / 255 @ matrix


def validation():
    return numpy_generator(2).integers(0, 256, (64, 4, 4, 1), dtype=np.uint8)


def test_logs_are_the_evaluation_of_the_epoch():
    model = compiled_model()
    callback = SampleMetrics(
        validation(), metrics=["fid"], features=Features(), num_samples=64, every=2
    )
    history = model.fit(TinyData(), epochs=3, verbose=0, callbacks=[callback])
    report = evaluate_samples(
        model, validation(), metrics=["fid"], features=Features(), num_samples=64
    )
    logged = history.history["val_fid"]
    assert len(logged) == 2  # the second epoch and the last one
    assert logged[-1] == pytest.approx(report["fid"].value, rel=1e-6)
    assert logged[0] != logged[1]


@pytest.mark.parametrize("arguments", [{"num_samples": 0}, {"every": 0}])
def test_numbers_that_are_not_positive_are_refused(arguments):
    name, value = next(iter(arguments.items()))
    with pytest.raises(ValueError, match=f"{name}={value}"):
        SampleMetrics(validation(), **arguments)
