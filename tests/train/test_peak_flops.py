"""peak_flops: operations over the shortest time, against a clock that we turn."""

import itertools

from tfgenai.train import peak_flops as module
from tfgenai.train.peak_flops import peak_flops


class Clock:
    """Says how long each product took, in turn."""

    def __init__(self, seconds):
        times = itertools.accumulate(seconds, initial=0.0)
        self.readings = iter([t for pair in itertools.pairwise(times) for t in pair])

    def perf_counter(self):
        return next(self.readings)


def test_it_is_the_operations_over_the_shortest_time(monkeypatch):
    monkeypatch.setattr(module, "_FIRST_SIZE", 4)
    monkeypatch.setattr(module, "time", Clock([5.0, 2.0, 0.5, 4.0, 9.0]))
    assert peak_flops() == 2 * 4**3 / 0.5


def test_products_grow_until_they_take_long_enough(monkeypatch):
    monkeypatch.setattr(module, "_FIRST_SIZE", 4)
    quick, slow = [0.0078125] * 5, [0.0625] * 5  # powers of two have no rounding
    monkeypatch.setattr(module, "time", Clock([*quick, *quick, *slow]))
    assert peak_flops() == 2 * 16**3 / 0.0625
