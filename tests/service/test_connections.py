"""Connections that press on the service: by pings, by not reading, by number."""

from __future__ import annotations

import base64
import os
import socket
import ssl
import struct
import time
from contextlib import ExitStack, suppress
from typing import Any

import httpx
import numpy as np
import pytest
from tests.service.conftest import Server, running
from tests.service.live_client import jpeg
from tests.service.test_client import certificate
from websockets.sync.client import connect

from facemotion.service.http import connections
from facemotion.service.settings import LimitSettings, ServerSettings, ServiceSettings


def socket_to(server: Server, *, buffer: int = 0, source: str = "") -> socket.socket:
    host, port = server.url.removeprefix("http://").split(":")
    one = socket.socket()
    if buffer:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    if source:
        one.bind((source, 0))
    one.settimeout(10)
    one.connect((host, int(port)))
    return one


def live(server: Server, **more: Any) -> socket.socket:
    """A live session over which nothing was said."""
    one = socket_to(server, **more)
    key = base64.b64encode(os.urandom(16)).decode()
    one.sendall(
        "GET /v1/live HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += one.recv(1)
    assert head.startswith(b"HTTP/1.1 101")
    return one


def frame(opcode: int, body: bytes) -> bytes:
    """A frame of a client (RFC 6455, 5.2), masked by zeros."""
    length = bytes([0x80 | len(body)]) if len(body) < 126 else b"\xff" + struct.pack("!Q", len(body))
    return bytes([0x80 | opcode]) + length + bytes(4) + body


PING, TEXT, BINARY = 9, 1, 2


def test_a_socket_that_only_pings_and_never_reads_is_cut_off(server):
    """It took 11 MiB of memory a second."""
    pings = frame(PING, bytes(125)) * 1000
    sent = 0
    with live(server, buffer=2048) as one, suppress(ConnectionError):
        while sent < 50_000_000:
            one.sendall(pings)
            sent += len(pings)
    assert sent < 20_000_000


def test_a_first_message_that_grows_is_refused_and_those_behind_a_hello_are_not(server):
    """Each held 1.8 MiB without a nonce. A frame may come in one piece with the first message."""
    with live(server) as one:
        one.sendall(frame(TEXT, bytes(0x2100))[:-1])
        heard = one.recv(1000)
        assert heard[:1] == b"\x88"  # a close
        assert struct.unpack("!H", heard[2:4]) == (1009,)
        assert closed(one)
    with live(server) as one:
        picture = jpeg(np.random.default_rng(0).integers(0, 255, (240, 320, 3), np.uint8), 0.0)
        assert len(picture) > 0x4000
        one.sendall(frame(TEXT, b'{"purpose": "try"}') + frame(BINARY, picture))
        assert b"guidance" in one.recv(1000)


def test_what_comes_after_the_end_of_a_session_is_not_held(server, monkeypatch):
    monkeypatch.setattr(connections, "PARTING_SECONDS", 60.0)  # a client that sends nothing more could stay so long
    with live(server) as one:
        one.sendall(frame(TEXT, b"{}"))
        while b"\x88\x02\x03\xe8" not in one.recv(1000):  # its close
            pass
        with suppress(ConnectionError):
            one.sendall(frame(BINARY, bytes(2**20))[:-1])
        assert closed(one)


def test_made_up_nonces_of_one_address_are_slowed_down_together(tmp_path, session_environment):
    settings = ServiceSettings(limits=LimitSettings(wrong_keys_per_minute=3))
    with running(tmp_path / "store.db", settings) as server:
        errors = []
        for number in range(5):
            with live(server) as one:
                one.sendall(frame(TEXT, f'{{"user": "a", "nonce": "made up {number}", "purpose": "verify"}}'.encode()))
                heard = one.recv(1000)
                errors.append("Rate" if b"RateError" in heard else "Nonce" if b"NonceError" in heard else "none")
        assert errors == ["Nonce"] * 3 + ["Rate"] * 2
        good = server.nonce("a", "enrol")
        with live(server) as one:  # a good one still begins a session
            one.sendall(frame(TEXT, f'{{"user": "a", "nonce": "{good}", "purpose": "enrol"}}'.encode()))
            assert b"min_takes" in one.recv(1000)


def test_a_few_pings_are_answered(server):
    with live(server) as one:
        for number in range(5):
            one.sendall(frame(PING, bytes([number])))
        answers = b""
        while len(answers) < 15 or not answers.endswith(b"\x8a\x01\x04"):
            answers += one.recv(1000)


def test_a_client_that_reads_no_answer_is_cut_off_in_time(tmp_path, session_environment, monkeypatch):
    """Also where the answer is the last one, after which nothing is waited for."""
    monkeypatch.setattr("facemotion.service.http.connections.UNREAD_SECONDS", 0.5)
    monkeypatch.setattr("facemotion.service.http.connections.SPARE_PINGS", 10**9)
    monkeypatch.setattr("facemotion.service.http.connections.MOST_UNREAD_BYTES", 10**9)
    with running(tmp_path / "store.db") as server, live(server, buffer=2048) as one:
        with suppress(OSError):
            for _ in range(100):  # 12 MB of answers, more than all buffers between hold
                one.sendall(frame(PING, bytes(125)) * 1000)
        begin = time.monotonic()
        with suppress(ConnectionError):
            while time.monotonic() < begin + 10:
                one.sendall(frame(TEXT, b"{}"))
                time.sleep(0.1)
        assert time.monotonic() < begin + 9


def closed(one: socket.socket) -> bool:
    """Whether the service ended a connection."""
    try:
        while one.recv(1000):
            pass
        return True
    except ConnectionResetError:
        return True
    except TimeoutError:
        return False


@pytest.mark.parametrize("kind", ["silent", "half a head", "live"])
def test_idle_connections_starve_nobody(tmp_path, session_environment, kind):
    settings = ServiceSettings(limits=LimitSettings(connections=6))
    with running(tmp_path / "store.db", settings) as server, ExitStack() as stack:
        idle = [stack.enter_context(live(server) if kind == "live" else socket_to(server)) for _ in range(6)]
        for one in idle:
            if kind == "half a head":
                one.sendall(b"GET /health HTTP/1.1\r\nHost: local")
        time.sleep(0.3)
        for _ in range(3):
            assert server.call("GET", "/health", "", headers={"connection": "close"}).status_code == 200
        for one in idle:
            one.settimeout(0.2)
        assert closed(idle[0])  # the oldest
        assert not closed(idle[-1])


def test_refused_live_sessions_whose_clients_answer_no_close_starve_nobody(tmp_path, session_environment):
    """Those of one address, by made-up nonces, kept everybody out: each held its place for 10 s."""
    settings = ServiceSettings(limits=LimitSettings(connections=2))
    with running(tmp_path / "store.db", settings) as server, ExitStack() as stack:
        refused = [stack.enter_context(live(server)) for _ in range(2)]
        for one in refused:
            one.sendall(frame(TEXT, b'{"user": "a", "nonce": "made up", "purpose": "verify"}'))
            heard = b""
            while b"NonceError" not in heard or not heard.endswith(b"\x88\x02\x03\xe8"):  # a close, code 1000
                heard += one.recv(1000)
        assert server.call("GET", "/health", "").status_code == 200
        for one in refused:
            one.settimeout(5)
            assert closed(one)


@pytest.mark.skipif(not os.path.exists("/proc/sys/net"), reason="only Linux has all of 127.0.0.0/8")
def test_live_sessions_under_way_are_not_given_up_for_a_newcomer(tmp_path, session_environment):
    settings = ServiceSettings(limits=LimitSettings(connections=2))
    picture = jpeg(np.zeros((240, 320, 3), np.uint8), 0.0)
    with running(tmp_path / "store.db", settings) as server, ExitStack() as stack:
        for _ in range(2):
            one = stack.enter_context(live(server, source="127.0.0.2"))
            one.sendall(frame(TEXT, b'{"purpose": "try"}') + frame(BINARY, picture))
            assert one.recv(1000)
        assert server.call("GET", "/health", "").status_code == 503


def test_a_body_under_way_is_not_given_up_for_a_client_of_the_same_address(tmp_path, session_environment):
    settings = ServiceSettings(limits=LimitSettings(connections=2))
    with running(tmp_path / "store.db", settings) as server, ExitStack() as stack:
        for _ in range(2):
            one = stack.enter_context(socket_to(server))
            one.sendall(
                "POST /v1/users/a/nonces HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                f"Authorization: Bearer {server.keys['verify']}\r\nContent-Length: 100\r\n\r\n{{".encode()
            )
        time.sleep(0.3)
        assert server.call("GET", "/health", "").status_code == 503


@pytest.mark.skipif(not os.path.exists("/proc/sys/net"), reason="only Linux has all of 127.0.0.0/8")
def test_bodies_of_one_address_keep_no_other_out(tmp_path, session_environment):
    settings = ServiceSettings(limits=LimitSettings(connections=3))
    with running(tmp_path / "store.db", settings) as server, ExitStack() as stack:
        host, port = server.url.removeprefix("http://").split(":")
        bodies = []
        for _ in range(3):
            one = socket.create_connection((host, int(port)), source_address=("127.0.0.2", 0), timeout=5)
            bodies.append(stack.enter_context(one))
            one.sendall(
                "POST /v1/users/a/nonces HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                f"Authorization: Bearer {server.keys['verify']}\r\nContent-Length: 100\r\n\r\n{{".encode()
            )
            time.sleep(0.1)
        assert server.call("GET", "/health", "").status_code == 200
        assert closed(bodies[0])


def test_made_up_keys_of_one_address_are_slowed_down_together(tmp_path, session_environment):
    settings = ServiceSettings(limits=LimitSettings(wrong_keys_per_minute=5))
    with running(tmp_path / "store.db", settings) as server:
        codes = []
        for number in range(8):
            head = {"authorization": f"Bearer fm_{number:08x}_madeup"}
            codes.append(server.call("GET", "/v1/models", "", headers=head).status_code)
        assert codes == [401] * 5 + [429] * 3
        assert server.call("GET", "/v1/models", "verify").status_code == 200


def still_open(clients: list[socket.socket]) -> int:
    """How many of connections the server hasn't closed; waits until no more are closed."""
    before = -1
    while True:
        time.sleep(0.3)
        count = 0
        for client in clients:
            client.setblocking(False)
            try:
                count += bool(client.recv(1))
            except BlockingIOError:
                count += 1
            except ConnectionError:
                pass
        if count == before:
            return count
        before = count


def test_connections_that_come_all_at_once_take_no_more_places(tmp_path, session_environment):
    """Each of them was let in for the same oldest one, which was closed once: a service held 1,500 of 200."""
    settings = ServiceSettings(limits=LimitSettings(connections=3))
    with running(tmp_path / "store.db", settings) as server, ExitStack() as stack:
        clients = [stack.enter_context(socket.socket()) for _ in range(60)]
        host, port = server.url.removeprefix("http://").split(":")
        for client in clients:
            client.setblocking(False)
            client.connect_ex((host, int(port)))
        assert still_open(clients) <= 3


def test_who_agrees_on_no_tls_keeps_nobody_out(tmp_path, session_environment):
    """Before that, connections had no part in any limit, and a minute."""
    chain, key = certificate(tmp_path)
    server_settings, limits = ServerSettings(tls_certificate=chain, tls_key=key), LimitSettings(connections=3)
    settings = ServiceSettings(server=server_settings, limits=limits)
    trusted = ssl.create_default_context(cafile=chain)
    with running(tmp_path / "store.db", settings) as server, ExitStack() as stack:
        host, port = server.url.removeprefix("https://").split(":")
        clients = [stack.enter_context(socket.create_connection((host, int(port)))) for _ in range(30)]
        with httpx.Client(base_url=server.url, verify=trusted) as honest:
            assert honest.get("/health").status_code == 200
        with connect(server.url.replace("https", "wss") + "/v1/live", ssl=trusted) as live_socket:
            live_socket.send("{}")
            assert "FormError" in live_socket.recv(timeout=20)
        assert still_open(clients) <= 3


def test_wrong_secrets_of_a_key_take_nothing_from_who_holds_it(tmp_path, session_environment):
    """The id of a key is no secret: by ten requests a second it was out of use for its address."""
    settings = ServiceSettings(limits=LimitSettings(requests_per_minute=3, wrong_keys_per_minute=100))
    with running(tmp_path / "store.db", settings) as server:
        wrong = {"Authorization": f"Bearer {server.keys['verify'][:12]}x"}
        assert [server.http.get("/v1/models", headers=wrong).status_code for _ in range(5)] == [401] * 5
        assert server.call("GET", "/v1/models", "verify").status_code == 200
