"""How much at once, and how often: what is too much is refused at once, with how long to wait."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import TypeVar

from facemotion.errors import BusyError, RateError
from facemotion.service.settings import LimitSettings

T = TypeVar("T")
MOST_CALLERS = 10_000
RETRY_SECONDS = 2.0
"""When a busy service says to try again, in seconds."""


class AnalysisQueue:
    """The threads that analyse clips and frames, and the requests that wait for them. It belongs to one event loop.

    A request takes its place before its body is read, so that memory is bounded by the number of places.

    Args:
        limits: how many threads there are, how many requests may wait, and how long.

    Attributes:
        taken: places that are taken now.
    """

    def __init__(self, limits: LimitSettings) -> None:
        self._limits = limits
        self._places = limits.concurrency + limits.queue
        self.taken = 0
        self._turns = asyncio.Semaphore(limits.concurrency)
        self._threads = ThreadPoolExecutor(limits.concurrency, "analysis")

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Hold a place in the queue.

        Raises:
            BusyError: all are taken.
        """
        if self.taken >= self._places:
            raise self._busy()
        self.taken += 1
        try:
            yield
        finally:
            self.taken -= 1

    async def run(self, work: Callable[[], T]) -> T:
        """Run work in a thread when it is this request's turn.

        Raises:
            BusyError: the turn didn't come in time. Whatever the work raises.
        """
        try:
            async with asyncio.timeout(self._limits.queue_seconds):
                await self._turns.acquire()
        except TimeoutError as error:
            raise self._busy() from error
        try:
            return await self.run_at_once(work)
        finally:
            self._turns.release()

    async def run_at_once(self, work: Callable[[], T]) -> T:
        """Run work of a live session in one of the same threads without waiting for a turn.

        Sessions are bounded in number, and a frame is analysed within milliseconds.
        """
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def close(self) -> None:
        """Wait for what is running, then let go of the threads."""
        self._threads.shutdown()

    def _busy(self) -> BusyError:
        return BusyError("The service is busy; try again shortly.", retry_seconds=RETRY_SECONDS)


class RateLimiter:
    """How often each caller asks: a bucket of one minute's requests that refills steadily."""

    def __init__(self, per_minute: float) -> None:
        self._per_minute = per_minute
        self._buckets: dict[str, tuple[float, float]] = {}

    def spend(self, caller: str) -> None:
        """
        Raises:
            RateError: the caller's bucket is empty.
        """
        now = time.monotonic()
        left, then = self._buckets.get(caller, (self._per_minute, now))
        left = min(self._per_minute, left + (now - then) * self._per_minute / 60)
        if left < 1:
            raise RateError(
                f"More than {self._per_minute:g} requests a minute; slow down.",
                retry_seconds=(1 - left) * 60 / self._per_minute,
            )
        if len(self._buckets) >= MOST_CALLERS and caller not in self._buckets:
            del self._buckets[next(iter(self._buckets))]
        self._buckets[caller] = (left - 1, now)
