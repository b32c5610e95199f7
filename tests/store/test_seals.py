"""Who can write the database but lacks the key: what they put in, take out or put back is found out."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select, text
from tests.service.conftest import Server, running
from typer.testing import CliRunner

from facemotion.cli import app
from facemotion.errors import (
    AuthenticationError,
    NonceError,
    StoreCorruptError,
    StoreKeyError,
    StoreUnavailableError,
    UsageError,
)
from facemotion.service import migrate
from facemotion.service.guard import audit
from facemotion.service.guard.attempts import Attempts
from facemotion.service.guard.auth import ApiKeys
from facemotion.service.settings import AttemptSettings
from facemotion.store import open_store
from facemotion.store.seals import personal_tables
from facemotion.store.sql import SqlStore

from .postgres import Postgres
from .samples import make_template
from .thief import put_back, state_of


@pytest.fixture
def store(store_url) -> Iterator[SqlStore]:
    with open_store(store_url) as opened:
        yield opened


def test_a_template_put_back_or_taken_away_is_refused(store):
    store.put(make_template("alice", seed=1), make_template("alice", "appearance", seed=2))
    before = state_of(store.database, "templates")
    store.put(make_template("alice", seed=3))
    assert len(store.get("alice", "motion").vectors) == 3
    put_back(store.database, before)
    with pytest.raises(StoreCorruptError, match="altered, removed or put back"):
        store.get("alice", "motion")
    put_back(store.database, {"templates": before["templates"][:1]})  # without the face
    with pytest.raises(StoreCorruptError):
        store.get("alice", "motion")
    store.delete("alice")
    store.put(make_template("alice", seed=4))
    assert store.get("alice", "motion").user == "alice"


def test_a_seal_that_is_gone_or_made_up_is_none(store):
    store.put(make_template("alice"))
    before = state_of(store.database, "users")
    for change in ({"seal": b"x" * 32}, {"generation": before["users"][0]["generation"] + 5}, {"seal": None}):
        put_back(store.database, {"users": [before["users"][0] | change]})
        with pytest.raises(StoreCorruptError):
            store.get("alice", "motion")
    put_back(store.database, {"users": []})
    with pytest.raises(StoreCorruptError):
        store.get("alice", "motion")


def test_a_rotation_seals_anew_what_is_sound_and_nothing_else(store, store_url):
    with migrate.open_database(store_url) as database:
        key = ApiKeys(database).add("door", "verify")
        audit.append(database, "k", "verify", "alice", "rejected")
    audit.keep_journal(store)
    store.put(make_template("alice", seed=1), make_template("bob", seed=2))
    before = state_of(store.database, "templates")
    store.put(make_template("bob", seed=3))
    put_back(store.database, before)
    store.rotate()
    assert store.get("alice", "motion").user == "alice"
    with pytest.raises(StoreCorruptError):
        store.get("bob", "motion")
    with migrate.open_database(store_url) as database:
        assert ApiKeys(database).authenticate(key).name == "door"
        assert audit.check(database).rows == 5
        audit.append(database, "k", "verify", "alice", "rejected")


def test_a_key_that_was_put_in_or_changed_opens_nothing(store_url):
    with migrate.open_database(store_url) as database:
        keys = ApiKeys(database)
        text_of_it = keys.add("door", "verify")
        (row,) = state_of(database, "service_keys")["service_keys"]
        for change in ({"role": "admin"}, {"seal": None}, {"id": "00000001"}, {"name": "other"}):
            put_back(database, {"service_keys": [row | change]})
            with pytest.raises(AuthenticationError):
                keys.authenticate(text_of_it.replace(row["id"], change.get("id", row["id"])))
            assert keys.count_valid() == 0
            assert keys.list()[0].sealed is False
        put_back(database, {"service_keys": [row]})
        assert keys.authenticate(text_of_it).role == "verify"
        keys.revoke(row["id"])
        late = state_of(database, "service_keys")
        for change in ({"revoked": None}, row):  # as it is, or as it was with its seal
            put_back(database, {"service_keys": [late["service_keys"][0] | change]})
            with pytest.raises(AuthenticationError):
                keys.authenticate(text_of_it)
            assert keys.count_valid() == 0
        put_back(database, late)
        other = keys.add("other", "verify")
        assert keys.authenticate(other).name == "other"


def test_a_revoked_key_put_back_with_every_seal_opens_nothing(command, store_url):
    key = command("keys", "add", "door", "--role", "verify")["key"]
    command("keys", "revoke", command("keys", "add", "first", "--role", "verify")["key"].split("_")[1])
    with migrate.open_database(store_url) as database:
        before = state_of(database, "service_keys", "service_memories")
        assert ApiKeys(database).authenticate(key).name == "door"
        command("keys", "revoke", key.split("_")[1])
        put_back(database, before)
        with pytest.raises(AuthenticationError):
            ApiKeys(database).authenticate(key)


def test_a_nonce_that_was_put_in_is_none(store_url):
    with migrate.open_database(store_url) as database:
        attempts = Attempts(database, AttemptSettings())
        nonce = attempts.issue("alice", "verify", "k")
        (row,) = state_of(database, "service_nonces")["service_nonces"]
        for change in ({"purpose": "enrol-again"}, {"user": "bob"}, {"key_id": ""}, {"seal": None}):
            forged = row | change
            put_back(database, {"service_nonces": [forged]})
            with pytest.raises(NonceError):
                attempts.begin(forged["user"], forged["purpose"], None, nonce)
        put_back(database, {"service_nonces": [row]})
        assert attempts.begin("alice", "verify", None, nonce).key_id == "k"


def test_a_key_is_made_with_the_store_key_alone(store_url, monkeypatch):
    with migrate.open_database(store_url):
        pass
    monkeypatch.setenv("FACEMOTION_STORE_KEY", "env:NOWHERE")
    with pytest.raises(StoreKeyError), migrate.open_database(store_url):
        pass


@pytest.fixture
def served(store_url, session_environment) -> Iterator[Server]:
    with running(store_url) as server:
        yield server


OF_USERS = ("templates", "users", "service_recordings", "service_memories")


def outcome(server: Server, user: str, clip: bytes) -> str:
    answer = server.verify(user, clip)
    server.call("POST", f"/v1/users/{user}/unlock")
    return answer.json()["evidence"]["outcome"] if answer.status_code == 200 else str(answer.status_code)


@pytest.mark.long
def test_nothing_of_a_user_is_put_back_or_forgotten_unnoticed(served, film):
    first, second = [[film("talk", seed + n) for n in range(2)] for seed in (50, 53)]
    probe = film("talk", 52)
    assert served.enrol("alice", first).status_code == 201
    with migrate.open_database(served.store) as database:
        early = state_of(database, *OF_USERS)
        assert outcome(served, "alice", probe) == "accepted"
        late = state_of(database, *OF_USERS)
        put_back(database, {"service_recordings": early["service_recordings"]})  # the attempt never was
        assert outcome(served, "alice", probe) == "500"
        put_back(database, {name: early[name] for name in OF_USERS[2:]})  # with its seal
        assert outcome(served, "alice", probe) == "500"
        put_back(database, late)
        assert outcome(served, "alice", probe) == "replay"
        assert served.enrol("alice", second, "PUT").status_code == 200
        put_back(database, late)  # the old motion, whole, with every seal
        assert outcome(served, "alice", film("talk", 55)) == "500"
        assert served.call("DELETE", "/v1/users/alice").status_code == 204
        put_back(database, late)
        assert outcome(served, "alice", film("talk", 58)) == "500"
        assert served.call("DELETE", "/v1/users/alice").status_code == 204
    assert served.enrol("alice", second).status_code == 201
    assert outcome(served, "alice", film("talk", 58)) == "accepted"


@pytest.mark.long
def test_a_trail_that_was_cut_stops_the_service_until_somebody_with_the_key_takes_it_for_right(served, talk):
    with migrate.open_database(served.store) as database:
        assert outcome(served, "alice", talk[0]) == "unknown user"
        with database.write() as connection:
            if database.is_sqlite:
                connection.exec_driver_sql("DROP TRIGGER facemotion_service_audit_delete")
            else:
                connection.exec_driver_sql("DROP TRIGGER facemotion_service_audit_kept ON facemotion_service_audit")
            newest = "SELECT max(number) FROM facemotion_service_audit"
            connection.exec_driver_sql(f"DELETE FROM facemotion_service_audit WHERE number = ({newest})")
    assert served.verify("alice", talk[1]).status_code == 500
    assert CliRunner().invoke(app, ["store", "seal", "--yes", "--store", str(served.store)]).exit_code == 0
    assert outcome(served, "alice", talk[1]) == "unknown user"


def test_what_a_command_changes_is_in_the_trail(command, store_url):
    added = command("keys", "add", "door", "--role", "admin")
    key = added["key"].split("_")[1]
    with open_store(store_url) as store:
        store.put(make_template("alice"))
    command("store", "revoke", "alice")
    command("store", "rotate")
    command("forget", "alice", "--yes")
    command("keys", "revoke", key)
    rows = command("audit", "show")["rows"]
    assert [row["action"] for row in rows] == ["add key", "revoke", "rotate", "delete", "revoke key"]
    assert {row["actor"] for row in rows} == {"command line"}
    assert json.loads(rows[0]["detail"]) == {"key": key, "name": "door", "role": "admin"}
    assert command("audit", "check")["rows"] == 5


PRUNING_UNDONE = (
    "DROP TRIGGER facemotion_service_audit_unchanged ON facemotion_service_audit",
    "DROP TRIGGER facemotion_service_audit_kept ON facemotion_service_audit",
    "DROP FUNCTION facemotion_service_audit_keep",
    "CREATE TRIGGER facemotion_service_audit_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON facemotion_service_audit "
    "FOR EACH STATEMENT EXECUTE FUNCTION facemotion_service_audit_refuse()",
)
"""Of PostgreSQL; SQLite's trigger is made anew."""


def test_keys_of_an_earlier_version_count_once_they_are_sealed(command, store_url):
    with migrate.open_database(store_url) as database:
        key = ApiKeys(database).add("old", "verify")
        audit.append(database, "k", "verify", "alice", "rejected")
        with database.write() as connection:  # as the version before left it
            for statement in (
                "ALTER TABLE facemotion_service_keys DROP COLUMN seal",
                "ALTER TABLE facemotion_service_nonces DROP COLUMN seal",
                "ALTER TABLE facemotion_service_nonces DROP COLUMN session",
                *(PRUNING_UNDONE if not database.is_sqlite else ()),
                "DROP TABLE facemotion_service_start",
                "DROP TABLE facemotion_service_sessions",
                "DROP TABLE facemotion_service_renewals",
                "DROP TABLE facemotion_service_charges",
                "DROP TABLE facemotion_service_memories",
                "DROP TABLE facemotion_service_head",
                "UPDATE facemotion_service_version SET version_num = 's0001'",
            ):
                connection.exec_driver_sql(statement)
    with migrate.open_database(store_url) as database, pytest.raises(AuthenticationError):
        ApiKeys(database).authenticate(key)
    assert command("keys", "list")["keys"][0]["sealed"] is False
    new = command("keys", "add", "new", "--role", "verify")["key"]
    with migrate.open_database(store_url) as database:
        assert ApiKeys(database).authenticate(new).name == "new"
        assert audit.check(database).rows == 2
    without_yes = CliRunner().invoke(app, ["store", "seal", "--store", store_url, "--json"])
    assert isinstance(without_yes.exception, UsageError)
    refused = CliRunner().invoke(app, ["store", "seal", "--store", store_url], input="n\n")
    assert (refused.exit_code, "old" in refused.stdout) == (2, True)
    assert command("store", "seal", "--yes")["keys"] == [key.split("_")[1]]
    with migrate.open_database(store_url) as database:
        assert ApiKeys(database).authenticate(key).name == "old"


def files_of(request: pytest.FixtureRequest, store_url: str) -> bytes:
    """Every byte of the database's files; of PostgreSQL but for its write-ahead log."""
    if store_url.startswith("sqlite"):
        return b"".join(
            path.read_bytes() for path in Path(store_url.removeprefix("sqlite:///")).parent.glob("store.db*")
        )
    server: Postgres = request.getfixturevalue("postgres")
    import psycopg

    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute("CHECKPOINT")
    return b"".join(path.read_bytes() for path in (server.folder / "data" / "base").rglob("*") if path.is_file())


@pytest.mark.long
def test_of_a_user_who_is_deleted_nothing_is_left_in_the_files(served, talk, request):
    def marks() -> list[bytes]:
        with migrate.open_database(served.store) as database:
            state = state_of(database, "templates", "service_recordings")
        return [row["payload"] for row in state["templates"]] + [row["motion"] for row in state["service_recordings"]]

    assert served.enrol("alice", talk[:2]).status_code == 201
    served.verify("alice", talk[2])
    served.nonce("alice")
    written = marks()
    assert len(written) == 4
    assert any(mark[:60] in files_of(request, str(served.store)) for mark in written)
    result = CliRunner().invoke(app, ["forget", "alice", "--yes", "--store", str(served.store)])
    assert result.exit_code == 0, result.output
    left = files_of(request, str(served.store))
    assert not [mark for mark in written if mark[:60] in left]
    with migrate.open_database(served.store) as database, database.read() as connection:
        for where in personal_tables(connection):
            assert connection.execute(select(where).where(where.c.user == "alice")).all() == [], where.name
    assert outcome(served, "alice", talk[3]) == "unknown user"  # a name that nobody has leaves no recording
    assert marks() == []


def test_a_deletion_that_must_wait_for_a_reader_says_so_and_is_finished_later(tmp_path, caplog):
    path = tmp_path / "store.db"
    with open_store(path) as store, open_store(path) as other:
        store.put(make_template("alice"))
        with other.database.read() as reader:
            reader.execute(text("SELECT count(*) FROM facemotion_templates")).all()
            with caplog.at_level(logging.WARNING):
                store.delete("alice")
            assert "`facemotion store scrub` removes them" in caplog.text
            assert store.database.unscrubbed
            with pytest.raises(StoreUnavailableError, match="try again"):
                store.scrub()
        assert Path(f"{path}-wal").stat().st_size > 0
        result = CliRunner().invoke(app, ["store", "scrub", "--store", str(path), "--json"])
        assert json.loads(result.stdout) == {"scrubbed": True}
        assert Path(f"{path}-wal").stat().st_size == 0
        store.scrub()
        assert not store.database.unscrubbed


def test_a_read_sees_one_state_however_often_others_write_meanwhile(store_url):
    with open_store(store_url) as store, open_store(store_url) as other:
        store.put(make_template("alice"))
        count = text("SELECT count(*) FROM facemotion_templates")
        with store.database.read() as connection:
            before = store.sealer.check_user(connection, "alice")
            other.put(make_template("alice", seed=1), make_template("bob"))
            assert connection.execute(count).scalar_one() == 1
            assert store.sealer.check_user(connection, "alice") == before
        assert len(store.users()) == 2


def test_a_deletion_that_an_older_transaction_can_see_is_finished_when_that_has_ended(postgres, request, caplog):
    url = postgres.database()
    with open_store(url) as store, open_store(url) as other:
        store.put(make_template("alice"))
        (row,) = state_of(store.database, "templates")["templates"]
        with other.database.engine.connect().execution_options(isolation_level="REPEATABLE READ") as reader:
            assert reader.execute(text("SELECT count(*) FROM facemotion_templates")).scalar_one() == 1
            with caplog.at_level(logging.WARNING):
                store.delete("alice")
            assert "`facemotion store scrub` removes them" in caplog.text
            with pytest.raises(StoreUnavailableError, match="try again"):
                store.scrub()
        store.scrub()
        assert row["payload"][:60] not in files_of(request, url)


def test_files_that_anybody_may_write_are_named(tmp_path, caplog):
    with open_store(tmp_path / "store.db"):
        pass
    settings = tmp_path / "config.toml"
    settings.write_text("[verifier]\n")
    for path in (tmp_path / "store.db", settings):
        path.chmod(0o666)
    from facemotion.config import load_settings

    load_settings(settings)
    with open_store(tmp_path / "store.db"):
        pass
    assert f"Anybody on this machine may write the settings file {settings}" in caplog.text
    assert f"Anybody on this machine may write the store {tmp_path / 'store.db'}" in caplog.text
