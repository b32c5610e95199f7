"""Old rows of the audit trail go, and with them nothing by which a state that was put back is found out."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pytest
from sqlalchemy import delete
from typer.testing import CliRunner

from facemotion.cli import app
from facemotion.errors import AuditError, AuthenticationError, StoreCorruptError, StoreError, UsageError
from facemotion.service import migrate
from facemotion.service.guard import audit
from facemotion.service.guard.auth import ApiKeys
from facemotion.service.guard.history import check_history
from facemotion.service.http.app import _look_after_trail
from facemotion.service.metrics import Metrics
from facemotion.store import open_store
from facemotion.store.sql import SqlStore

from .samples import make_template
from .test_backup import remember
from .thief import put_back, state_of

OF_USERS = ("templates", "users", "service_recordings", "service_memories")


@pytest.fixture
def store(store_url) -> Iterator[SqlStore]:
    with migrate.open_served(store_url) as opened:
        audit.keep_journal(opened)
        yield opened


def fill(store: SqlStore, names: str) -> float:
    """A row about each name; the moment after them."""
    for name in names:
        audit.append(store.database, "k door", "verify", f"user-{name}", "rejected")
    return time.time()


def hold(store: SqlStore, user: str) -> None:
    with store.database.read() as connection:
        check_history(store.database, connection, user)


def look_after(store: SqlStore, metrics: Metrics, keep_days: int) -> None:
    """What a service does about its trail when it starts."""

    async def begin() -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(_look_after_trail(store.database, metrics, keep_days), 0.5)

    asyncio.run(begin())


def test_rows_before_a_moment_go_and_the_rest_is_checked_from_there(store, store_url, monkeypatch):
    monkeypatch.setattr(audit, "PRUNED_AT_ONCE", 2)
    moment = fill(store, "abcde")
    fill(store, "fg")
    before = audit.read(store.database)
    assert audit.older_rows(store.database, moment) == 5
    assert audit.prune(store.database, moment) == 5
    rows = audit.read(store.database)
    assert rows[:2] == before[5:]
    assert [(row.number, row.action, row.actor) for row in rows[2:]] == [(8, "prune", "command line")]
    report = audit.check(store.database)
    assert (report.rows, report.pruned) == (3, 5)
    for noted in (before[4].digest, before[6].digest):
        assert audit.check(store.database, noted) == report
    with pytest.raises(AuditError, match="or that row was pruned"):
        audit.check(store.database, before[3].digest)
    assert audit.prune(store.database, moment) == 0
    assert audit.check(store.database) == report
    if store.database.is_sqlite:
        path = Path(store_url.removeprefix("sqlite:///"))
        assert b"user-c" not in b"".join(file.read_bytes() for file in path.parent.glob("store.db*"))


def test_other_rows_are_still_only_added_to(store):
    moment = fill(store, "ab")
    fill(store, "c")
    audit.prune(store.database, moment)
    table = "facemotion_service_audit"
    for statement in (f"DELETE FROM {table} WHERE number = 3", f"UPDATE {table} SET outcome = 'x'"):
        with pytest.raises(StoreError, match="only added to"), store.database.write() as connection:
            connection.exec_driver_sql(statement)


def test_who_is_enrolled_or_was_deleted_is_not_put_back_after_their_rows_went(store):
    database = store.database
    store.put(make_template("alice"), make_template("bob", seed=1))
    remember(database, "alice")
    early = state_of(database, *OF_USERS)
    store.put(make_template("alice", seed=2))
    remember(database, "alice")
    audit.append(database, "k", "verify", "alice", "accepted")
    store.delete("bob")
    audit.prune(database, time.time())
    late = state_of(database, *OF_USERS)
    assert [(row.action, row.user) for row in audit.read(database)] == [("prune", ""), ("carry over", "alice")]
    hold(store, "alice")
    put_back(database, early)
    for user in ("alice", "bob"):
        with pytest.raises(StoreCorruptError, match="put back to an earlier state"):
            hold(store, user)
    put_back(database, late)
    store.put(make_template("carol"))
    with open_store(database.name if not database.is_sqlite else f"sqlite:///{database.name}") as without_journal:
        without_journal.put(make_template("dave"))
    audit.prune(database, time.time())
    for user in ("alice", "carol", "dave"):
        hold(store, user)


def test_many_who_are_idle_are_carried_over_a_few_at_a_time(store, monkeypatch):
    monkeypatch.setattr(audit, "CARRIED_AT_ONCE", 2)
    store.put(*(make_template(f"user{number}", dimension=8) for number in range(5)))
    audit.prune(store.database, time.time())
    rows = [(row.action, row.user) for row in audit.read(store.database)]
    assert rows == [("prune", ""), *(("carry over", f"user{number}") for number in range(5))]
    assert audit.check(store.database).pruned == 5


def test_a_revoked_key_stays_revoked_after_its_rows_went(store):
    keys = ApiKeys(store.database)
    key = keys.add("door", "verify")
    early = state_of(store.database, "service_keys", "service_memories")
    keys.revoke(key.split("_")[1])
    audit.append(store.database, "k", "revoke key", "", "done")
    fill(store, "a")
    audit.prune(store.database, time.time())
    put_back(store.database, early)
    with pytest.raises(AuthenticationError):
        keys.authenticate(key)


def test_where_the_trail_begins_can_not_be_altered(store):
    moment = fill(store, "ab")
    later = fill(store, "cd")
    audit.prune(store.database, moment)
    early = state_of(store.database, "service_start")
    audit.prune(store.database, later)
    (row,) = state_of(store.database, "service_start")["service_start"]
    put_back(store.database, early)
    with pytest.raises(AuditError, match="Row 3 of the audit trail is missing"):
        audit.check(store.database)
    put_back(store.database, {"service_start": []})
    with pytest.raises(AuditError, match="Row 1 of the audit trail is missing"):
        audit.check(store.database)
    put_back(store.database, {"service_start": [row | {"floor": row["floor"] - 1}]})
    for ask in (audit.check, lambda database: audit.prune(database, time.time())):
        with pytest.raises(AuditError, match="begins was altered"):
            ask(store.database)
    store.rotate()  # seals what is sound anew, and this isn't
    with pytest.raises(AuditError, match="begins was altered"):
        audit.check(store.database)


def test_a_trail_that_does_not_hold_is_not_pruned(store):
    fill(store, "abc")
    if store.database.is_sqlite:
        drop = "DROP TRIGGER facemotion_service_audit_delete"
    else:
        drop = "DROP TRIGGER facemotion_service_audit_kept ON facemotion_service_audit"
    with store.database.write() as connection:
        connection.exec_driver_sql(drop)
        connection.execute(delete(audit.table).where(audit.table.c.number == 1))
    with pytest.raises(AuditError, match="Row 1 of the audit trail is missing"):
        audit.prune(store.database, time.time())
    look_after(store, metrics := Metrics(), 1)
    assert "facemotion_trail_faults_total 1\n" in metrics.text({})
    assert [row.number for row in audit.read(store.database)] == [2, 3]


def test_a_service_prunes_what_is_older_than_its_setting(store, monkeypatch):
    with monkeypatch.context() as then:
        then.setattr(audit, "time", SimpleNamespace(time=lambda: time.time() - 86400 * 3))
        fill(store, "abc")
    fill(store, "d")

    look_after(store, Metrics(), 4)
    assert audit.check(store.database).pruned == 0
    look_after(store, Metrics(), 2)
    assert [(row.number, row.actor, row.action) for row in audit.read(store.database)] == [
        (4, "k door", "verify"),
        (5, "service", "prune"),
    ]


def test_the_command_asks_before_it_prunes(store, store_url, monkeypatch):
    with monkeypatch.context() as then:
        then.setattr(audit, "time", SimpleNamespace(time=lambda: time.time() - 86400 * 3))
        fill(store, "abc")
    words = ["audit", "prune", "--days", "2", "--store", store_url]
    assert isinstance(CliRunner().invoke(app, [*words, "--json"]).exception, UsageError)
    asked = CliRunner().invoke(app, words, input="n\n")
    assert (asked.exit_code, "Remove 3 rows" in asked.stdout) == (2, True)
    assert json.loads(CliRunner().invoke(app, [*words, "--yes", "--json"]).stdout) == {"pruned": 3}
    told = CliRunner().invoke(app, ["audit", "check", "--store", store_url]).stdout
    assert "The trail holds: 1 rows behind 3 that were pruned" in told
