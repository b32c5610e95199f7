"""Limits on work at once and on requests a minute: too much is refused at once, with the time to wait."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import TypeVar

from facemotion.errors import BusyError, MediaError, RateError
from facemotion.service.settings import LimitSettings

T = TypeVar("T")
MOST_CALLERS = 10_000
RETRY_SECONDS = 2.0
"""When a busy service says to try again, in seconds."""
USERS_WASTE = 3
"""How many users' share of time for clips that can't be read one sender has: the names may be made up."""
FAIR_LEAD = 2
"""Who holds this many places more than a newcomer gives one up to them."""
IN_SESSION = "in_session"
"""In the state of a connection: whether a live session has a place over it. One without gives way to newcomers."""


class Place:
    """A place that somebody holds.

    Attributes:
        holder: who holds it.
        part: for whom, among those that share a holder.
        payer: who is charged for its costs.
    """

    def __init__(self, holder: str, part: str, timer: asyncio.Timeout) -> None:
        self.holder = self.payer = holder
        self.part = part
        self._timer: asyncio.Timeout | None = timer
        self.lost = False

    @property
    def can_be_lost(self) -> bool:
        """Whether it may still be given to somebody else."""
        return self._timer is not None

    def keep(self) -> None:
        """Keep it from now on: the work that it was taken for has begun."""
        self._timer = None

    def give_up(self) -> None:
        """Give it to somebody else: what its holder awaits is cancelled."""
        if self._timer is not None:
            self.lost = True
            self._timer.reschedule(asyncio.get_running_loop().time())
            self._timer = None


class Places:
    """A number of places that are shared fairly: nobody is kept out by a holder of more than their share.

    If all are taken, a newcomer gets the oldest place of the holder with the most, if that holder has FAIR_LEAD more
    than the newcomer. Among the places of one holder the same is true of its parts, such as the users of a back end,
    who all come by its key. A single part may have all places. The object belongs to one event loop.

    Args:
        count: how many there are.
        words: the message when all are taken.

    Attributes:
        taken: places that are taken now.
    """

    def __init__(self, count: int, words: str = "The service is busy; try again shortly.") -> None:
        self._count = count
        self._words = words
        self._held: list[Place] = []

    @property
    def taken(self) -> int:
        """How many are held now."""
        return len(self._held)

    @asynccontextmanager
    async def hold(self, holder: str, part: str = "") -> AsyncIterator[Place]:
        """Hold a place.

        Args:
            holder: who; those of one name share.
            part: for whom, see above.
        Raises:
            BusyError: all are taken, or this one went to somebody who had fewer.
        """
        if len(self._held) >= self._count:
            self._make_room(holder, part)
        place: Place | None = None
        try:
            async with asyncio.timeout(None) as timer:
                place = Place(holder, part, timer)
                self._held.append(place)
                yield place
        except TimeoutError as error:
            if place is None or not place.lost:
                raise
            raise self.busy() from error
        finally:
            if place in self._held:
                self._held.remove(place)

    def busy(self) -> BusyError:
        """What to raise where there is no place."""
        return BusyError(self._words, retry_seconds=RETRY_SECONDS)

    def _make_room(self, holder: str, part: str) -> None:
        counts = Counter(place.holder for place in self._held)
        most = max(counts.values(), default=0)
        others = [place for place in self._held if counts[place.holder] == most]
        own = [place for place in self._held if place.holder == holder]
        fair = most >= counts[holder] + FAIR_LEAD
        oldest = _oldest_of_richest(others, 0) if fair else None
        least = FAIR_LEAD + sum(place.part == part for place in own)
        oldest = oldest or _oldest_of_richest(own, least)
        if oldest is None:
            raise self.busy()
        self._held.remove(oldest)
        oldest.give_up()


def _oldest_of_richest(places: Sequence[Place], least: int) -> Place | None:
    """The oldest place, which can be lost, of the part with the most.

    Args:
        places: the oldest first.
        least: how many the part must have.
    """
    counts = Counter((place.holder, place.part) for place in places)
    found = [place for place in places if place.can_be_lost and counts[place.holder, place.part] >= least]
    return max(found, key=lambda place: counts[place.holder, place.part], default=None)


class AnalysisQueue:
    """The threads that analyse clips and frames, and the requests that wait for them. It belongs to one event loop.

    A request takes its place before its body is read, so that memory is bounded by the number of places. It may lose
    it, until its analysis begins, to somebody who holds fewer.

    Args:
        limits: how many threads there are, how many requests may wait, and how long.
    """

    def __init__(self, limits: LimitSettings) -> None:
        self._limits = limits
        self._places = Places(limits.concurrency + limits.queue)
        self._turns = asyncio.Semaphore(limits.concurrency)
        self._threads = ThreadPoolExecutor(limits.concurrency, "analysis")
        self._running = 0
        self._waste = RateLimiter(limits.wasted_seconds, "seconds of clips that can't be read")
        self._waste_of_all = RateLimiter(USERS_WASTE * limits.wasted_seconds, "seconds of clips that can't be read")

    @property
    def taken(self) -> int:
        """Places that are taken now."""
        return self._places.taken

    @property
    def quiet(self) -> bool:
        """Whether nothing runs now, and frames have a thread though something else begins."""
        return self._running == 0 and self._limits.concurrency > 1

    @asynccontextmanager
    async def place(self, sender: str, user: str = "") -> AsyncIterator[Place]:
        """Hold a place in the queue.

        Args:
            sender: who the request comes from.
            user: for whom. Clips that can't be read are charged to the sender for that user, so that nobody makes a
                whole back end wait, whose users all come by one key; and to the sender alone, who may have made up the
                names.
        Raises:
            BusyError: see Places.hold.
            RateError: too much time went into such clips.
        """
        payer = f"{sender} {user}"
        self._waste.check(payer)
        self._waste_of_all.check(sender)
        async with self._places.hold(sender) as place:
            place.payer = payer
            yield place

    async def run(self, place: Place, work: Callable[[], T]) -> T:
        """Run work in a thread when it is this request's turn. A clip that can't be read is charged to who sent it.

        Args:
            place: of the request.
            work: what to run.
        Raises:
            BusyError: the turn didn't come in time. Whatever the work raises.
        """
        try:
            async with asyncio.timeout(self._limits.queue_seconds):
                await self._turns.acquire()
        except TimeoutError as error:
            raise self._places.busy() from error
        place.keep()
        begin = time.monotonic()
        try:
            return await self.run_at_once(work)
        except MediaError:
            spent = time.monotonic() - begin
            self._waste.charge(place.payer, spent)
            self._waste_of_all.charge(place.holder, spent)
            raise
        finally:
            self._turns.release()

    async def run_at_once(self, work: Callable[[], T]) -> T:
        """Run work of a live session in one of the same threads without waiting for a turn.

        Sessions are bounded in number, and a frame is analysed within milliseconds.
        """
        self._running += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._running -= 1

    def close(self) -> None:
        """Wait for what is running, then let go of the threads."""
        self._threads.shutdown()


class RateLimiter:
    """How much each caller asks for: a bucket of one minute's worth that refills steadily.

    Args:
        per_minute: what a bucket holds.
        what: it is filled with, for the message.
    """

    def __init__(self, per_minute: float, what: str = "requests") -> None:
        self._per_minute = per_minute
        self._what = what
        self._buckets: dict[str, tuple[float, float]] = {}

    def spend(self, caller: str) -> None:
        """Take one from a caller's bucket.

        Raises:
            RateError: it is empty.
        """
        self.check(caller, 1)
        self.charge(caller, 1)

    def check(self, caller: str, least: float = 1e-6) -> None:
        """
        Raises:
            RateError: the caller's bucket holds less than that.
        """
        left = self._left(caller)
        if left < least:
            raise RateError(
                f"More than {self._per_minute:g} {self._what} a minute; slow down.",
                retry_seconds=(least - left) * 60 / self._per_minute,
            )

    def charge(self, caller: str, amount: float) -> None:
        """Take from a caller's bucket, which may hold less than nothing afterwards."""
        left = self._left(caller) - amount
        if len(self._buckets) >= MOST_CALLERS and caller not in self._buckets:
            del self._buckets[next(iter(self._buckets))]
        self._buckets[caller] = (left, time.monotonic())

    def _left(self, caller: str) -> float:
        now = time.monotonic()
        left, then = self._buckets.get(caller, (self._per_minute, now))
        return min(self._per_minute, left + (now - then) * self._per_minute / 60)
