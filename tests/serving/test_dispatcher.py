"""From bytes to bytes: deadlines, bugs, what is counted, and what nobody waits for."""

import asyncio
import json
import logging
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from tfgenai.core.errors import ServingError
from tfgenai.serving.batcher import Batcher
from tfgenai.serving.batching_parameters import BatchingParameters
from tfgenai.serving.calls import Call
from tfgenai.serving.config import Settings
from tfgenai.serving.dispatcher import Dispatcher
from tfgenai.serving.metrics import Metrics
from tfgenai.serving.request_record import RequestRecord


class _Servable:
    """Doubles what it is given, and knows who uses it."""

    name, version, drift = "m", 1, None

    def __init__(self, run=None):
        self.users = 0
        self._run = run

    def acquire(self):
        self.users += 1
        return True

    hold = acquire

    def release(self):
        self.users -= 1

    def run(self, signature, inputs, outputs, *, in_one_thread=False):
        if self._run is not None:
            self._run()
        return {"y": inputs["x"] * 2}


class _Signature:
    name = "serving_default"


def _reader(servable):
    def read(body, record):
        record.model = "m"
        servable.acquire()
        inputs = {"x": np.array([len(body)])}
        return Call(
            servable, _Signature(), inputs, ("y",), lambda out: bytes(out["y"].tolist())
        )

    return read


@pytest.fixture(params=["alone", "together"])
def ask(request):
    """Answers one request; the metrics and the record are its attributes."""

    def run(read, body=b"abc", deadline=None, settings=None, then=None):
        async def one():
            metrics = Metrics()
            metrics.versions = {"m": [1]}
            batcher = None
            if request.param == "together":
                batcher = Batcher(BatchingParameters(8), metrics)
            with ThreadPoolExecutor(1) as workers:
                dispatcher = Dispatcher(
                    settings or Settings(), workers, metrics, batcher
                )
                run.metrics, run.record = metrics, RequestRecord("predict", "GRPC")
                task = asyncio.ensure_future(
                    dispatcher.answer(read, body, run.record, deadline)
                )
                if then is not None:
                    await then(task)
                return await task

        return asyncio.run(one())

    return run


def _counts(metrics):
    lines = metrics.render().decode().splitlines()
    return [line for line in lines if line.startswith(":tensorflow:serving:request_c")]


def test_an_answer_is_counted_and_its_version_closed(ask):
    servable = _Servable()
    assert ask(_reader(servable)) == bytes([6])
    assert servable.users == 0
    assert _counts(ask.metrics) == [
        ':tensorflow:serving:request_count{model_name="m",status="OK"} 1.0'
    ]
    assert ask.record.run_seconds > 0


def test_a_request_whose_time_is_up_costs_nothing(ask):
    read = []
    with pytest.raises(ServingError, match="Deadline Exceeded") as caught:
        ask(lambda *given: read.append(given), deadline=0.0)
    assert (caught.value.code, read) == ("DEADLINE_EXCEEDED", [])


def test_a_bug_is_an_internal_error_and_is_logged(ask, caplog):
    servable = _Servable(lambda: 1 / 0)
    with pytest.raises(ServingError, match="its log says why") as caught:
        ask(_reader(servable))
    assert caught.value.code == ask.record.code == "INTERNAL"
    assert "ZeroDivisionError" in caplog.text
    assert servable.users == 0


def test_a_refusal_is_counted_under_its_code(ask):
    def refuse(body, record):
        record.model = "made up"
        raise ServingError("no", code="NOT_FOUND")

    with pytest.raises(ServingError, match="no"):
        ask(refuse)
    (line,) = _counts(ask.metrics)
    assert line.endswith('{model_name="(unknown)",status="NOT_FOUND"} 1.0')


def test_who_goes_away_leaves_nothing_open(ask):
    started, go = threading.Event(), threading.Event()

    def slow():
        started.set()
        go.wait(60)

    servable = _Servable(slow)

    async def leave(task):
        await asyncio.to_thread(started.wait, 60)
        task.cancel()
        await asyncio.wait([task])
        go.set()

    with pytest.raises(asyncio.CancelledError):
        ask(_reader(servable), then=leave)
    assert ask.record.code == "CANCELLED"


def test_a_large_body_that_is_read_for_nobody_is_closed(ask):
    started, go, servable = threading.Event(), threading.Event(), _Servable()

    def read(body, record):
        started.set()
        go.wait(60)
        return _reader(servable)(body[:1], record)

    async def leave(task):
        await asyncio.to_thread(started.wait, 60)
        task.cancel()
        await asyncio.wait([task])
        go.set()

    with pytest.raises(asyncio.CancelledError):
        ask(read, body=b"x" * 100_000, then=leave)
    assert servable.users == 0


def test_requests_are_logged_as_json_where_that_is_asked_for(ask, caplog):
    with caplog.at_level(logging.INFO, logger="tfgenai.requests"):
        ask(_reader(_Servable()))
        assert not caplog.records
        ask(_reader(_Servable()), settings=Settings(log_requests=True))
    (line,) = [json.loads(record.getMessage()) for record in caplog.records]
    assert (line["model"], line["status"], line["api"]) == ("m", "OK", "predict")
    assert line["milliseconds"] >= line["run_milliseconds"] > 0
    assert len(line["request_id"]) == 32
