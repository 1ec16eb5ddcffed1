"""The gRPC side without a network: deadlines, long words and bugs."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest

from tfgenai.core.errors import ServingError
from tfgenai.serving.config import Settings
from tfgenai.serving.grpc_service import GrpcService


class _Abort(Exception):
    pass


class _Context:
    """The two things of a call's context that the service uses."""

    def __init__(self, remaining):
        self.remaining = remaining

    def time_remaining(self):
        return self.remaining

    async def abort(self, code, details):
        raise _Abort(code.name, details)


def _answer(function, remaining=None):
    async def run():
        with ThreadPoolExecutor(1) as workers:
            service = GrpcService(None, Settings(), workers)
            return await service._answer(function, b"body", _Context(remaining))

    return asyncio.run(run())


def test_a_request_whose_time_is_up_costs_nothing():
    ran = []
    with pytest.raises(_Abort, match="DEADLINE_EXCEEDED"):
        _answer(ran.append, remaining=-1.0)
    assert ran == []
    assert _answer(lambda body: body * 2, remaining=60.0) == b"bodybody"


def test_long_words_are_cut_to_fit_the_trailer():
    def refuse(body):
        raise ServingError("x" * 5000, code="ABORTED")

    with pytest.raises(_Abort) as caught:
        _answer(refuse)
    assert caught.value.args == ("ABORTED", "x" * 1024 + "...TRUNCATED")


def test_a_bug_is_an_internal_error_and_is_logged(caplog):
    with pytest.raises(_Abort, match="INTERNAL"):
        _answer(lambda body: 1 / 0)
    assert "ZeroDivisionError" in caplog.text
