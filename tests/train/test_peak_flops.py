"""peak_flops: operations over the shortest time, against a clock that we turn."""

from tfgenai.train import peak_flops as module
from tfgenai.train.peak_flops import peak_flops


def test_it_is_the_operations_over_the_shortest_time(monkeypatch):
    class Clock:
        def __init__(self):
            self.readings = iter([0.0, 5.0, 6.0, 8.0, 9.0, 9.5, 10.0, 14.0, 20.0, 29.0])

        def perf_counter(self):
            return next(self.readings)

    monkeypatch.setattr(module, "time", Clock())
    assert peak_flops(size=4) == 2 * 4**3 / 0.5
