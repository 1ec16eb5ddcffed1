"""From the bytes of a request to those of its answer, on whichever thread fits."""

import asyncio
import concurrent.futures
import functools
import logging
import time
from collections.abc import Callable
from typing import TypeVar

from tfgenai.core.errors import ServingError
from tfgenai.serving.batch_queue import Outputs
from tfgenai.serving.batcher import Batcher
from tfgenai.serving.calls import Call
from tfgenai.serving.config import Settings
from tfgenai.serving.metrics import Metrics
from tfgenai.serving.request_record import RequestRecord
from tfgenai.serving.tracing import Tracing

_LOGGER = logging.getLogger(__name__)

# What is read or written faster than a thread is woken; floats of a message are copied,
# all else is written value by value.
_SMALL_BYTES = 2**16
_SMALL_COPY = 2**20

Read = Callable[[bytes, RequestRecord], Call]
T = TypeVar("T")


class Dispatcher:
    """Has requests read, run and answered, and counts them.

    Args:
        settings: the server's settings.
        workers: threads for what would hold up the event loop.
        metrics: where requests are counted.
        batcher: puts requests together; None runs each alone, in a worker.
    """

    def __init__(
        self,
        settings: Settings,
        workers: concurrent.futures.Executor,
        metrics: Metrics,
        batcher: Batcher | None = None,
    ) -> None:
        self._settings = settings
        self._workers = workers
        self._metrics = metrics
        self._batcher = batcher
        self._tracing = Tracing()

    async def answer(
        self,
        read: Read,
        body: bytes,
        record: RequestRecord,
        deadline: float | None = None,
    ) -> bytes:
        """Answers a request that runs a signature.

        Args:
            read: from the bytes of the request to the call it asks for.
            body: the bytes.
            record: of the request.
            deadline: `time.monotonic()` after which nobody waits for it any more.

        Returns:
            The bytes of the answer.

        Raises:
            ServingError: whatever goes wrong; INTERNAL for a bug, which is logged.
        """
        self._metrics.begin()
        with self._tracing.request(record):
            return await self._counted(read, body, record, deadline)

    async def _counted(
        self, read: Read, body: bytes, record: RequestRecord, deadline: float | None
    ) -> bytes:
        try:
            if self._batcher is None:
                return await self._alone(read, body, record, deadline)
            return await self._together(self._batcher, read, body, record, deadline)
        except asyncio.CancelledError:
            record.code = "CANCELLED"
            raise
        except ServingError as error:
            record.code, record.message = error.code, str(error)
            raise
        except Exception as error:
            record.code = "INTERNAL"
            raise _bug() from error
        finally:
            self._metrics.end()
            record.finish(self._metrics, is_logged=self._settings.log_requests)

    async def work(self, function: Callable[[], T]) -> T:
        """Runs a function that takes moments in a worker.

        Raises:
            ServingError: as the function; INTERNAL for a bug, which is logged.
        """
        try:
            return await self._in_worker(function)
        except ServingError:
            raise
        except Exception as error:
            raise _bug() from error

    async def _alone(
        self, read: Read, body: bytes, record: RequestRecord, deadline: float | None
    ) -> bytes:
        def work() -> bytes:
            _check_deadline(deadline)
            with read(body, record) as call:
                outputs = call.run()
                self._note(call, outputs, record)
                return call.answer(outputs)

        # If the caller goes away the await is cancelled, and with it the work, as long
        # as it has not begun.
        return await self._in_worker(work)

    async def _together(
        self,
        batcher: Batcher,
        read: Read,
        body: bytes,
        record: RequestRecord,
        deadline: float | None,
    ) -> bytes:
        _check_deadline(deadline)
        if len(body) <= _SMALL_BYTES:
            opened = read(body, record)
        else:
            opened = await self._read_in_worker(functools.partial(read, body, record))
        with opened as call:
            outputs = await batcher.run(call, deadline)
            self._note(call, outputs, record)
            if _is_written_soon(outputs, record.entrypoint):
                return call.answer(outputs)
            return await self._in_worker(functools.partial(call.answer, outputs))

    def _note(self, call: Call, outputs: Outputs, record: RequestRecord) -> None:
        record.run_seconds = call.run_seconds
        self._metrics.scored(record.model, call.watch(outputs))

    async def _read_in_worker(self, read: Callable[[], Call]) -> Call:
        future = self._workers.submit(read)
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            # It may be read all the same; then nobody would close it.
            future.add_done_callback(_close)
            raise

    async def _in_worker(self, function: Callable[[], T]) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._workers, function)


def _close(future: "concurrent.futures.Future[Call]") -> None:
    if not future.cancelled() and future.exception() is None:
        future.result().servable.release()


def _is_written_soon(outputs: Outputs, entrypoint: str) -> bool:
    copied = written = 0
    for array in outputs.values():
        if entrypoint == "GRPC" and array.dtype in ("float32", "float64"):
            copied += array.nbytes
        else:
            written += array.nbytes
    return copied <= _SMALL_COPY and written <= _SMALL_BYTES


def _check_deadline(deadline: float | None) -> None:
    if deadline is not None and time.monotonic() >= deadline:
        raise ServingError("Deadline Exceeded", code="DEADLINE_EXCEEDED")


def _bug() -> ServingError:
    """The error that stands for the one being handled, which is logged."""
    _LOGGER.exception("a request failed")
    return ServingError("The server failed; its log says why.", code="INTERNAL")
