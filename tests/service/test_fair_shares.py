"""Who asks for much, or for what can't be done, keeps nobody else waiting."""

from __future__ import annotations

import asyncio
import json
import select
import socket
import time
from contextlib import AsyncExitStack, ExitStack

import numpy as np
import pytest

from facemotion.errors import BusyError, MediaLimitError, RateError, UnreadableMediaError
from facemotion.service.guard.limits import AnalysisQueue, Places, RateLimiter
from facemotion.service.settings import LimitSettings, ServiceSettings

from .conftest import Server, form, running


def test_a_single_holder_may_have_every_place_until_somebody_else_comes():
    async def story() -> list[str]:
        places, told = Places(3), []

        async def wait(name: str) -> None:
            try:
                async with places.hold("much"):
                    await asyncio.sleep(5)
            except BusyError:
                told.append(name)

        waiting = []
        for name in ("first", "second", "third"):
            waiting.append(asyncio.create_task(wait(name)))
            await asyncio.sleep(0)
        with pytest.raises(BusyError):
            async with places.hold("much"):
                pass
        async with places.hold("little"):
            await asyncio.sleep(0.01)
            assert told == ["first"]  # the oldest
            assert places.taken == 3
            with pytest.raises(BusyError):  # two and one are as fair as it gets
                async with places.hold("little"):
                    pass
        for task in waiting:
            task.cancel()
        return told

    assert asyncio.run(story()) == ["first"]


def test_work_that_has_begun_keeps_its_place():
    async def story() -> None:
        queue = AnalysisQueue(LimitSettings(concurrency=1, queue=1))
        async with AsyncExitStack() as stack:
            for _ in range(2):
                place = await stack.enter_async_context(queue.place("much"))
                place.keep()
            with pytest.raises(BusyError):
                async with queue.place("little"):
                    pass
        queue.close()

    asyncio.run(story())


def test_the_time_of_clips_that_can_not_be_read_is_charged_to_who_sent_them():
    async def story() -> None:
        queue = AnalysisQueue(LimitSettings(wasted_seconds=0.1))

        def bomb() -> None:
            time.sleep(0.2)
            raise MediaLimitError("The clip has too many pixels.")

        async with queue.place("back end", "attacker") as place:
            with pytest.raises(MediaLimitError):
                await queue.run(place, bomb)
        with pytest.raises(RateError) as refused:
            async with queue.place("back end", "attacker"):
                pass
        assert 30 < refused.value.retry_seconds < 90
        async with queue.place("back end", "alice") as place:  # who comes by the same key
            assert await queue.run(place, lambda: 5) == 5
        queue.close()

    asyncio.run(story())


def test_a_bucket_may_hold_less_than_nothing_and_refills():
    limiter = RateLimiter(60, "seconds")
    limiter.charge("one", 60.5)
    with pytest.raises(RateError, match="60 seconds a minute"):
        limiter.check("one")
    time.sleep(0.6)
    limiter.check("one")


def test_clips_that_take_too_long_are_refused_and_who_sends_them_is_slowed_down(tmp_path, encode, session_environment):
    limits = LimitSettings(analysis_seconds=0.1, wasted_seconds=0.1)
    film = encode(np.random.default_rng(0).integers(0, 255, (60, 480, 640, 3), np.uint8))
    with running(tmp_path / "store.db", ServiceSettings(limits=limits)) as server:
        answer = server.verify("alice", film, "verify")
        assert (answer.status_code, answer.json()["error"]) == (422, "MediaLimitError")
        answer = server.verify("alice", film, "verify")
        assert (answer.status_code, answer.json()["error"]) == (429, "RateError")
        assert server.verify("alice", b"no clip", "admin").status_code == 422  # another key
        assert server.verify("bob", b"no clip", "verify").status_code == 422  # another user


def test_made_up_names_give_nobody_more_time_for_clips_that_cant_be_read():
    """Each name was charged for itself, and a new one each time never was."""

    async def story() -> None:
        queue = AnalysisQueue(LimitSettings(wasted_seconds=0.1))

        async def waste(sender: str, user: str) -> None:
            def work() -> None:
                time.sleep(0.11)
                raise UnreadableMediaError("no clip")

            async with queue.place(sender, user) as place:
                await queue.run(place, work)

        for number in range(3):
            with pytest.raises(UnreadableMediaError):
                await waste("eve", f"user{number}")
        with pytest.raises(RateError, match="clips that can't be read"):
            await waste("eve", "user3")
        with pytest.raises(UnreadableMediaError):
            await waste("ann", "user3")
        queue.close()

    asyncio.run(story())


def slow_body(server: Server, path: str, role: str) -> socket.socket:
    """A request whose body stays away."""
    host, port = server.url.removeprefix("http://").split(":")
    one = socket.create_connection((host, int(port)))
    one.settimeout(10)
    one.sendall(
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {server.keys[role]}\r\n"
        "Content-Length: 100000\r\nContent-Type: multipart/form-data; boundary=b\r\n\r\n--b\r\n".encode()
    )
    return one


def test_slow_bodies_of_one_key_do_not_make_others_busy(tmp_path, talk, session_environment):
    settings = ServiceSettings(limits=LimitSettings(concurrency=1, queue=2))
    with running(tmp_path / "store.db", settings) as server, ExitStack() as stack:
        nonce = server.nonce("alice", role="admin")
        slow = [stack.enter_context(slow_body(server, "/v1/users/bob/verify", "verify")) for _ in range(3)]
        while "facemotion_seats_taken 3" not in server.call("GET", "/metrics").text:
            time.sleep(0.02)
        answer = server.call("POST", "/v1/users/alice/verify", "admin", **form(nonce, clip=[talk[0]]))
        assert answer.status_code == 200, answer.text
        answered, _, _ = select.select(slow, [], [], 30)  # the oldest: not the first sent, where a thread was quicker
        assert len(answered) == 1
        told = answered[0].recv(10000)
        assert told.startswith(b"HTTP/1.1 503")
        assert json.loads(told.partition(b"\r\n\r\n")[2])["error"] == "BusyError"
