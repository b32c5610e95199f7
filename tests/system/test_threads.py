"""Items that a thread makes ahead of their use."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from facemotion.system.threads import ahead


def counted(made: list[int], end: int) -> Iterator[int]:
    for number in range(end):
        made.append(number)
        yield number


def wait_until(said, seconds: float = 5.0) -> None:
    until = time.monotonic() + seconds
    while not said() and time.monotonic() < until:
        time.sleep(0.001)
    assert said()


@pytest.mark.parametrize("count", [1, 3])
def test_items_come_in_order_made_by_another_thread(count):
    makers = []

    def items() -> Iterator[int]:
        for number in range(20):
            makers.append(threading.current_thread())
            yield number

    assert list(ahead(items(), count)) == list(range(20))
    assert threading.current_thread() not in makers
    assert len(set(makers)) == 1


def test_no_more_are_made_ahead_than_asked_for():
    made: list[int] = []
    with closing(ahead(counted(made, 100), 3)) as items:
        assert next(items) == 0
        wait_until(lambda: len(made) == 5)  # the one in use, three that wait, one more that is ready
        time.sleep(0.05)
        assert len(made) == 5


def test_an_error_comes_after_the_items_before_it():
    def items() -> Iterator[int]:
        yield from range(3)
        raise ValueError("the fourth")

    made = ahead(items(), 2)
    assert [next(made) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="the fourth"):
        next(made)


def test_whoever_leaves_early_leaves_no_thread_behind():
    made: list[int] = []
    before = threading.active_count()
    with closing(ahead(counted(made, 1000), 2)) as items:
        next(items)
        assert threading.active_count() == before + 1
    assert threading.active_count() == before
    assert len(made) < 10
