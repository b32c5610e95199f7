"""Work that runs ahead in a thread of its own, and products of matrices that start none."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from queue import Queue
from threading import Event, Thread
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T")
ONE_THREAD = 200_000
"""Multiply-adds of a product for which NumPy's library of matrices (OpenBLAS) starts no further threads; from 262,144
on it does. A thread that has to wait for a processor costs the others their time, since they wait for it at work."""


@dataclass(frozen=True)
class _End:
    """Behind the last item: what ended them, None where they were all made."""

    error: BaseException | None = None


def ahead(items: Iterator[T], count: int) -> Generator[T, None, None]:
    """The same items, made by a thread of its own while the last ones are used.

    Args:
        items: touched by that thread alone from now on.
        count: most items that wait to be used, at least 1; one more is being made.
    Raises:
        What `items` raises, once the items before it were used.
    """
    waiting: Queue[T | _End] = Queue(count)
    left = Event()

    def work() -> None:
        try:
            for item in items:
                waiting.put(item)
                if left.is_set():
                    return
            waiting.put(_End())
        except BaseException as error:  # noqa: BLE001 - it is raised where the items are used
            waiting.put(_End(error))

    thread = Thread(target=work, name="ahead", daemon=True)
    thread.start()
    try:
        while True:
            item = waiting.get()
            if isinstance(item, _End):
                if item.error is not None:
                    raise item.error
                return
            yield item
    finally:
        left.set()
        while thread.is_alive():  # it may stand before a full queue
            while not waiting.empty():
                waiting.get()
            thread.join(0.01)


def product(rows: NDArray[np.float32], matrix: NDArray[np.float32]) -> NDArray[np.float32]:
    """A product of matrices, in parts that are small enough to stay on one thread.

    Args:
        rows: (M, K) float32.
        matrix: (K, N) float32.
    Returns:
        (M, N) float32.
    """
    wide = max(1, min(matrix.shape[1], ONE_THREAD // (2 * max(1, len(matrix)))))
    # Two rows at least: for a single one the library has another limit, which is far lower.
    high = max(2, ONE_THREAD // max(1, wide * len(matrix)))
    found = np.empty((len(rows), matrix.shape[1]), np.float32)
    count = len(rows) // high
    parts = rows[: count * high].reshape(count, high, len(matrix))
    rest = min(count * high, max(0, len(rows) - 2))
    for first in range(0, matrix.shape[1], wide):
        columns = matrix[:, first : first + wide]
        found[: count * high, first : first + wide] = (parts @ columns).reshape(count * high, columns.shape[1])
        found[rest:, first : first + wide] = rows[rest:] @ columns
    return found
