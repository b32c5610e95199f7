"""What is too big, too slow, too much or not a clip at all is refused with a body that says what to do."""

from __future__ import annotations

import json
import os
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from http.client import HTTPConnection
from pathlib import Path

import pytest

import facemotion
from facemotion.config import from_table
from facemotion.errors import SettingsError, WriteError
from facemotion.service.http.connections import PARTING_LEAST
from facemotion.service.http.server import serve
from facemotion.service.settings import LimitSettings, ServerSettings, ServiceSettings, check_exposure

from .conftest import form, running

MULTIPART = {"content-type": "multipart/form-data; boundary=b"}


def problem(answer, status: int, error: str) -> None:
    assert answer.status_code == status, answer.text
    body = answer.json()
    assert body["error"] == error
    assert body["message"].endswith(".")
    assert set(body) == {"error", "message", "retry_seconds"}


def test_a_body_past_the_limit_is_refused_with_and_without_its_length(tmp_path, session_environment):
    settings = ServiceSettings(limits=LimitSettings(body_mebibytes=0.5))
    with running(tmp_path / "store.db", settings) as server:
        problem(server.verify("alice", bytes(600_000)), 413, "BodyTooLargeError")
        nonce = server.nonce("alice")
        request = server.http.build_request("POST", "/v1/users/alice/verify", **form(nonce, clip=[bytes(600_000)]))
        body = request.read()

        def chunks():
            for start in range(0, len(body), 65536):
                yield body[start : start + 65536]

        head = {"content-type": request.headers["content-type"]}
        problem(server.call("POST", "/v1/users/alice/verify", content=chunks(), headers=head), 413, "BodyTooLargeError")
        problem(server.verify("alice", bytes(400_000), nonce=nonce), 422, "UnreadableMediaError")


@pytest.mark.parametrize(
    "body",
    [
        {"content": b""},
        {"json": {"nonce": "x"}},
        {"data": {"nonce": "x"}},
        {"files": [("clip", b"x")]},
        {"files": [("clip", b"x"), ("nonce", (None, b"x")), ("other", b"y")]},
        {"files": [("clip", b"x"), ("clip", b"x"), ("nonce", (None, b"x"))]},
        {"files": [("clip", b"x"), ("nonce", (None, b"x" * 300))]},
        {"files": [("clip", b"x"), ("nonce", (None, b"\xff"))]},
        {"files": [("clip", b"x")] * 40},
        {"content": b"--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--", "headers": MULTIPART},
        {"content": b"--b\r\nContent-Disposition: form-data; name=clip\r\n\r\nx", "headers": MULTIPART},
        {"content": b"nonsense", "headers": MULTIPART},
        {"content": b"nonsense", "headers": {"content-type": "multipart/form-data; boundary=" + "b" * 999}},
    ],
    ids=range(13),
)  # fmt: skip
def test_a_form_that_is_not_as_described(server, body):
    problem(server.call("POST", "/v1/users/alice/verify", **body), 422, "FormError")


@pytest.mark.parametrize("user", ["", "a/b", "..", ".", "%00", "a b", "é", "x" * 129, "%2e%2e%2fetc"])
def test_names_that_no_user_can_have(server, user):
    answer = server.call("POST", f"/v1/users/{user}/nonces", json={"purpose": "verify"})
    assert answer.status_code in (404, 405, 422)
    assert answer.json()["error"] == "FormError"


def test_wrong_json_is_named_without_repeating_it(server):
    for body in (
        {"purpose": "secret-word"},
        {"purpose": "verify", "more": "secret-word"},
        ["secret-word"],
        "secret-word",
    ):
        answer = server.call("POST", "/v1/users/alice/nonces", json=body)
        problem(answer, 422, "FormError")
        assert "secret-word" not in answer.text


def test_a_slow_upload_is_cut_off_and_its_seat_freed(tmp_path, talk, session_environment):
    settings = ServiceSettings(limits=LimitSettings(upload_seconds=2.5, concurrency=1, queue=0))
    with running(tmp_path / "store.db", settings) as server:
        address = server.url.removeprefix("http://").split(":")
        with socket.create_connection((address[0], int(address[1]))) as slow:
            slow.sendall(
                b"POST /v1/users/alice/verify HTTP/1.1\r\nHost: localhost\r\ncontent-length: 100000\r\n"
                b"content-type: multipart/form-data; boundary=b\r\n\r\n--b\r\n"
            )
            time.sleep(0.2)
            problem(server.verify("alice", talk[0]), 503, "BusyError")  # the only seat is the slow one's
            slow.settimeout(5)
            answer = b""
            while part := slow.recv(10000):
                answer += part
            assert answer.startswith(b"HTTP/1.1 408")
            assert b"UploadTimeoutError" in answer
        assert server.verify("alice", talk[0]).status_code == 200


def test_a_head_that_never_ends_is_cut_off(tmp_path, session_environment):
    settings = ServiceSettings(limits=LimitSettings(head_seconds=0.5, connections=3))
    with running(tmp_path / "store.db", settings) as server:
        host, port = server.url.removeprefix("http://").split(":")
        idle = [socket.create_connection((host, int(port))) for _ in range(3)]
        idle[0].sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
        for one in idle:
            one.settimeout(5)
            assert one.recv(1000) == b""  # closed for being slow
            one.close()
        assert server.call("GET", "/health", "").status_code == 200


@contextmanager
def body_under_way(server) -> Iterator[None]:
    """A connection that isn't idle."""
    head = (
        f"POST /v1/users/alice/nonces HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n"
        f"Authorization: Bearer {server.keys['verify']}\r\nContent-Type: application/json\r\n\r\n{{"
    )
    with sent(server, head.encode()):
        time.sleep(0.2)
        yield


def test_over_the_connection_limit_the_answer_is_http(tmp_path, session_environment):
    settings = ServiceSettings(limits=LimitSettings(connections=1))
    with running(tmp_path / "store.db", settings) as server:
        host, port = server.url.removeprefix("http://").split(":")
        with body_under_way(server):
            for _ in range(3):  # as many as come: one that parts takes nobody's place
                client = HTTPConnection(host, int(port), timeout=5)
                client.request("POST", "/v1/users/alice/verify", bytes(3_000_000))  # under way when the answer comes
                answer = client.getresponse()
                body = json.loads(answer.read())
                client.close()
                assert answer.status == 503
                assert answer.getheader("connection") == "close"
                assert int(answer.getheader("retry-after")) >= 1
                assert answer.getheader("content-type") == "application/json"
                assert (body["error"], body["retry_seconds"]) == ("BusyError", 2)
        for _ in range(100):
            if (after := server.call("GET", "/health", "")).status_code == 200:
                break
            time.sleep(0.05)
        assert after.status_code == 200


def test_over_the_connection_limit_head_is_answered_without_a_body(tmp_path, session_environment):
    settings = ServiceSettings(limits=LimitSettings(connections=1))
    with running(tmp_path / "store.db", settings) as server:
        host, port = server.url.removeprefix("http://").split(":")
        with body_under_way(server), ExitStack() as stack:
            parting, *_, more = (
                stack.enter_context(socket.create_connection((host, int(port)))) for _ in range(PARTING_LEAST + 1)
            )
            parting.sendall(b"HE")  # as slow as it may be
            assert more.recv(1000).startswith(b"HTTP/1.1 503")  # no room to wait for what it asks
            parting.sendall(b"AD /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
            parting.settimeout(5)
            answer = b""
            while part := parting.recv(1000):
                answer += part
        head, _, body = answer.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 503")
        assert b"retry-after: 2" in head
        assert body == b""


def test_a_full_bench_answers_busy_at_once_and_serves_whom_it_took(tmp_path, talk, session_environment):
    settings = ServiceSettings(limits=LimitSettings(concurrency=1, queue=1))
    with running(tmp_path / "store.db", settings) as server:
        nonces = [server.nonce(f"user{number}") for number in range(6)]
        answers = []

        def attempt(number: int) -> None:
            answers.append(server.verify(f"user{number}", talk[0], nonce=nonces[number]))

        threads = [threading.Thread(target=attempt, args=(number,)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        codes = sorted(answer.status_code for answer in answers)
        assert codes.count(200) >= 2
        assert set(codes) == {200, 503}
        busy = next(answer for answer in answers if answer.status_code == 503)
        problem(busy, 503, "BusyError")
        assert int(busy.headers["retry-after"]) >= 1


def test_a_hasty_caller_is_slowed_down_and_nobody_else(tmp_path, session_environment):
    settings = ServiceSettings(limits=LimitSettings(requests_per_minute=20))
    with running(tmp_path / "store.db", settings) as server:
        codes = [server.call("GET", "/v1/models", "verify").status_code for _ in range(25)]
        assert codes[:20] == [200] * 20
        assert codes[-1] == 429
        hasty = server.call("GET", "/v1/models", "verify")
        problem(hasty, 429, "RateError")
        assert server.call("GET", "/v1/models", "admin").status_code == 200
        assert server.call("GET", "/health", "").status_code == 200


def test_no_clip_touches_the_disk_and_no_log_repeats_it(tmp_path, talk, capsys, session_environment, monkeypatch):
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr("tempfile.tempdir", None)
    opened: list[str] = []
    before = {os.readlink(link) for link in Path("/proc/self/fd").iterdir() if link.is_symlink()}
    with running(tmp_path / "store.db") as server:
        watch = threading.Event()

        def look() -> None:
            while not watch.is_set():
                for link in Path("/proc/self/fd").iterdir():
                    try:
                        opened.append(os.readlink(link))
                    except OSError:
                        continue
                time.sleep(0.005)

        watcher = threading.Thread(target=look)
        watcher.start()
        big = talk[0] + bytes(3_000_000)  # past the megabyte at which multipart parsers usually go to disk
        assert server.enrol("alice", [big, talk[1]]).status_code == 201
        assert server.verify("alice", talk[2] + bytes(3_000_000)).status_code == 200
        watch.set()
        watcher.join()
    files = {name.removesuffix(" (deleted)") for name in set(opened) - before if name.startswith("/")}
    package = str(Path(facemotion.__file__).parent)  # read from, wherever it lies
    written = [n for n in files if n.startswith((str(tmp_path), tempfile.gettempdir())) and not n.startswith(package)]
    assert list(folder.iterdir()) == []
    written = [name for name in written if not Path(name).is_dir()]  # SQLite opens its folder to have it synced
    assert all("store.db" in name for name in written), written
    ours = [line for line in capsys.readouterr().err.splitlines() if " facemotion" in line or " uvicorn" in line]
    assert len(ours) >= 4
    for line in ours:
        assert "alice" not in line
        assert len(line) < 200


def test_where_no_temporary_file_can_be_made_the_service_says_what_to_set(tmp_path, session_environment, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "absent"))
    with pytest.raises(WriteError, match="TMPDIR"):
        serve(str(tmp_path / "s.db"), ServiceSettings(), pytest.fail)


def test_beyond_loopback_tls_and_a_key_are_needed():
    check_exposure(ServerSettings(), 0)
    check_exposure(ServerSettings(host="::1"), 0)
    for host in ("0.0.0.0", "192.0.2.1", "::", "example.com"):
        with pytest.raises(SettingsError, match="TLS"):
            check_exposure(ServerSettings(host=host), 1)
        with pytest.raises(SettingsError, match="key"):
            check_exposure(ServerSettings(host=host, tls_certificate="a", tls_key="b"), 0)
        check_exposure(ServerSettings(host=host, tls_certificate="a", tls_key="b"), 1)
        check_exposure(ServerSettings(host=host, tls_ended_by_proxy=True, keyless_on_loopback=False), 1)
    with pytest.raises(SettingsError, match="both"):
        check_exposure(ServerSettings(tls_certificate="a"), 1)


def test_behind_a_proxy_nobody_counts_as_somebody_on_this_machine():
    with pytest.raises(SettingsError, match="keyless_on_loopback = false"):
        from_table(ServerSettings, {"tls_ended_by_proxy": True})


def sent(server, head: bytes, *more: bytes) -> socket.socket:
    """A connection over which this was sent."""
    host, port = server.url.removeprefix("http://").split(":")
    one = socket.create_connection((host, int(port)))
    one.settimeout(5)
    for part in (head, *more):
        one.sendall(part)
    return one


def heard(one: socket.socket) -> bytes:
    """All that comes until the service closes."""
    answer = b""
    with suppress(ConnectionResetError):
        while part := one.recv(10000):
            answer += part
    return answer


@pytest.mark.parametrize(("key", "status"), [("fm_none_none", b"401"), ("", b"413")])
def test_a_json_body_has_a_size_and_is_not_read_for_strangers(server, key, status):
    key = key or server.keys["verify"]
    head = (
        f"POST /v1/users/alice/nonces HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\n"
        "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    with sent(server, head.encode(), b"2000\r\n" + b"[" * 0x2000 + b"\r\n") as one:  # and no end
        assert one.recv(10000).startswith(b"HTTP/1.1 " + status)


def test_a_json_body_that_never_ends_is_cut_off(tmp_path, session_environment):
    limits = LimitSettings(upload_seconds=0.5, head_seconds=0.5)
    with running(tmp_path / "store.db", ServiceSettings(limits=limits)) as server:
        head = (
            f"POST /v1/users/alice/nonces HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n"
            f"Authorization: Bearer {server.keys['verify']}\r\nContent-Type: application/json\r\n\r\n{{"
        )
        with sent(server, head.encode()) as one:
            answer = heard(one)
        assert answer.startswith(b"HTTP/1.1 408")
        assert b"UploadTimeoutError" in answer
        # A body that nobody waits for, sent on and on after the answer.
        with sent(server, b"GET /health HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n") as one:
            begin = time.monotonic()
            with suppress(OSError):
                while time.monotonic() < begin + 5:
                    one.sendall(b"1\r\na\r\n")
                    time.sleep(0.05)
            assert time.monotonic() < begin + 3


def test_a_json_body_is_sent_as_such(server):
    for kind in ("text/plain", "application/x-www-form-urlencoded", ""):
        answer = server.call(
            "POST", "/v1/users/alice/nonces", content=b'{"purpose": "verify"}', headers={"content-type": kind}
        )
        problem(answer, 422, "FormError")


def test_who_never_reads_is_cut_off(tmp_path, session_environment, monkeypatch):
    if not hasattr(socket, "TCP_USER_TIMEOUT"):
        pytest.skip("needs TCP_USER_TIMEOUT, which Linux alone has: elsewhere nothing cuts such a client off")
    monkeypatch.setattr("facemotion.service.http.connections.UNREAD_SECONDS", 1.0)

    def press(deaf: socket.socket) -> None:
        until = time.monotonic() + 15
        while time.monotonic() < until:
            with suppress(TimeoutError):  # what was asked for before isn't taken yet
                deaf.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n")

    with running(tmp_path / "store.db") as server:
        host, port = server.url.removeprefix("http://").split(":")
        with socket.socket() as deaf:
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            deaf.connect((host, int(port)))
            deaf.settimeout(0.5)
            with pytest.raises(ConnectionError):
                press(deaf)


def test_made_up_methods_are_counted_as_one(server):
    for number in range(3):
        server.call(f"MADEUP{number}", "/health", "")
    text = server.call("GET", "/metrics").text
    assert "MADEUP" not in text
    assert 'method="other"' in text
