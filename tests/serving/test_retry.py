"""When to ask again: waits, deadlines and what a server may ask for."""

import pytest

from tfgenai.serving import Retry
from tfgenai.serving.retry import Deadline, Failure, Tries, seconds_of


def test_waits_grow_up_to_a_bound_and_are_drawn_below_it():
    retry = Retry(initial_backoff=0.5, max_backoff=3.0, random=lambda: 1.0)
    assert [retry.backoff(k) for k in (0, 1, 2, 3, 10**6)] == [0.5, 1, 2, 3, 3]
    retry = Retry(initial_backoff=0.5, max_backoff=3.0, random=lambda: 0.25)
    assert [retry.backoff(k) for k in (0, 1, 9)] == [0.125, 0.25, 0.75]
    drawn = {Retry().backoff(0) for _ in range(10)}
    assert len(drawn) > 1
    assert all(0 <= wait < 0.2 for wait in drawn)


def test_no_try_begins_after_the_deadline():
    times = iter([10.0, 10.0, 10.75, 11.0])
    retry = Retry(clock=lambda: next(times))
    tries = Tries(retry, Deadline(retry, 1.0))
    assert [tries.begin(), tries.begin()] == [1.0, 0.25]
    with pytest.raises(Failure) as caught:
        tries.begin()
    assert caught.value.code == "DEADLINE_EXCEEDED"
    assert tries.wait_after(caught.value) is None
    assert tries.count == 2


@pytest.mark.parametrize(
    ("header", "date", "seconds"),
    [
        (None, None, 0),
        ("7", None, 7),
        ("soon", None, 0),
        ("-3", None, 0),
        ("Wed, 21 Oct 2015 07:28:30 GMT", "Wed, 21 Oct 2015 07:28:00 GMT", 30),
        ("Wed, 21 Oct 2015 07:28:00 GMT", "Wed, 21 Oct 2015 07:29:00 GMT", 0),
        ("Wed, 21 Oct 2015 07:28:00 GMT", None, 0),
        ("Wed, 21 Oct 2015 07:28:00 GMT", "no date", 0),
    ],
)
def test_retry_after(header, date, seconds):
    """RFC 9110, section 10.2.3: a number of seconds, or a date."""
    assert seconds_of(header, date) == seconds


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"num_retries": -1}, "num_retries=-1"),
        ({"num_retries": 1.5}, "num_retries=1.5"),
        ({"num_retries": True}, "num_retries=True"),
        ({"initial_backoff": 0.0}, "initial_backoff=0.0"),
        ({"max_backoff": float("inf")}, "max_backoff=inf"),
        ({"initial_backoff": 2.0, "max_backoff": 1.0}, "max_backoff=1.0"),
    ],
)
def test_arguments_are_checked(arguments, words):
    with pytest.raises(ValueError, match=words):
        Retry(**arguments)
