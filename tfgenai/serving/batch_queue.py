"""What waits for one signature of a model's version, and when it should be run."""

import asyncio
import collections
import dataclasses
import time
from collections.abc import Hashable, Mapping

import numpy as np

from tfgenai.serving.calls import Call

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
# hands over one request at a turn of the loop: as many as before are waited for, until
# none came in for a moment, at most this long. One who asks alone never waits. (Timers
# of uvloop know whole milliseconds: the moment is waited out turn by turn.)
_LINGER_SECONDS = 0.005
_MOMENT_SECONDS = 0.0005
# What the last run says of the next one.
_NEWEST_SHARE = 0.3


@dataclasses.dataclass(eq=False)
class Task:
    """A request, or a part of one, that waits.

    Args:
        call: what is to be run.
        inputs: its arrays by name, or those of the part.
        rows: their rows.
        deadline: `time.monotonic()` after which nobody waits for it; None for never.
        future: where its outputs go.
        arrived: `time.monotonic()` of when it came.
    """

    call: Call
    inputs: Mapping[str, np.ndarray]
    rows: int
    deadline: float | None
    future: "asyncio.Future[Outputs]"
    arrived: float


class BatchQueue:
    """Tasks that can be run as one, and what is known of such runs.

    Args:
        key: what they have in common.
        model: the model's name.
    """

    def __init__(self, key: Hashable, model: str) -> None:
        self.key = key
        self.model = model
        self.tasks: collections.deque[Task] = collections.deque()
        self.rows = 0
        self.num_running = 0
        self.run_seconds = 0.0
        self.num_in_run = 0
        self.is_small = False
        self._num_in_one_thread = 0
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
        waited = now - self.tasks[0].arrived
        if self.num_running:
            return max(timeout, _BESIDE_SECONDS) - waited
        if self.crowd > 1.5 and len(self.tasks) < self.crowd + 1:
            paused = now - self.tasks[-1].arrived
            return min(
                max(timeout, _LINGER_SECONDS) - waited,
                max(timeout, _MOMENT_SECONDS) - paused,
            )
        return -waited

    def began(self, num_tasks: int) -> None:
        """Notes that a run of so many tasks begins."""
        self.num_running += 1
        self.num_in_run += num_tasks
        present = self.num_in_run + len(self.tasks)
        self.crowd += _NEWEST_SHARE * (present - self.crowd)

    def ended(
        self, num_tasks: int, seconds: float, *, in_one_thread: bool = False
    ) -> None:
        """Notes that a run of so many tasks has ended, and how long it took.

        `is_small` tells from then on whether runs take about as long as it takes to
        wake a thread.

        Args:
            num_tasks: how many.
            seconds: how long it took.
            in_one_thread: whether all its operations were done in one thread.
        """
        self.num_running -= 1
        self.num_in_run -= num_tasks
        self.used = time.monotonic()
        self.run_seconds += _NEWEST_SHARE * (seconds - self.run_seconds)
        self.is_small = self.run_seconds < _QUICK_SECONDS
        if not self.is_small:
            self._num_in_one_thread = 0
        elif in_one_thread:
            self._num_in_one_thread += 1

    @property
    def is_quick(self) -> bool:
        """Whether it can be relied upon that runs are small.

        The first run of a small one in a single thread has TensorFlow prepare the graph
        once more, which must not happen on the event loop.
        """
        return self._num_in_one_thread >= _RUNS_TO_KNOW

    @property
    def is_long(self) -> bool:
        """Whether others should not have to wait for its runs."""
        return self.run_seconds > _LONG_SECONDS
