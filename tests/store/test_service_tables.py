"""The service's own tables, on SQLite and on PostgreSQL."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from tests.service.conftest import running

from facemotion.errors import (
    AuthenticationError,
    CodeError,
    LockedError,
    NonceError,
    RateError,
    SessionError,
    StoreError,
)
from facemotion.service import migrate
from facemotion.service.guard import audit
from facemotion.service.guard.attempts import Attempts, Ticket
from facemotion.service.guard.auth import KEYLESS, ApiKeys, Caller
from facemotion.service.guard.sessions import Sessions
from facemotion.service.settings import AttemptSettings, SessionSettings
from facemotion.service.sql_tables import metadata
from facemotion.store.database import Database
from facemotion.store.scrub import PERSONAL
from facemotion.store.seals import KEPT
from facemotion.store.tables import metadata as store_metadata


def test_the_tables_are_those_of_the_code_and_made_once(store_url):
    def make(_: int) -> None:
        with migrate.open_database(store_url):
            pass

    with ThreadPoolExecutor(4) as pool:  # several workers start at once
        list(pool.map(make, range(4)))
    with migrate.open_database(store_url) as database, database.read() as connection:
        options = {
            "version_table": migrate.VERSION_TABLE,
            "include_name": lambda name, kind, _: kind != "table" or name.startswith("facemotion_service_"),
        }
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, metadata) == []


def test_every_table_with_rows_of_persons_is_written_anew_once_one_is_deleted():
    """Vectors that waited for a renewal, and names, stayed in the files of PostgreSQL."""
    ours = [*store_metadata.sorted_tables, *metadata.sorted_tables]
    assert {where.name for where in ours if "user" in where.c} - set(KEPT) == set(PERSONAL)


def test_what_is_written_anew_is_there_and_has_a_key_to_be_ordered_by(store_url):
    with migrate.open_served(store_url) as store:
        assert store.database.scrub(rewrite=True)


@pytest.fixture
def attempts(store_url) -> Iterator[tuple[Attempts, Database]]:
    with migrate.open_database(store_url) as database:
        yield Attempts(database, AttemptSettings(open_nonces=100)), database


def begin(attempts: Attempts, user: str) -> Ticket:
    return attempts.begin(user, "verify", "k", attempts.issue(user, "verify", "k"))


def test_nonces_and_failures_hold_with_many_at_once(attempts):
    attempts, _ = attempts
    nonces = [attempts.issue("alice", "verify", "k") for _ in range(12)]
    passed: list[str] = []

    def attempt(nonce: str) -> None:
        try:
            assert attempts.begin("alice", "verify", "k", nonce).key_id == "k"
        except (LockedError, NonceError):
            return
        passed.append(nonce)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(attempt, nonces * 2))
    assert len(passed) == len(set(passed)) == 5
    assert attempts.state("alice").failures == 5


def test_no_user_has_more_open_nonces_and_sessions_than_the_settings_let_however_many_ask_at_once(store_url):
    with migrate.open_served(store_url) as store:
        attempts = Attempts(store.database, AttemptSettings(open_nonces=3))
        sessions, door = (
            Sessions(store.database, SessionSettings(open_sessions=3), attempts),
            Caller("k", "door", "enrol"),
        )
        refused: list[str] = []

        def ask(number: int) -> None:
            try:
                if number % 2:
                    attempts.issue("alice", "verify", "k")
                else:
                    sessions.make(door, "alice", "verify", "", "", "")
            except RateError:
                refused.append("nonces" if number % 2 else "sessions")

        with ThreadPoolExecutor(6) as pool:
            list(pool.map(ask, range(24)))
    assert {what: 12 - refused.count(what) for what in ("nonces", "sessions")} == {"nonces": 3, "sessions": 3}


def test_a_key_that_hoards_a_users_nonces_and_sessions_keeps_neither_other_keys_nor_their_sessions_out(store_url):
    with migrate.open_served(store_url) as store:
        attempts = Attempts(store.database, AttemptSettings(open_nonces=2))
        sessions = Sessions(store.database, SessionSettings(open_sessions=2), attempts)
        site, hoarder = KEYLESS, Caller("hoarder", "hoarder", "enrol")
        _, address = sessions.make(site, "alice", "verify", "", "", "")
        _, page = sessions.open(address)
        for _ in range(2):
            attempts.issue("alice", "verify", hoarder.key_id)
            sessions.make(hoarder, "alice", "verify", "", "", "")
        with pytest.raises(RateError):
            attempts.issue("alice", "verify", hoarder.key_id)
        with pytest.raises(RateError):
            sessions.make(hoarder, "alice", "verify", "", "", "")
        attempts.issue("alice", "verify", site.key_id)
        sessions.make(site, "alice", "verify", "", "", "")
        first, _ = sessions.nonce(page)
        latest = [sessions.nonce(page)[0] for _ in range(3)][-1]  # a session has one: nobody hoards by its page
        with pytest.raises(NonceError):
            attempts.begin("alice", "verify", None, first)
        assert attempts.begin("alice", "verify", None, latest).session


def test_all_keys_together_have_ten_times_the_nonces_of_one(store_url):
    with migrate.open_database(store_url) as database:
        attempts = Attempts(database, AttemptSettings(open_nonces=1))
        for number in range(10):
            attempts.issue("alice", "verify", f"k{number}")
        with pytest.raises(RateError):
            attempts.issue("alice", "verify", "another")
        attempts.issue("bob", "verify", "another")


def test_an_unlocked_user_has_no_failures(attempts):
    attempts, database = attempts
    begin(attempts, "alice")
    assert attempts.state("alice").failures == 1
    with database.write() as connection:
        attempts.unlock(connection, "alice")
    assert attempts.state("alice").failures == 0


def test_a_failure_that_is_forgiven_leaves_the_one_before(attempts):
    attempts, database = attempts
    first, second = begin(attempts, "bob"), begin(attempts, "bob")
    assert 0 < first.charged == second.before
    with database.write() as connection:
        attempts.forgive(connection, "bob", second)
    assert begin(attempts, "bob").before == first.charged


def test_an_address_and_a_code_are_good_once_with_many_at_once(store_url):
    door = Caller("k", "door", "verify")
    settings = SessionSettings(return_addresses=("https://a.example.com/",), webhook="https://a.example.com/hook",
                               webhook_secret="secret")  # fmt: skip
    with migrate.open_database(store_url) as database:
        sessions = Sessions(database, settings, Attempts(database, AttemptSettings()))
        session, address = sessions.make(door, "alice", "verify", "https://a.example.com/", "", "s")

        def good(work: Callable[[], object]) -> object:
            try:
                return work()
            except (SessionError, CodeError):
                return None

        with ThreadPoolExecutor(4) as pool:
            opened = list(pool.map(lambda _: good(lambda: sessions.open(address)), range(4)))
            ((_, token),) = [one for one in opened if one]
            code = sessions.end(token).code
            read = list(pool.map(lambda _: good(lambda: sessions.read(door, session, code)), range(4)))
            ((found, told),) = [one for one in read if one]
            sent = [one for many in pool.map(lambda _: sessions.claim_hooks(60), range(4)) for one in many]
        assert (found.reason, told, [one.id for one in sent]) == ("cancelled", True, [session])
        assert audit.check(database).rows == 7  # made, opened, cancelled, and four that asked


def test_the_audit_trail_is_one_chain_and_only_added_to(store_url):
    with migrate.open_database(store_url) as database:

        def note(number: int) -> None:
            audit.append(database, "k", "verify", f"user{number}", "rejected", {"score": number / 3})

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(note, range(12)))
        assert audit.check(database).rows == 12
        for statement in ("UPDATE facemotion_service_audit SET outcome = 'x'", "DELETE FROM facemotion_service_audit"):
            with pytest.raises(StoreError, match="only added to"), database.write() as connection:
                connection.exec_driver_sql(statement)


def test_a_key_is_known_by_its_text_until_it_is_revoked(store_url):
    with migrate.open_database(store_url) as database:
        keys = ApiKeys(database)
        caller = keys.authenticate(keys.add("door", "verify"))
        assert keys.caller_of(caller.key_id) == caller
        assert (caller.name, caller.role, keys.count_valid()) == ("door", "verify", 1)
        keys.revoke(caller.key_id)
        assert keys.count_valid() == 0
        with pytest.raises(AuthenticationError):
            keys.caller_of(caller.key_id)


def test_a_service_whose_database_is_away_is_not_ready_and_names_no_address(postgres, pooler, capsys):
    url = pooler.database(postgres)
    with running(url) as server:
        assert server.call("GET", "/ready", "").status_code == 200
        postgres.stop()
        try:
            answers = [server.call("GET", "/ready", ""), server.call("GET", "/v1/users")]
            assert server.call("GET", "/health", "").status_code == 200
        finally:
            postgres.start()
        for answer in answers:
            assert (answer.status_code, answer.json()["error"]) == (503, "StoreUnavailableError")
            for secret in ("postgres", "facemotion@", "127.0.0.1", str(postgres.port), str(pooler.port)):
                assert secret not in answer.text
        for _ in range(50):  # PgBouncer logs in again after a second
            if server.call("GET", "/ready", "").status_code == 200:
                break
            time.sleep(0.1)
        assert server.call("GET", "/ready", "").status_code == 200
    assert f"127.0.0.1:{pooler.port}" in capsys.readouterr().err  # whoever looks after it needs it


class Meeting:
    """A detector that finds nothing, and makes two attempts wait for each other once it was told to."""

    def __init__(self) -> None:
        self.barrier = threading.Barrier(2)
        self.armed = False

    def is_attack(self, pictures, features) -> bool:
        if self.armed:
            self.barrier.wait(timeout=30)
        return False


@pytest.mark.long
def test_one_recording_by_two_attempts_at_once_is_accepted_once(store_url, film, session_environment):
    """Both looked for earlier recordings before either was kept."""
    meeting = Meeting()
    with running(store_url, detector=meeting) as server:
        assert server.enrol("alice", [film("talk", seed) for seed in (56, 57)]).status_code == 201
        clip, nonces = film("talk", 58), [server.nonce("alice") for _ in range(2)]
        meeting.armed = True
        with ThreadPoolExecutor(2) as pool:
            answers = list(pool.map(lambda nonce: server.verify("alice", clip, nonce=nonce), nonces))
    assert sorted(answer.json()["evidence"]["outcome"] for answer in answers) == ["accepted", "replay"]
