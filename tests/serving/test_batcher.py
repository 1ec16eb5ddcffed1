"""Requests that wait at the same time: put together, bounded, and kept apart."""

import asyncio
import threading
import types

import numpy as np
import pytest

from tfgenai.core.errors import ServingError
from tfgenai.serving.batcher import Batcher
from tfgenai.serving.batching_parameters import BatchingParameters
from tfgenai.serving.calls import Call
from tfgenai.serving.metrics import Metrics

WAIT = 60


class _Model:
    """Doubles x; knows the batches that it was run with, and can be held up."""

    name, version, drift = "m", 1, None

    def __init__(self):
        self.batches, self.users = [], 0
        self.started = threading.Semaphore(0)
        self.go = threading.Event()
        self.go.set()

    def acquire(self):
        self.users += 1
        return True

    hold = acquire

    def release(self):
        self.users -= 1

    def run(self, signature, inputs, outputs, *, in_one_thread=False):
        self.started.release()
        assert self.go.wait(WAIT)
        x = inputs["x"]
        self.batches.append(x.tolist())
        if np.any(x == 13):
            raise ServingError("thirteen", code="INVALID_ARGUMENT")
        return {"y": 2 * x}


@pytest.fixture
def model():
    return _Model()


def _call(model, *values, signature="s", **more):
    inputs = {"x": np.array(values)} | {k: np.array(v) for k, v in more.items()}
    return Call(model, types.SimpleNamespace(name=signature), inputs, ("y",), bytes)


def _run(work, *given, **parameters):
    """Runs a coroutine function with a batcher; returns its result and the metrics."""

    async def main():
        metrics = Metrics()
        metrics.versions = {"m": [1]}
        parameters.setdefault("num_batch_threads", 1)
        batcher = Batcher(BatchingParameters(**parameters), metrics)
        try:
            return await work(batcher, *given), metrics.render().decode()
        finally:
            batcher.stop()
            await asyncio.to_thread(batcher._threads.shutdown)

    return asyncio.run(main())


async def _behind_a_held_one(batcher, model, calls):
    """Starts a run that is held up, then the calls, then lets go."""
    model.go.clear()
    first = asyncio.ensure_future(batcher.run(_call(model, 0)))
    await asyncio.to_thread(model.started.acquire)
    tasks = [asyncio.ensure_future(batcher.run(call)) for call in calls]
    await asyncio.sleep(0)
    model.go.set()
    found = await asyncio.gather(*tasks, return_exceptions=True)
    await first
    return found


def test_one_alone_is_run_at_once(model):
    outputs, _ = _run(
        lambda batcher: batcher.run(_call(model, 3)), batch_timeout_micros=60_000_000
    )
    assert outputs["y"].tolist() == [6]


def test_what_waits_together_is_run_together_and_padded(model):
    calls = [_call(model, 1), _call(model, 2, 3), _call(model, 4)]
    found, page = _run(
        _behind_a_held_one, model, calls, max_batch_size=8, allowed_batch_sizes=(1, 8)
    )
    assert [outputs["y"].tolist() for outputs in found] == [[2], [4, 6], [8]]
    assert model.batches == [[0], [1, 2, 3, 4, 4, 4, 4, 4]]
    assert 'tfgenai_serving_batch_size_sum{model_name="m"} 5.0' in page
    assert 'tfgenai_serving_padding_rows_sum{model_name="m"} 4.0' in page
    assert 'tfgenai_serving_queue_seconds_count{model_name="m"} 4.0' in page
    assert model.users == 0


def test_a_batch_is_never_larger_than_allowed(model):
    calls = [_call(model, *range(1, 4)) for _ in range(3)]
    _run(_behind_a_held_one, model, calls, max_batch_size=7)
    assert [len(batch) for batch in model.batches] == [1, 6, 3]


def test_a_bad_request_fails_alone(model):
    calls = [_call(model, 1), _call(model, 13), _call(model, 2)]
    good, bad, other = _run(_behind_a_held_one, model, calls)[0]
    assert (good["y"].tolist(), other["y"].tolist()) == ([2], [4])
    assert str(bad) == "thirteen"


@pytest.mark.parametrize(
    "other",
    [
        {"signature": "t"},
        {"num_steps": [50]},
        {"x2": [[1, 2]]},
    ],
    ids=lambda other: next(iter(other)),
)
def test_what_does_not_belong_together_is_run_apart(model, other):
    calls = [_call(model, 1, num_steps=[10], x2=[[1]]), _call(model, 2)]
    more = {"num_steps": [10], "x2": [[1]], "signature": "s"} | other
    calls[1] = _call(model, 2, **more)
    _run(_behind_a_held_one, model, calls)
    assert sorted(model.batches) == [[0], [1], [2]]


def test_more_rows_than_a_batch_takes(model):
    with pytest.raises(ServingError, match="Task size 3 is larger than maximum input"):
        _run(lambda batcher: batcher.run(_call(model, 1, 2, 3)), max_batch_size=2)
    outputs, _ = _run(
        lambda batcher: batcher.run(_call(model, 1, 2, 3, 4, 5)),
        max_batch_size=10,
        enable_large_batch_splitting=True,
        max_execution_batch_size=2,
    )
    assert outputs["y"].tolist() == [2, 4, 6, 8, 10]
    assert model.batches == [[1, 2], [3, 4], [5]]


def test_a_part_that_fails_takes_the_others_with_it(model):
    with pytest.raises(ServingError, match="thirteen"):
        _run(
            lambda batcher: batcher.run(_call(model, 13, 1, 2)),
            max_batch_size=3,
            enable_large_batch_splitting=True,
            max_execution_batch_size=1,
        )
    assert model.users == 0


def test_a_full_queue_refuses(model):
    calls = [_call(model, 1), _call(model, 2), _call(model, 3)]
    found, page = _run(
        _behind_a_held_one, model, calls, max_batch_size=1, max_enqueued_batches=2
    )
    assert [type(each) for each in found] == [dict, dict, ServingError]
    assert found[2].code == "UNAVAILABLE"
    assert "to which this task was submitted is full" in str(found[2])
    assert 'dropped_total{model_name="m",reason="full"} 1.0' in page


def test_who_goes_away_costs_nothing_while_waiting(model):
    async def work(batcher):
        model.go.clear()
        first = asyncio.ensure_future(batcher.run(_call(model, 0)))
        await asyncio.to_thread(model.started.acquire)
        gone = asyncio.ensure_future(batcher.run(_call(model, 1)))
        late = asyncio.ensure_future(batcher.run(_call(model, 2), deadline=0.0))
        stays = asyncio.ensure_future(batcher.run(_call(model, 3)))
        await asyncio.sleep(0)
        assert batcher.depth("m") == 3
        gone.cancel()
        await asyncio.wait([gone])
        assert batcher.depth("m") == 2
        model.go.set()
        await first
        with pytest.raises(ServingError, match="exceeded while waiting") as caught:
            await late
        assert caught.value.code == "DEADLINE_EXCEEDED"
        return await stays

    outputs, page = _run(work)
    assert outputs["y"].tolist() == [6]
    assert model.batches == [[0], [3]]
    for reason in ("cancelled", "deadline"):
        assert f'dropped_total{{model_name="m",reason="{reason}"}} 1.0' in page


def test_a_window_gathers_company_only_while_others_are_run(model):
    async def work(batcher):
        model.go.clear()
        first = asyncio.ensure_future(batcher.run(_call(model, 0)))
        await asyncio.to_thread(model.started.acquire)
        tasks = [asyncio.ensure_future(batcher.run(_call(model, i))) for i in (1, 2)]
        for _ in range(5):
            await asyncio.sleep(0)
        assert batcher.depth("m") == 2  # a thread is free, but company may come
        tasks.append(asyncio.ensure_future(batcher.run(_call(model, 3))))
        await asyncio.to_thread(model.started.acquire)  # full: run before its time
        model.go.set()
        await asyncio.gather(first, *tasks)

    _run(work, max_batch_size=3, batch_timeout_micros=60_000_000, num_batch_threads=2)
    assert sorted(model.batches) == [[0], [1, 2, 3]]


def test_long_runs_leave_a_thread_to_short_ones(model):
    slow, fast = _Model(), model

    async def work(batcher):
        await batcher.run(_call(fast, 1))
        batcher._queue(_call(slow, 0)).run_seconds = 1.0
        slow.go.clear()
        long = [asyncio.ensure_future(batcher.run(_call(slow, i))) for i in (0, 1)]
        await asyncio.to_thread(slow.started.acquire)
        more = asyncio.ensure_future(batcher.run(_call(slow, 2)))
        await asyncio.sleep(0)
        outputs = await asyncio.wait_for(batcher.run(_call(fast, 5)), WAIT)
        slow.go.set()
        await asyncio.gather(*long, more)
        return outputs

    outputs, _ = _run(work, num_batch_threads=2)
    assert outputs["y"].tolist() == [10]


def test_kinds_of_requests_that_are_gone_are_forgotten(model):
    async def work(batcher):
        for number in range(400):
            await batcher.run(_call(model, 1, signature=str(number)))
        return len(batcher._queues)

    assert _run(work)[0] <= 256
