"""Items that a thread makes ahead of their use, and products that start no threads."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing

import numpy as np
import pytest

from facemotion.system.threads import ahead, product


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


@pytest.mark.parametrize(
    ("high", "deep", "wide"), [(80, 1280, 80), (3, 2, 1), (1, 5, 300), (250, 1280, 250), (0, 4, 4)]
)
def test_a_product_is_the_product(high, deep, wide):
    random = np.random.default_rng(0)
    rows, matrix = random.normal(size=(high, deep)), random.normal(size=(deep, wide))
    found = product(rows.astype(np.float32), matrix.astype(np.float32))
    assert found.dtype == np.float32
    assert np.allclose(found, rows @ matrix, atol=1e-3)


def test_a_product_stays_on_its_thread():
    """The fault before: on a busy machine a verdict waited 0.2 s for a thread of NumPy's library."""
    code = """
import time, numpy as np
from facemotion.system.threads import product
rows = np.ones((116, 1280), np.float32)
product(rows, rows.T)
own, all_of_them = time.thread_time(), time.process_time()
for _ in range(50):
    product(rows, rows.T)
own, all_of_them = time.thread_time() - own, time.process_time() - all_of_them
print(all_of_them / own)
"""
    told = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"OPENBLAS_NUM_THREADS": "2"},
    )
    assert float(told.stdout) < 1.2
