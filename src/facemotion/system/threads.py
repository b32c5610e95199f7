"""Work that runs ahead in a thread of its own."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from queue import Queue
from threading import Event, Thread
from typing import TypeVar

T = TypeVar("T")


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
