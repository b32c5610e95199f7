"""Rows of the database that were put back in part: the trail of an earlier day, and what everybody has of today."""

from __future__ import annotations

import pytest

from facemotion.errors import AuditError, AuthenticationError
from facemotion.service import migrate
from facemotion.service.backup import restore, write_backup
from facemotion.service.guard import audit
from facemotion.service.guard.auth import ApiKeys
from facemotion.service.http.server import serve
from facemotion.service.settings import ServiceSettings
from facemotion.store import open_store

from .samples import make_template
from .thief import State, put_back, state_of

PART = ("service_audit", "service_head", "service_keys", "service_memories")
"""What somebody puts back who wants a revoked key to be good again, and leaves everybody else as they are."""
UNGUARDED = {
    "sqlite": ("DROP TRIGGER facemotion_service_audit_delete", "DROP TRIGGER facemotion_service_audit_update"),
    "postgresql": ("DROP TRIGGER facemotion_service_audit_kept ON facemotion_service_audit",),
}


def journaled(store_url: str, *users: str, gone: str = "") -> None:
    """Enrol users, and delete one, as the commands do."""
    with open_store(store_url) as store:
        audit.keep_journal(store)
        for seed, user in enumerate(users):
            store.put(make_template(user, seed=seed))
        if gone:
            store.delete(gone)


def rolled_back(command, store_url: str) -> tuple[str, State]:
    """A revoked key and a deleted user, with the trail that knows nothing of it; and what was there before."""
    key = command("keys", "add", "eve", "--role", "admin")["key"]
    journaled(store_url, "alice", "eve")
    with migrate.open_database(store_url) as database:
        early = state_of(database, *PART, "templates", "users")
        of_eve = {name: [row for row in early[name] if row["user"] == "eve"] for name in ("templates", "users")}
        command("keys", "revoke", key.split("_")[1])
        journaled(store_url, "alice", "bob", gone="eve")
        late = state_of(database, *PART, "templates", "users")
        with database.write() as connection:
            for statement in UNGUARDED[connection.dialect.name]:
                connection.exec_driver_sql(statement)
        put_back(database, {name: early[name] for name in PART})
        put_back(database, {name: late[name] + rows for name, rows in of_eve.items()})
    return key, late


def test_a_trail_put_back_with_a_part_of_the_rest_is_found_out(command, store_url, tmp_path):
    """It ended as it was left, and what everybody has was newer than it knows: nobody looked."""
    key, late = rolled_back(command, store_url)
    with migrate.open_database(store_url) as database:
        assert ApiKeys(database).authenticate(key).role == "admin"
        with pytest.raises(AuditError, match="'alice' is newer than the audit trail knows"):
            audit.check(database)
        audit.append(database, "k", "verify", "alice", "accepted")  # an attempt hides nothing
        put_back(database, {"users": [row for row in late["users"] if row["user"] != "bob"]})
        with pytest.raises(AuditError, match="newer than the audit trail knows.*store seal"):
            audit.check(database)
    with pytest.raises(AuditError, match="newer than the audit trail knows"):
        serve(store_url, ServiceSettings(), print)
    write_backup(store_url, tmp_path / "b.db")
    with pytest.raises(AuditError, match="newer than the audit trail knows"):
        restore(tmp_path / "b.db", tmp_path / "restored.db")
    assert not (tmp_path / "restored.db").exists()
    command("store", "seal", "--yes")
    assert command("audit", "check")["rows"] > 0


def test_a_running_service_takes_no_key_once_the_trail_was_put_back(command, store_url, caplog):
    """The fault before: the revoked key was good again until the next start, or for a day."""
    key = command("keys", "add", "eve", "--role", "admin")["key"]
    other = command("keys", "add", "door", "--role", "verify")["key"]
    with migrate.open_database(store_url) as database:
        running, early = ApiKeys(database), state_of(database, *PART)
        command("keys", "revoke", key.split("_")[1])
        assert running.authenticate(other).name == "door"
        with database.write() as connection:
            for statement in UNGUARDED[connection.dialect.name]:
                connection.exec_driver_sql(statement)
        put_back(database, early)
        audit.append(database, "k", "verify", "zoe", "rejected")  # the trail is as long as it was, and then longer
        for text in (key, other):
            with pytest.raises(AuthenticationError):
                running.authenticate(text)
        assert "The audit trail was put back" in caplog.text


def test_a_user_whom_an_earlier_trail_never_knew_is_found_out(command, store_url):
    _, late = rolled_back(command, store_url)
    with migrate.open_database(store_url) as database:
        put_back(database, {name: [r for r in late[name] if r["user"] == "bob"] for name in ("templates", "users")})
        audit.append(database, "k", "verify", "zoe", "rejected")  # whatever is noted next, it is still newer
        with pytest.raises(AuditError, match="'bob' is newer than the audit trail knows"):
            audit.check(database)


def test_users_of_before_there_was_a_trail_are_taken_as_they_are(command, store_url):
    with open_store(store_url) as store:
        store.put(make_template("alice"))
    command("keys", "add", "door", "--role", "verify")
    assert command("audit", "check")["rows"] == 1
