"""Requests that wait at the same time, run as one.

Everything but the runs themselves happens on the event loop, so that nothing here
needs a lock. A request waits only while no thread is free, or for some milliseconds
while others of its kind are run: where it is alone it is run at once.
"""

import asyncio
import collections
import concurrent.futures
import dataclasses
import functools
import os
import time
from collections.abc import Hashable, Mapping, Sequence

import numpy as np

from tfgenai.core.errors import ServingError
from tfgenai.serving import codes
from tfgenai.serving.batching_parameters import BatchingParameters
from tfgenai.serving.calls import Call
from tfgenai.serving.merging import count_rows, merge, split
from tfgenai.serving.metrics import Metrics

Outputs = Mapping[str, np.ndarray]

# Runs that take less are done on the event loop: to wake a thread, and to take turns
# with it, takes about as long.
_QUICK_SECONDS = 0.002
_RUNS_TO_KNOW = 3
# Runs that take longer leave one thread to the others, so that a short request does not
# stand behind long ones.
_LONG_SECONDS = 0.05
# A run is waited for so long before another of its kind is begun beside it: two at a
# time take as long as one after the other, and what comes in meanwhile joins.
_BESIDE_SECONDS = 0.005
# Where several ask at a time, those that were just answered ask again soon, but gRPC
# hands over one request at a turn of the loop: as many as before are waited for, at
# most this long. One who asks alone never waits.
_LINGER_SECONDS = 0.002
# How long short ones are remembered by long ones.
_RECENT_SECONDS = 10.0
# What the last run says of the next one.
_NEWEST_SHARE = 0.3


@dataclasses.dataclass(eq=False)
class _Task:
    """A request, or a part of one, that waits."""

    call: Call
    inputs: Mapping[str, np.ndarray]
    rows: int
    deadline: float | None
    future: "asyncio.Future[Outputs]"
    arrived: float


class _Queue:
    """What waits for one signature of one version of one model."""

    def __init__(self, key: Hashable, model: str) -> None:
        self.key = key
        self.model = model
        self.tasks: collections.deque[_Task] = collections.deque()
        self.rows = 0
        self.num_running = 0
        self.run_seconds = 0.0
        self.num_in_run = 0
        self.num_runs = 0
        self.crowd = 1.0
        self.used = time.monotonic()

    def wait(self, now: float, timeout: float, full: int) -> float:
        """Seconds until it should be run, if nothing more comes in.

        Args:
            now: the time.
            timeout: seconds that the parameters give it to gather company.
            full: rows of a whole batch.
        """
        if self.rows >= full:
            return 0.0
        window = 0.0
        if self.num_running:
            window = max(timeout, _BESIDE_SECONDS)
        elif self.crowd > 1.5 and len(self.tasks) < self.crowd + 1:
            window = max(timeout, _LINGER_SECONDS)
        return window - (now - self.tasks[0].arrived)

    @property
    def is_quick(self) -> bool:
        return self.num_runs >= _RUNS_TO_KNOW and self.run_seconds < _QUICK_SECONDS

    @property
    def is_long(self) -> bool:
        return self.run_seconds > _LONG_SECONDS


class Batcher:
    """Runs calls, together where they can be.

    Args:
        parameters: how they are put together.
        metrics: where queues and batches are counted.
    """

    def __init__(self, parameters: BatchingParameters, metrics: Metrics) -> None:
        self._parameters = parameters
        self._metrics = metrics
        self._threads = concurrent.futures.ThreadPoolExecutor(
            parameters.threads, thread_name_prefix="tfgenai-batch"
        )
        self._queues: dict[Hashable, _Queue] = {}
        self._free = parameters.threads
        self._long_running = 0
        # A processor, not only a thread, is left to short runs.
        processors = min(parameters.threads, os.cpu_count() or 1)
        self._long_limit = max(1, processors - 1)
        self._is_woken = False
        self._timer: asyncio.TimerHandle | None = None

    async def run(self, call: Call, deadline: float | None = None) -> Outputs:
        """Waits for company or a free thread, and runs.

        Args:
            call: what to run.
            deadline: `time.monotonic()` after which nobody waits for it any more; None
                for never.

        Returns:
            The call's rows of the outputs.

        Raises:
            ServingError: UNAVAILABLE if too many wait, INVALID_ARGUMENT if its rows do
                not agree or are too many, DEADLINE_EXCEEDED, or what the graph says.
        """
        limit = self._parameters.max_batch_size
        rows = count_rows(call.inputs)
        if rows > limit:
            raise codes.invalid(
                f"Task size {rows} is larger than maximum input batch size {limit}"
            )
        size = self._parameters.rows_of_a_run
        if rows <= size:
            return await self._submit([(call.inputs, rows)], call, deadline)[0]
        starts = range(0, rows, size)
        parts = [
            {name: array[at : at + size] for name, array in call.inputs.items()}
            for at in starts
        ]
        sizes = [min(size, rows - at) for at in starts]
        futures = self._submit(list(zip(parts, sizes, strict=True)), call, deadline)
        try:
            found = await asyncio.gather(*futures)
        finally:
            for future in futures:  # no part may outlive the call
                future.cancel()
        return {
            name: np.concatenate([outputs[name] for outputs in found])
            for name in call.outputs
        }

    def stop(self) -> None:
        """Runs nothing more."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def depth(self, model: str) -> int:
        """How many requests of a model wait."""
        return sum(len(q.tasks) for q in self._queues.values() if q.model == model)

    def _submit(
        self,
        parts: Sequence[tuple[Mapping[str, np.ndarray], int]],
        call: Call,
        deadline: float | None,
    ) -> "list[asyncio.Future[Outputs]]":
        queue = self._queue(call)
        most = self._parameters.max_enqueued_batches * self._parameters.rows_of_a_run
        if queue.tasks and queue.rows + sum(rows for _, rows in parts) > most:
            self._metrics.dropped(queue.model, "full")
            raise ServingError(
                "The batch scheduling queue to which this task was submitted is full",
                code="UNAVAILABLE",
            )
        loop, now, futures = asyncio.get_running_loop(), time.monotonic(), []
        for inputs, rows in parts:
            future: asyncio.Future[Outputs] = loop.create_future()
            task = _Task(call, inputs, rows, deadline, future, now)
            future.add_done_callback(functools.partial(self._forget, queue, task))
            queue.tasks.append(task)
            queue.rows += rows
            futures.append(future)
        self._wake()
        return futures

    def _forget(self, queue: _Queue, task: _Task, _: object) -> None:
        """Takes out what its caller has given up, so that it counts for nothing."""
        if task.future.cancelled() and task in queue.tasks:
            queue.tasks.remove(task)
            queue.rows -= task.rows
            self._metrics.dropped(queue.model, "cancelled")

    def _queue(self, call: Call) -> _Queue:
        shapes: tuple[tuple[str, object], ...] = tuple(
            (
                name,
                array.ndim
                if self._parameters.pad_variable_length_inputs
                else array.shape[1:],
            )
            for name, array in call.inputs.items()
        )
        servable = call.servable
        key = (
            servable.name,
            servable.version,
            id(servable),
            call.signature.name,
            call.outputs,
            shapes,
            call.cost(),
        )
        queue = self._queues.get(key)
        if queue is None:
            self._drop_idle()
            queue = self._queues[key] = _Queue(key, servable.name)
        return queue

    def _drop_idle(self) -> None:
        """Shapes that clients choose must not fill the memory."""
        old = time.monotonic() - _RECENT_SECONDS
        for queue in list(self._queues.values()):
            if not queue.tasks and not queue.num_running and queue.used < old:
                del self._queues[queue.key]

    def _wake(self) -> None:
        """Looks for work at the end of this turn of the loop, once all of it is in."""
        if not self._is_woken:
            self._is_woken = True
            asyncio.get_running_loop().call_soon(self._dispatch)

    def _dispatch(self) -> None:
        self._is_woken = False
        now = time.monotonic()
        while self._free:
            queue, wait = self._next(now)
            if queue is None:
                if wait is not None:
                    self._wake_in(wait)
                return
            tasks = self._take(queue, now)
            if tasks:
                self._start(queue, tasks)

    def _wake_in(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(seconds, self._dispatch)

    def _next(self, now: float) -> tuple[_Queue | None, float | None]:
        """The queue that has waited longest, or how long until one may be run."""
        timeout = self._parameters.batch_timeout_micros / 1e6
        best, soonest = None, None
        for queue in self._queues.values():
            if not queue.tasks or not self._may_run(queue, now):
                continue
            left = queue.wait(now, timeout, self._parameters.rows_of_a_run)
            if left > 0:
                soonest = left if soonest is None else min(soonest, left)
            elif best is None or queue.tasks[0].arrived < best.tasks[0].arrived:
                best = queue
        return best, soonest

    def _may_run(self, queue: _Queue, now: float) -> bool:
        if not queue.is_long or self._long_running < self._long_limit:
            return True
        return not any(
            not other.is_long and now - other.used < _RECENT_SECONDS
            for other in self._queues.values()
        )

    def _take(self, queue: _Queue, now: float) -> list[_Task]:
        """As many as fit into one run, without those that nobody waits for."""
        taken: list[_Task] = []
        rows = 0
        while queue.tasks:
            task = queue.tasks[0]
            if taken and rows + task.rows > self._parameters.rows_of_a_run:
                break
            queue.tasks.popleft()
            queue.rows -= task.rows
            if task.future.done():
                self._metrics.dropped(queue.model, "cancelled")
                continue
            if task.deadline is not None and now >= task.deadline:
                self._metrics.dropped(queue.model, "deadline")
                task.future.set_exception(
                    ServingError(
                        "Run() timeout exceeded while waiting in batching queue",
                        code="DEADLINE_EXCEEDED",
                    )
                )
                continue
            taken.append(task)
            rows += task.rows
        return taken

    def _start(self, queue: _Queue, tasks: list[_Task]) -> None:
        loop = asyncio.get_running_loop()
        is_long = queue.is_long
        self._free -= 1
        self._long_running += is_long
        queue.num_running += 1
        queue.num_in_run += len(tasks)
        present = queue.num_in_run + len(queue.tasks)
        queue.crowd += _NEWEST_SHARE * (present - queue.crowd)
        rows = sum(task.rows for task in tasks)
        padded = self._parameters.padded(rows)
        now = time.monotonic()
        self._metrics.batch(
            queue.model, rows, padded - rows, [now - task.arrived for task in tasks]
        )
        if queue.is_quick:
            self._finish(queue, tasks, *_timed_run(tasks, padded), is_long)
            return

        # Held while it runs, even if all who asked go away.
        for task in tasks:
            task.call.servable.hold()

        def let_go() -> None:
            for task in tasks:
                task.call.servable.release()

        def work() -> None:
            results, seconds = _timed_run(tasks, padded)
            let_go()
            loop.call_soon_threadsafe(
                self._finish, queue, tasks, results, seconds, is_long
            )

        future = self._threads.submit(work)
        # Cancelled where the batcher is stopped before a thread came to it.
        future.add_done_callback(lambda done: let_go() if done.cancelled() else None)

    def _finish(
        self,
        queue: _Queue,
        tasks: list[_Task],
        results: list[Outputs | BaseException],
        seconds: float,
        is_long: bool,
    ) -> None:
        self._free += 1
        self._long_running -= is_long
        queue.num_running -= 1
        queue.num_in_run -= len(tasks)
        queue.num_runs += 1
        queue.used = time.monotonic()
        queue.run_seconds += _NEWEST_SHARE * (seconds - queue.run_seconds)
        for task, result in zip(tasks, results, strict=True):
            if task.future.done():
                continue
            if isinstance(result, BaseException):
                task.future.set_exception(result)
            else:
                task.future.set_result(result)
        self._wake()


def _timed_run(
    tasks: Sequence[_Task], padded: int
) -> tuple[list[Outputs | BaseException], float]:
    start = time.perf_counter()
    results = _run(tasks, padded)
    seconds = time.perf_counter() - start
    for task in tasks:
        task.call.run_seconds = seconds
    return results, seconds


def _run(tasks: Sequence[_Task], padded: int) -> list[Outputs | BaseException]:
    try:
        return list(_run_as_one(tasks, padded))
    except Exception as error:
        if len(tasks) == 1:
            return [error]
    # A bad request must not fail those that it was put together with.
    return [_run([task], task.rows)[0] for task in tasks]


def _run_as_one(tasks: Sequence[_Task], padded: int) -> list[dict]:
    call = tasks[0].call
    inputs = merge([task.inputs for task in tasks], padded)
    outputs = call.servable.run(call.signature, inputs, call.outputs)
    return split(outputs, [task.rows for task in tasks], padded)
