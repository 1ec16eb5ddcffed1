"""When to ask again: which failures pass, how long to wait, and when to stop.

Every call of a client is safe to ask twice: the same seed gives the same answer, and no
signature that this package exports changes anything. Here alone it is decided, for both
protocols alike: gRPC's own retries (of its service config) are turned off in the
client's channels, for they know nothing of REST, make tries that no error tells of, and
would multiply with these.
"""

import asyncio
import email.utils
import math
import secrets
import time
from collections.abc import Awaitable, Callable
from typing import Any


class Failure(Exception):
    """What a transport could not do; it never reaches the caller.

    Args:
        code: canonical status name, for example `"UNAVAILABLE"`.
        words: the server's own words, or the system's.
        is_transient: whether the same may succeed a moment later.
        retry_after: seconds that the server asks to wait before.
    """

    def __init__(
        self,
        code: str,
        words: str,
        *,
        is_transient: bool = False,
        retry_after: float = 0.0,
    ) -> None:
        super().__init__(f"{code}: {words}")
        self.code = code
        self.words = words
        self.is_transient = is_transient
        self.retry_after = retry_after


class Retry:
    """How a client asks again when a server is not there or too busy.

    Before retry k, counted from 0, it waits for a random time between 0 and
    `min(max_backoff, initial_backoff * 2**k)` seconds ("full jitter", so that clients
    that failed together do not come back together), and for as long as the server asks
    (`Retry-After`) on top. It gives up as soon as the next try would begin after the
    caller's timeout, which is one for all tries.

    Args:
        num_retries: how often to ask again; 0 for never.
        initial_backoff: seconds, the longest wait before the first retry.
        max_backoff: seconds, the longest wait before any.
        clock: gives the time in seconds.
        sleep: waits for a number of seconds; an `AsyncClient` takes a coroutine
            function. None for `time.sleep` and `asyncio.sleep`.
        random: gives a number in [0, 1); None for the system's own source.

    Raises:
        ValueError: if a number makes no sense.

    Example:
        >>> Retry(2, initial_backoff=0.1, random=lambda: 0.5).backoff(1)
        0.1
    """

    def __init__(
        self,
        num_retries: int = 3,
        *,
        initial_backoff: float = 0.2,
        max_backoff: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Any] | None = None,
        random: Callable[[], float] | None = None,
    ) -> None:
        if type(num_retries) is not int or num_retries < 0:
            raise ValueError(
                "A whole number of retries, 0 or more, was expected. Received: "
                f"num_retries={num_retries!r}. Use 3, or 0 for none."
            )
        for name, value in (
            ("initial_backoff", initial_backoff),
            ("max_backoff", max_backoff),
        ):
            if not 0 < value < math.inf:
                raise ValueError(
                    "A positive number of seconds was expected. Received: "
                    f"{name}={value!r}. Use 0.2 and 5.0, or num_retries=0 for none."
                )
        if initial_backoff > max_backoff:
            raise ValueError(
                "Waits that grow were expected. Received: initial_backoff="
                f"{initial_backoff!r} above max_backoff={max_backoff!r}. Swap them."
            )
        self.num_retries = num_retries
        self.initial_backoff = initial_backoff
        self.max_backoff = max_backoff
        self.clock = clock
        # Not from a seed: processes that were started alike must not wait alike.
        self.random = random or secrets.SystemRandom().random
        self._sleep = sleep

    def backoff(self, number: int) -> float:
        """Seconds to wait before a retry.

        Args:
            number: which retry, from 0.
        """
        # 2**60 seconds are for ever, and 2.0**1024 is no float.
        longest = min(self.max_backoff, self.initial_backoff * 2.0 ** min(number, 60))
        return self.random() * longest

    @property
    def sleep(self) -> Callable[[float], None]:
        """What waits between the tries of a `Client`."""
        return self._sleep or time.sleep

    @property
    def async_sleep(self) -> Callable[[float], Awaitable[None]]:
        """What waits between the tries of an `AsyncClient`."""
        return self._sleep or asyncio.sleep


class Deadline:
    """The end of what a caller waits for.

    Args:
        retry: whose clock it goes by.
        timeout: seconds from now.
    """

    def __init__(self, retry: Retry, timeout: float) -> None:
        self.timeout = timeout
        self._clock = retry.clock
        self._start = retry.clock()

    @property
    def seconds_gone(self) -> float:
        """Seconds since the caller began to wait."""
        return self._clock() - self._start

    @property
    def seconds_left(self) -> float:
        """Seconds that the caller still waits; negative when it does no more."""
        return self.timeout - self.seconds_gone


class Tries:
    """The tries of one question.

    Args:
        retry: how to ask again.
        deadline: when to stop.
    """

    def __init__(self, retry: Retry, deadline: Deadline) -> None:
        self.deadline = deadline
        self.count = 0
        self._retry = retry

    def begin(self) -> float:
        """Begins the next try.

        Returns:
            Seconds that it may take.

        Raises:
            Failure: if no time is left for it.
        """
        left = self.deadline.seconds_left
        if left <= 0:
            raise Failure("DEADLINE_EXCEEDED", "no time was left to ask.")
        self.count += 1
        return left

    def wait_after(self, failure: Failure) -> float | None:
        """Seconds to wait before the next try; None if there is to be none.

        Args:
            failure: what ended the last try.
        """
        # What ran out of time once would do so again; the rest is refused for good.
        if not failure.is_transient or self.count > self._retry.num_retries:
            return None
        wait = failure.retry_after + self._retry.backoff(self.count - 1)
        return wait if wait < self.deadline.seconds_left else None


def seconds_of(retry_after: str | None, date: str | None) -> float:
    """Seconds that a `Retry-After` header asks to wait; 0 if it cannot be read.

    Args:
        retry_after: the header: whole seconds, or a date.
        date: the `Date` header of the same answer. A date is measured from it, so that
            the clock of this machine need not agree.

    Example:
        >>> seconds_of("120", None)
        120.0
    """
    if retry_after is None:
        return 0.0
    if retry_after.strip().isdecimal():
        return float(retry_after)
    try:
        then = email.utils.parsedate_to_datetime(retry_after)
        now = email.utils.parsedate_to_datetime(date or email.utils.formatdate())
        return max(0.0, then.timestamp() - now.timestamp())
    except ValueError:
        return 0.0
