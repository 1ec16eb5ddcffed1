"""Requests that wait at the same time, run as one.

Everything but the runs themselves happens on the event loop, so that nothing here
needs a lock. A request waits only while no thread is free, or for some milliseconds
while others of its kind are run: where it is alone it is run at once.
"""

import asyncio
import concurrent.futures
import functools
import math
import os
import time
from collections.abc import Hashable, Mapping, Sequence

import numpy as np

from tfgenai.core.errors import ServingError
from tfgenai.serving import codes
from tfgenai.serving.batch_queue import BatchQueue, Outputs, Task
from tfgenai.serving.batching_parameters import BatchingParameters
from tfgenai.serving.calls import Call
from tfgenai.serving.merging import count_rows, merge, split
from tfgenai.serving.metrics import Metrics

# How long short ones are remembered by long ones.
_RECENT_SECONDS = 10.0
# More kinds of requests are not remembered.
_MAX_QUEUES = 256


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
        self._queues: dict[Hashable, BatchQueue] = {}
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
            task = Task(call, inputs, rows, deadline, future, now)
            future.add_done_callback(functools.partial(self._forget, queue, task))
            queue.tasks.append(task)
            queue.rows += rows
            futures.append(future)
        self._wake()
        return futures

    def _forget(self, queue: BatchQueue, task: Task, _: object) -> None:
        """Takes out what its caller has given up, so that it counts for nothing."""
        if task.future.cancelled() and task in queue.tasks:
            queue.tasks.remove(task)
            queue.rows -= task.rows
            self._metrics.dropped(queue.model, "cancelled")

    def _queue(self, call: Call) -> BatchQueue:
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
            queue = self._queues[key] = BatchQueue(key, servable.name)
        return queue

    def _drop_idle(self) -> None:
        """Shapes that clients choose must not fill the memory, or the time."""
        old = time.monotonic() - _RECENT_SECONDS
        if len(self._queues) >= _MAX_QUEUES:
            old = math.inf
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

    def _next(self, now: float) -> tuple[BatchQueue | None, float | None]:
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

    def _may_run(self, queue: BatchQueue, now: float) -> bool:
        if not queue.is_long or self._long_running < self._long_limit:
            return True
        return not any(
            not other.is_long and now - other.used < _RECENT_SECONDS
            for other in self._queues.values()
        )

    def _take(self, queue: BatchQueue, now: float) -> list[Task]:
        """As many as fit into one run, without those that nobody waits for."""
        taken: list[Task] = []
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

    def _start(self, queue: BatchQueue, tasks: list[Task]) -> None:
        loop = asyncio.get_running_loop()
        is_long, is_small = queue.is_long, queue.is_small
        self._free -= 1
        self._long_running += is_long
        queue.began(len(tasks))
        rows = sum(task.rows for task in tasks)
        padded = self._parameters.padded(rows)
        now = time.monotonic()
        self._metrics.batch(
            queue.model, rows, padded - rows, [now - task.arrived for task in tasks]
        )
        if queue.is_quick:
            results, seconds = _timed_run(tasks, padded, in_one_thread=True)
            self._finish(queue, tasks, results, seconds, is_long, True)
            return

        # Held while it runs, even if all who asked go away.
        for task in tasks:
            task.call.servable.hold()

        def let_go() -> None:
            for task in tasks:
                task.call.servable.release()

        def work() -> None:
            results, seconds = _timed_run(tasks, padded, in_one_thread=is_small)
            let_go()
            loop.call_soon_threadsafe(
                self._finish, queue, tasks, results, seconds, is_long, is_small
            )

        future = self._threads.submit(work)
        # Cancelled where the batcher is stopped before a thread came to it.
        future.add_done_callback(lambda done: let_go() if done.cancelled() else None)

    def _finish(
        self,
        queue: BatchQueue,
        tasks: list[Task],
        results: list[Outputs | BaseException],
        seconds: float,
        is_long: bool,
        in_one_thread: bool,
    ) -> None:
        self._free += 1
        self._long_running -= is_long
        queue.ended(len(tasks), seconds, in_one_thread=in_one_thread)
        for task, result in zip(tasks, results, strict=True):
            if task.future.done():
                continue
            if isinstance(result, BaseException):
                task.future.set_exception(result)
            else:
                task.future.set_result(result)
        self._wake()


def _timed_run(
    tasks: Sequence[Task], padded: int, *, in_one_thread: bool = False
) -> tuple[list[Outputs | BaseException], float]:
    start = time.perf_counter()
    results = _run(tasks, padded, in_one_thread)
    seconds = time.perf_counter() - start
    for task in tasks:
        task.call.run_seconds = seconds
    return results, seconds


def _run(
    tasks: Sequence[Task], padded: int, in_one_thread: bool
) -> list[Outputs | BaseException]:
    try:
        return list(_run_as_one(tasks, padded, in_one_thread))
    except Exception as error:
        if len(tasks) == 1:
            return [error]
    # A bad request must not fail those that it was put together with.
    return [_run([task], task.rows, in_one_thread)[0] for task in tasks]


def _run_as_one(tasks: Sequence[Task], padded: int, in_one_thread: bool) -> list[dict]:
    call = tasks[0].call
    inputs = merge([task.inputs for task in tasks], padded)
    outputs = call.servable.run(
        call.signature, inputs, call.outputs, in_one_thread=in_one_thread
    )
    return split(outputs, [task.rows for task in tasks], padded)
