"""Work that runs ahead in a thread of its own."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from queue import Queue
from threading import Event, Thread
from typing import TypeVar

T = TypeVar("T")


def ahead(items: Iterator[T], count: int) -> Generator[T, None, None]:
    """The same items, made by a thread of its own while the last ones are used.

    Args:
        items: touched by that thread alone from now on.
        count: most items that wait to be used, at least 1; one more is being made.
    Raises:
        What `items` raises, once the items before it were used.
    """
    waiting: Queue[tuple[bool, T | BaseException | None]] = Queue(count)
    left = Event()

    def work() -> None:
        try:
            for item in items:
                waiting.put((True, item))
                if left.is_set():
                    return
            waiting.put((False, None))
        except BaseException as error:  # noqa: BLE001 - whoever asks for the items gets it
            waiting.put((False, error))

    thread = Thread(target=work, name="ahead", daemon=True)
    thread.start()
    try:
        while True:
            more, item = waiting.get()
            if not more:
                if item is not None:
                    raise item  # type: ignore[misc]
                return
            yield item  # type: ignore[misc]
    finally:
        left.set()
        while thread.is_alive():  # it may stand before a full queue
            while not waiting.empty():
                waiting.get()
            thread.join(0.01)
