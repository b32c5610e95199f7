"""Rows of sessions that somebody puts back, who can write the database but lacks the key."""

from __future__ import annotations

from typing import Literal

import pytest

from facemotion.errors import CodeError, SessionError
from facemotion.service import migrate
from facemotion.service.guard import audit
from facemotion.service.guard.attempts import Attempts
from facemotion.service.guard.auth import KEYLESS
from facemotion.service.guard.sessions import Sessions
from facemotion.service.settings import AttemptSettings, SessionSettings
from facemotion.store.database import Database

from .thief import put_back, state_of

SESSIONS = ("service_sessions",)


def test_a_session_that_was_put_back_is_none(store_url):
    """A used code was good again, and an ended session opened again with all its tries."""
    back = "https://shop.example.com/back"
    with migrate.open_database(store_url) as database:
        attempts = Attempts(database, AttemptSettings())
        sessions = Sessions(database, SessionSettings(return_addresses=(back,)), attempts)
        session, address = sessions.make(KEYLESS, "alice", "verify", back, "", "")
        made = state_of(database, *SESSIONS)
        _, page = sessions.open(address)
        opened = state_of(database, *SESSIONS)
        put_back(database, made)
        with pytest.raises(SessionError):
            sessions.open(address)
        put_back(database, opened)
        assert attempt(database, sessions, session, "rejected") == "rejected"
        rejected = state_of(database, *SESSIONS)
        put_back(database, opened)
        with pytest.raises(SessionError):
            sessions.nonce(page)
        put_back(database, rejected)
        code = sessions.end(page).code
        ended = state_of(database, *SESSIONS)
        put_back(database, rejected)
        with pytest.raises(SessionError):
            sessions.nonce(page)
        put_back(database, ended)
        assert sessions.read(KEYLESS, session, code)[1]
        put_back(database, ended)
        with pytest.raises(SessionError):
            sessions.read(KEYLESS, session, code)


def attempt(database: Database, sessions: Sessions, session: str, reason: Literal["accepted", "rejected"]) -> str:
    """What an attempt leaves behind; gives how the session stands."""
    with database.write() as connection:
        sessions.note(connection, session, reason, {})
        audit.append(database, "k", "verify", "alice", reason, {"session": session})
    return sessions.read(KEYLESS, session, "")[0].reason


def test_an_attempt_that_ends_after_its_session_and_a_wrong_code_leave_its_result(store_url):
    back = "https://shop.example.com/back"
    with migrate.open_database(store_url) as database:
        settings = SessionSettings(return_addresses=(back,))
        sessions = Sessions(database, settings, Attempts(database, AttemptSettings()))
        session, address = sessions.make(KEYLESS, "alice", "verify", back, "", "")
        page = sessions.open(address)[1]
        assert attempt(database, sessions, session, "accepted") == "accepted"
        assert attempt(database, sessions, session, "rejected") == "accepted"
        code = sessions.end(page).code
        with pytest.raises(CodeError):
            sessions.read(KEYLESS, session, "made up")
        result, told = sessions.read(KEYLESS, session, code)
        assert (result.accepted, told, result.detail) == (True, True, {})
