"""How many live sessions there may be, who makes room for whom, and that nobody holds others up."""

from __future__ import annotations

import json
import time
from contextlib import ExitStack

from websockets.sync.client import connect

from facemotion.service.settings import LimitSettings, ServiceSettings

from .conftest import running
from .live_client import Socket, visitor, wait_for_failures


def test_sessions_are_bounded(tmp_path, takes, session_environment):
    settings = ServiceSettings(limits=LimitSettings(live_sessions=1))
    with running(tmp_path / "store.db", settings) as server, Socket(server, "lea") as first:
        first.take(takes[0][:2])
        with Socket(server, "other") as second:
            assert second.hear()["error"] == "BusyError"


def test_visitors_hold_no_more_than_half_of_the_places(tmp_path, takes, session_environment):
    settings = ServiceSettings(limits=LimitSettings(live_sessions=2))
    with running(tmp_path / "store.db", settings) as server, visitor(server) as first:
        first.send(takes[0][0])
        assert "guidance" in json.loads(first.recv(timeout=20))
        with visitor(server) as second:
            assert json.loads(second.recv(timeout=20))["error"] == "BusyError"
        with Socket(server, "lea") as socket:
            assert "guidance" in socket.take(takes[0][:1])[0]


def test_sessions_of_one_key_make_room_for_another(tmp_path, takes, session_environment):
    settings = ServiceSettings(limits=LimitSettings(live_sessions=2))
    with running(tmp_path / "store.db", settings) as server, ExitStack() as stack:
        much = [stack.enter_context(Socket(server, f"user{n}", role="verify")) for n in range(2)]
        for socket in much:
            socket.take(takes[0][:1])
        with Socket(server, "lea", role="enrol") as other:
            assert "guidance" in other.take(takes[0][:1])[0]
            assert much[0].hear()["error"] == "BusyError"
        wait_for_failures(server, "user0", 0)  # who was turned out is charged nothing


def test_sessions_of_one_user_make_room_for_another_of_the_same_key(tmp_path, takes, session_environment):
    """All users of a site come by its key: one of them could keep out the others."""
    settings = ServiceSettings(limits=LimitSettings(live_sessions=2))
    with running(tmp_path / "store.db", settings) as server, ExitStack() as stack:
        much = [stack.enter_context(Socket(server, "greedy", role="enrol", purpose="enrol")) for _ in range(2)]
        for socket in much:
            assert "min_takes" in socket.hear()
        with Socket(server, "lea", role="enrol") as other:
            assert "guidance" in other.take(takes[0][:1])[0]
            assert much[0].hear()["error"] == "BusyError"


def test_a_full_house_leaves_the_nonce_good(tmp_path, takes, session_environment):
    settings = ServiceSettings(limits=LimitSettings(live_sessions=1))
    with running(tmp_path / "store.db", settings) as server:
        nonce = server.nonce("lea")
        with Socket(server, "mia", role="admin") as socket:
            socket.take(takes[0][:1])
            with Socket(server, "lea", nonce=nonce) as late:
                assert late.hear()["error"] == "BusyError"
        wait_for_failures(server, "mia", 0)
        with Socket(server, "lea", nonce=nonce) as again:
            assert "guidance" in again.take(takes[0][:1])[0]


def test_a_flood_of_words_holds_nobody_else_up(server):
    with Socket(server, "lea") as socket:
        for _ in range(3000):
            socket.say("go")
        begin = time.perf_counter()
        assert server.call("GET", "/health", "").status_code == 200
        assert time.perf_counter() - begin < 1.5
        socket.say("done")
        assert socket.until("error")["error"] == "NoFaceError"


def test_who_says_nothing_keeps_nobody_out(tmp_path, session_environment):
    settings = ServiceSettings(limits=LimitSettings(live_sessions=1))
    address = "/v1/live"
    with running(tmp_path / "store.db", settings) as server:
        address = server.url.replace("http", "ws") + address
        with connect(address), connect(address), Socket(server, "lea") as socket:
            socket.say("done")
            assert socket.hear()["error"] == "NoFaceError"
