"""When what waits should be run."""

import types

import pytest

from tfgenai.serving.batch_queue import BatchQueue

FULL, MILLI = 32, 1e-3


def _queue(*arrived, crowd=1.0, num_running=0):
    queue = BatchQueue("key", "m")
    queue.tasks.extend(types.SimpleNamespace(arrived=at) for at in arrived)
    queue.rows = len(arrived)
    queue.crowd, queue.num_running = crowd, num_running
    return queue


def test_one_who_asks_alone_is_run_at_once():
    assert _queue(1.0).wait(1.0, 0.0, FULL) <= 0
    assert _queue(1.0).wait(1.0, 60.0, FULL) <= 0


def test_a_whole_batch_is_run_at_once():
    queue = _queue(*[1.0] * FULL, crowd=100.0, num_running=1)
    assert queue.wait(1.0, 60.0, FULL) <= 0


def test_those_of_before_are_waited_for_until_none_comes_for_a_moment():
    queue = _queue(1.0, 1.0 + MILLI, crowd=8.0)
    assert 0 < queue.wait(1.0 + MILLI, 0.0, FULL) < MILLI
    assert queue.wait(1.0 + 2 * MILLI, 0.0, FULL) <= 0


def test_a_stream_of_others_does_not_hold_up_the_first():
    arrived = [1.0 + 0.3 * MILLI * number for number in range(25)]
    queue = _queue(*arrived, crowd=30.0)
    assert queue.wait(arrived[-1], 0.0, FULL) <= 0


def test_more_than_before_are_run_at_once():
    assert _queue(*[1.0] * 5, crowd=4.0).wait(1.0, 0.0, FULL) <= 0
    assert _queue(*[1.0] * 4, crowd=4.0).wait(1.0, 0.0, FULL) > 0


def test_what_comes_while_its_kind_runs_joins_the_next_run():
    queue = _queue(1.0, num_running=1)
    assert 0 < queue.wait(1.0, 0.0, FULL) < 10 * MILLI
    assert queue.wait(1.0 + 10 * MILLI, 0.0, FULL) <= 0


def test_the_crowd_is_who_runs_and_who_waits():
    queue = _queue(1.0, 1.0)
    for _ in range(30):
        queue.began(4)
        queue.ended(4, 0.001)
    assert queue.crowd == pytest.approx(6.0, abs=0.01)


def test_a_quick_one_was_small_several_times_in_a_row():
    queue = _queue()
    assert not queue.is_small
    queue.ended(0, 0.001)
    assert queue.is_small
    for _ in range(30):
        queue.ended(0, 0.001)
    assert not queue.is_quick  # never in one thread: its graph is not prepared
    for _ in range(3):
        assert not queue.is_quick
        queue.ended(0, 0.001, in_one_thread=True)
    assert queue.is_quick
    queue.ended(0, 1.0, in_one_thread=True)
    assert not queue.is_small
    assert not queue.is_quick


def test_a_long_one_takes_long_run_after_run():
    queue = _queue()
    assert not queue.is_long
    queue.ended(0, 1.0)
    assert queue.is_long
