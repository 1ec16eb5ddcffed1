import numpy as np
import pytest

from tfgenai.core.conditions import Condition
from tfgenai.core.random import row_seeds
from tfgenai.evaluate.generation import generate_uint8, labels_to_ask


class Recorder:
    """A model whose grey level is its row's seed; it keeps what it was asked."""

    image_shape = (2, 2, 1)

    def __init__(self, *conditions: Condition) -> None:
        self.asked = []
        self._conditions = conditions

    def conditions(self):
        return self._conditions

    def generate(self, n, *, seed, batch_size=None, **conditions):
        self.asked.append((n, batch_size, conditions))
        levels = (np.asarray(seed) % 256).astype(np.float32) / 127.5 - 1
        return np.broadcast_to(levels[:, None, None, None], (n, 2, 2, 1))


LABELS = Condition("labels", "int32", minimum=0, maximum=2)


def test_portions_are_one_call_cut_up() -> None:
    model = Recorder()
    images = generate_uint8(
        model,
        2500,
        seed=9,
        labels=np.arange(2500) % 3,
        batch_size=300,
        conditions={"scale": 2.0, "step": np.arange(2500)},
    )
    np.testing.assert_array_equal(images[:, 0, 0, 0], row_seeds(9, 2500) % 256)
    assert [n for n, _, _ in model.asked] == [1200, 1200, 100]
    assert [size for _, size, _ in model.asked] == [300] * 3
    conditions = model.asked[1][2]
    assert conditions["scale"] == 2.0
    assert conditions["step"][0] == 1200
    assert conditions["labels"].tolist() == (np.arange(1200, 2400) % 3).tolist()


def test_labels_are_balanced_where_the_model_takes_them() -> None:
    model = Recorder(LABELS)
    assert labels_to_ask(model, None, 7).tolist() == [0, 1, 2, 0, 1, 2, 0]
    assert labels_to_ask(model, "balanced", 4).tolist() == [0, 1, 2, 0]
    assert labels_to_ask(model, [2, 2], 2).dtype == np.int32
    assert labels_to_ask(Recorder(), None, 7) is None
    assert labels_to_ask(None, None, 7) is None
    assert labels_to_ask(None, [0, 5], 2).tolist() == [0, 5]


def test_labels_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="Received: one without"):
        labels_to_ask(Recorder(), "balanced", 4)
    with pytest.raises(ValueError, match="without that condition"):
        labels_to_ask(Recorder(), [1], 1)
    with pytest.raises(ValueError, match=r"shape \(3,\)"):
        labels_to_ask(Recorder(LABELS), [1, 1, 1], 4)
    with pytest.raises(ValueError, match="float64"):
        labels_to_ask(Recorder(LABELS), [1.0], 1)
