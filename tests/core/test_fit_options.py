"""What `compile` refuses, because it cannot work later."""

import keras
import numpy as np
import pytest
from toy_models import ToyModel

from tfgenai.core.fit_options import refuse_unsupported


@pytest.mark.parametrize("is_scaled", [False, True])
def test_gradients_are_not_accumulated_over_replicas(is_scaled):
    optimizer = keras.optimizers.SGD(0.1, gradient_accumulation_steps=2)
    if is_scaled:
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    refuse_unsupported({"optimizer": optimizer}, 1, "auto", "auto")
    words = "optimizer with gradient_accumulation_steps=2 on 3 replicas"
    with pytest.raises(ValueError, match=words):
        refuse_unsupported({"optimizer": optimizer}, 3, "auto", "auto")


def test_several_replicas_take_plain_optimizers():
    refuse_unsupported({"optimizer": keras.optimizers.Adam()}, 3, "auto", "auto")


@pytest.mark.parametrize("method", ["fit", "evaluate"])
def test_weights_without_labels_are_not_dropped_silently(method):
    model = ToyModel()
    model.compile()
    x, weights = np.zeros((4, 2), np.float32), np.ones(4, np.float32)
    with pytest.raises(ValueError, match="sample_weight with y=None"):
        getattr(model, method)(x, sample_weight=weights, verbose=0)
