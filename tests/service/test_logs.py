"""The log: a line a request, with its id and the name of its error, as text or JSON, without names of users."""

from __future__ import annotations

import json
import logging
import sys
import time

import pytest
from websockets.sync.client import connect

from facemotion.service.guard.sessions import Sessions
from facemotion.service.http.access_log import JsonLines, WithRequestId, logging_config
from facemotion.service.settings import ServiceSettings, SessionSettings

from .conftest import running


@pytest.fixture
def lines(server):
    """What the service logs from now on, as JSON."""
    logger = logging.getLogger("facemotion")
    written: list[dict] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            written.append(json.loads(self.format(record)))

    handler = Keep()
    handler.setFormatter(JsonLines())
    handler.addFilter(WithRequestId())
    logger.addHandler(handler)
    yield written
    logger.removeHandler(handler)


def logged(lines: list[dict], **wanted: object) -> dict:
    """The line with these fields; a request is logged a moment after its answer."""
    for _ in range(200):
        for line in lines:
            if wanted.items() <= line.items() and "route" in line:
                return line
        time.sleep(0.01)
    raise AssertionError(f"no line has {wanted}: {lines}")


def test_work_beside_the_requests_that_ends_by_a_fault_is_logged(tmp_path, session_environment, monkeypatch, capfd):
    """Results of sessions were no longer sent, and nothing said so."""
    (tmp_path / "secret").write_text(32 * "s", "utf-8")
    hook = SessionSettings(webhook="http://localhost:9/hook", webhook_secret=str(tmp_path / "secret"))
    monkeypatch.setattr(Sessions, "claim_hooks", lambda *_: 1 / 0)
    with running(tmp_path / "store.db", ServiceSettings(sessions=hook)):
        said = ""
        for _ in range(300):
            said += capfd.readouterr().err
            if "restart the service" in said:
                break
            time.sleep(0.01)
    assert "ended by a fault; restart the service" in said
    assert "ZeroDivisionError" in said


@pytest.mark.parametrize(
    ("method", "path", "role", "status", "error"),
    [
        ("DELETE", "/v1/users/somebody", "admin", 404, "UnknownUserError"),
        ("GET", "/v1/users", "", 403, "RightsError"),
        ("POST", "/v1/users/some body/nonces", "admin", 422, "FormError"),
        ("GET", "/nowhere/somebody", "admin", 404, "FormError"),
        ("GET", "/health", "", 200, None),
    ],
)
def test_a_request_is_logged_by_the_id_that_its_answer_carries_and_the_name_of_its_error(
    server, lines, method, path, role, status, error
):
    answer = server.call(method, path, role)
    line = logged(lines, request_id=answer.headers["x-request-id"])
    assert (line["method"], line["status"], line["error"]) == (method, status, error)
    assert "somebody" not in json.dumps(lines)


def test_the_id_of_a_proxy_is_taken_over_unless_it_could_write_lines_of_its_own(server, lines):
    answer = server.call("GET", "/health", "", headers={"x-request-id": "edge-1.a_b"})
    assert answer.headers["x-request-id"] == "edge-1.a_b"
    assert logged(lines, request_id="edge-1.a_b")["route"] == "/health"
    for odd in ("a b", "x" * 65, '{"level"'):
        answer = server.call("GET", "/health", "", headers={"x-request-id": odd})
        assert len(answer.headers["x-request-id"]) == 16


def test_a_live_session_that_is_refused_has_a_line_too(server, lines):
    with connect(server.url.replace("http", "ws") + "/v1/live") as socket:
        socket.send('{"user": "somebody", "nonce": "made-up", "purpose": "verify"}')
        assert json.loads(socket.recv())["error"] == "NonceError"
        with pytest.raises(Exception, match="1000"):
            socket.recv()
    assert logged(lines, method="WS")["error"] == "NonceError"


def test_a_line_of_json_holds_a_fault_whole_and_text_is_one_line_with_the_id():
    try:
        raise ValueError("of no user")
    except ValueError:
        record = logging.LogRecord("facemotion", logging.ERROR, "", 0, "Unexpected %s", ("error",), sys.exc_info())
    line = JsonLines().format(record)
    assert "\n" not in line
    told = json.loads(line)
    assert (told["level"], told["message"], "of no user" in told["exception"]) == ("ERROR", "Unexpected error", True)
    text = logging.Formatter(logging_config("text")["formatters"]["text"]["format"])
    record.exc_info = record.exc_text = None
    WithRequestId().filter(record)
    assert text.format(record).endswith("ERROR facemotion - Unexpected error")
