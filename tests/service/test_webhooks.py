"""Results reach the webhook of the settings: itself, as often as it takes, and of sessions that nobody ended too."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import insert, select

from facemotion.errors import SettingsError
from facemotion.service.guard import audit
from facemotion.service.guard import sessions as guard_sessions
from facemotion.service.guard.attempts import Attempts
from facemotion.service.guard.auth import Caller
from facemotion.service.guard.sessions import MOST_HOOKS, Sessions
from facemotion.service.http import webhooks
from facemotion.service.http.messages import SessionResult
from facemotion.service.migrate import open_database
from facemotion.service.settings import AttemptSettings, SessionSettings
from facemotion.service.sql_tables import sessions as table
from facemotion.store.database import Database

from .webhook_receiver import SECRET, Receiver

DOOR = Caller("k", "door", "enrol")


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with open_database(tmp_path / "store.db") as opened:
        yield opened


@pytest.fixture
def settings(tmp_path: Path, hook: Receiver, monkeypatch: pytest.MonkeyPatch) -> SessionSettings:
    """Of sessions whose results go to `hook`, three times at most."""
    monkeypatch.setattr(webhooks, "POLL_SECONDS", 0.02)
    (tmp_path / "secret").write_bytes(SECRET)
    return SessionSettings(
        webhook=f"http://127.0.0.1:{hook.server_port}/hook",
        webhook_secret=str(tmp_path / "secret"),
        webhook_tries=3,
        webhook_wait_seconds=0.05,
    )


@pytest.fixture
def sessions(database: Database, settings: SessionSettings) -> Sessions:
    return Sessions(database, settings, Attempts(database, AttemptSettings()))


def ended(sessions: Sessions) -> str:
    """The id of a session whose user went back."""
    session, token = sessions.make(DOOR, "alice", "verify", "", "", "")
    sessions.end(sessions.open(token)[1])
    return session


def delivered(sessions: Sessions, settings: SessionSettings, hook: Receiver, times: int) -> list[str]:
    """Send what is due until so many requests came; the session of each."""

    async def until_then() -> list[str]:
        sending = asyncio.create_task(webhooks.Webhooks(sessions, settings).run())
        came = [await asyncio.to_thread(hook.came.get, timeout=20) for _ in range(times)]
        await asyncio.sleep(0.5)  # nothing more comes
        sending.cancel()
        return [json.loads(body)["session"] for _, body in came]

    return asyncio.run(until_then())


def test_a_webhook_is_asked_itself_by_no_proxy_and_not_where_it_redirects_to(sessions, settings, hook, monkeypatch):
    for name in ("HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    session = ended(sessions)
    hook.answers[session] = [302]
    assert delivered(sessions, settings, hook, times=2) == [session] * 2
    assert hook.came.empty()


def test_a_webhook_that_never_takes_a_result_is_given_up_and_the_trail_says_so(sessions, settings, hook, database):
    session = ended(sessions)
    hook.answers[session] = [500] * 3
    assert delivered(sessions, settings, hook, times=3) == [session] * 3
    assert hook.came.empty()  # nothing is sent any more
    last = audit.read(database, 0, 100, True)[-1]
    assert (last.action, last.outcome) == ("session", "not delivered")
    assert json.loads(last.detail) == {"session": session, "tries": 3, "problem": "status 500"}


@pytest.mark.parametrize(
    ("address", "problem"),
    [("http://127.0.0.1:9/hook", "ConnectError"), ("https://256.256.256.256/hook", "InvalidURL")],
)
def test_a_webhook_that_is_not_there_is_given_up_too(address, problem, settings, database, hook):
    gone = replace(settings, webhook=address, webhook_tries=1)
    ended(Sessions(database, gone, Attempts(database, AttemptSettings())))
    unreached = Sessions(database, gone, Attempts(database, AttemptSettings()))
    delivered(unreached, gone, hook, times=0)
    last = audit.read(database, 0, 100, True)[-1]
    assert (last.outcome, json.loads(last.detail)["problem"]) == ("not delivered", problem)


def test_a_result_that_can_not_be_told_keeps_no_other_back(sessions, settings, hook, database, monkeypatch):
    """Nothing was sent any more until the service was started again, and then until it came to that session."""
    monkeypatch.setattr(guard_sessions, "MOST_HOOKS", 1)  # one after the other
    strange = ended(sessions)
    with database.write() as connection:
        sessions.note(connection, strange, "accepted", {})
        row = connection.execute(select(table).where(table.c.id == strange)).mappings().one()
        detail = json.dumps(json.loads(row["detail"]) | {"factors": ["of another version"]})
        database.sealer.write(connection, table, dict(row) | {"detail": detail})
    other = ended(sessions)
    assert delivered(sessions, settings, hook, times=1) == [other]


def test_an_expired_session_is_sent_to_the_webhook_once_whatever_the_clocks_of_servers_say(database, monkeypatch):
    settings = SessionSettings(session_seconds=60, result_seconds=1, webhook="http://127.0.0.1/", webhook_secret="x")
    sessions = Sessions(database, settings, Attempts(database, AttemptSettings()))
    session, _ = sessions.make(DOOR, "alice", "verify", "", "", "")
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 63)  # another server's clock may be slower
    assert sessions.claim_hooks(10) == []
    sessions.tidy()  # what is to be sent yet isn't forgotten
    monkeypatch.setattr(time, "time", lambda: now + 66)
    (due,) = sessions.claim_hooks(10)
    assert (due.id, due.status) == (session, "expired")
    result = SessionResult.of(due, told=True).result
    assert result is not None
    assert (result.accepted, result.reason) == (False, "expired")
    sessions.settle_hook(session, "")
    monkeypatch.setattr(time, "time", lambda: now + 100)
    assert sessions.claim_hooks(10) == []
    sessions.tidy()
    with pytest.raises(Exception, match="no such session"):
        sessions.read(DOOR, session, "")


def test_sessions_that_somebody_wrote_into_the_database_hold_no_result_up(database, settings, sessions):
    """They came first for ever, as many as are sent at a time."""
    session = ended(sessions)
    with database.write() as connection:
        row = connection.execute(select(table).where(table.c.id == session)).mappings().one()
        forged = [dict(row) | {"id": f"forged {number}", "hook_due": 1.0} for number in range(MOST_HOOKS)]
        connection.execute(insert(table), forged)
    claimed = [one.id for _ in range(2) for one in sessions.claim_hooks(60)]
    assert claimed == [session]


def test_a_secret_that_is_short_or_missing_is_refused(tmp_path):
    (tmp_path / "short").write_bytes(b"short\n")
    for name, words in (("short", "openssl rand"), ("missing", "can't be read")):
        with pytest.raises(SettingsError, match=words):
            webhooks.read_secret(str(tmp_path / name))
