"""Backups of a store and its service, restored on both databases."""

from __future__ import annotations

import json
import resource
import signal
import sqlite3
import stat
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import insert
from typer.testing import CliRunner

from facemotion.cli import app
from facemotion.cli.terminal.interrupt import cleared_up
from facemotion.errors import (
    AuditError,
    AuthenticationError,
    BackupError,
    NonceError,
    StoreCorruptError,
    StoreError,
    StoreFullError,
    StoreKeyError,
    WriteError,
)
from facemotion.service import migrate
from facemotion.service.backup import restore, write_backup
from facemotion.service.guard import audit
from facemotion.service.guard.attempts import Attempts
from facemotion.service.guard.auth import ApiKeys
from facemotion.service.guard.history import seal_recordings
from facemotion.service.settings import AttemptSettings
from facemotion.service.sql_tables import recordings
from facemotion.store import open_store
from facemotion.system.files import file_sha256, whole
from facemotion.types import Embedding

from .samples import make_template, turn_back
from .thief import put_back, state_of

KEPT = ("templates", "codes", "users", "service_keys", "service_failures", "service_recordings", "service_memories")


@pytest.fixture
def elsewhere(store_url, tmp_path, request) -> Callable[[], str]:
    """URL of an empty place for a store on the same kind of database; on PostgreSQL what was there before is gone."""

    def make() -> str:
        if store_url.startswith("sqlite"):
            return f"sqlite:///{tmp_path / 'elsewhere.db'}"
        return request.getfixturevalue("postgres").database()

    return make


def remember(database, user: str) -> None:
    """A recording of a user, as an attempt leaves it."""
    row = {"kind": "attempt", "secret_id": "s", "frames": b"f", "motion": bytes(range(256)), "at": time.time()}
    with database.write() as connection:
        connection.execute(insert(recordings).values(user=user, **row))
        seal_recordings(database, connection, user)
        audit.append(database, "k", "verify", user, "rejected")


@pytest.fixture
def served(store_url) -> dict[str, Any]:
    """What is known of a store with two users, two keys, one of them revoked, a failure and a nonce."""
    with migrate.open_served(store_url) as store:
        audit.keep_journal(store)
        store.put(make_template("alice"), make_template("alice", "appearance", dimension=64, model_id="sface"))
        store.put(make_template("bob", seed=1))
        store.index()
        keys, attempts = ApiKeys(store.database), Attempts(store.database, AttemptSettings())
        good, gone = keys.add("door", "verify"), keys.add("old", "admin")
        with store.database.write():
            keys.revoke(gone.split("_")[1])
            audit.append(store.database, audit.COMMAND_LINE, "revoke key", "", "done")
        attempts.begin("bob", "verify", "k", attempts.issue("bob", "verify", "k"))
        remember(store.database, "alice")
        known = {"good": good, "gone": gone, "nonce": attempts.issue("bob", "verify", "k")}
        known |= {"state": state_of(store.database, *KEPT), "head": audit.check(store.database).head}
    return known


def test_what_is_restored_is_what_was_backed_up_under_seals_that_hold(served, store_url, elsewhere, tmp_path):
    made = write_backup(store_url, tmp_path / "backup.db")
    assert (made.users, made.trail, made.head) == (2, 4, served["head"])
    assert stat.S_IMODE((tmp_path / "backup.db").stat().st_mode) == 0o600
    there = elsewhere()
    done = restore(tmp_path / "backup.db", there, expected=served["head"])
    assert (done.backup, done.keys, done.refused) == (made, 1, ())
    with migrate.open_served(there) as store:
        database = store.database
        assert state_of(database, *KEPT) == served["state"]
        np.testing.assert_allclose(store.get("bob", "motion").vectors, make_template(seed=1).vectors, atol=1e-6)
        face = make_template("alice", "appearance", dimension=64, model_id="sface")
        probe = Embedding(face.vectors[0].copy(), face.model_id)
        assert [user for user, _ in store.search("appearance", probe)] == ["alice"]
        assert len(served["state"]["codes"]) == 1
        assert audit.check(database, served["head"]).rows == 5
        actions = [row.action for row in audit.read(database)]
        assert actions == ["enrol", "enrol", "revoke key", "verify", "restore"]
        assert ApiKeys(database).authenticate(served["good"]).name == "door"
        with pytest.raises(AuthenticationError):
            ApiKeys(database).authenticate(served["gone"])
        with pytest.raises(NonceError):
            Attempts(database, AttemptSettings()).begin("bob", "verify", "k", served["nonce"])
        remember(database, "alice")
        before = state_of(database, "templates")
        store.put(make_template("bob", seed=2))
        put_back(database, before)  # as somebody who can write the database
        with pytest.raises(StoreCorruptError, match="put back"):
            store.get("bob", "motion")


def test_of_two_backups_of_one_name_at_once_one_is_refused_and_the_other_is_whole(served, store_url, tmp_path):
    """Both wrote into one draft, and what was there at the end was half of a backup."""
    path, begin = tmp_path / "backup.db", threading.Barrier(2)

    def make(_: int) -> str:
        begin.wait()
        try:
            return write_backup(store_url, path).head
        except BackupError as error:
            return str(error)

    with ThreadPoolExecutor(2) as pool:
        ends = list(pool.map(make, range(2)))
    assert sorted(end == served["head"] for end in ends) == [False, True]
    assert any("is there already" in end for end in ends)
    restore(path, tmp_path / "back.db", expected=served["head"])


def test_a_store_moves_to_the_other_kind_of_database_and_back(served, store_url, tmp_path, postgres):
    write_backup(store_url, tmp_path / "one.db")
    there = postgres.database() if store_url.startswith("sqlite") else f"sqlite:///{tmp_path / 'moved.db'}"
    restore(tmp_path / "one.db", there)
    with migrate.open_database(there) as database:
        assert state_of(database, *KEPT) == served["state"]
        assert audit.check(database, served["head"]).rows == 5
    write_backup(there, tmp_path / "two.db")
    restore(tmp_path / "two.db", tmp_path / "back.db", expected=served["head"])
    with migrate.open_database(tmp_path / "back.db") as database:
        assert state_of(database, *KEPT) == served["state"]


def test_a_backup_is_of_one_moment_however_much_is_written_meanwhile(served, store_url, elsewhere, tmp_path):
    stop = threading.Event()

    def enrol() -> None:
        with migrate.open_served(store_url) as store:
            audit.keep_journal(store)
            seed = 0
            while not stop.wait(0.002):
                seed += 1
                store.put(make_template(f"user{seed % 3}", seed=seed, dimension=8))

    writer = threading.Thread(target=enrol)
    writer.start()
    try:
        for number in range(2):
            write_backup(store_url, tmp_path / f"{number}.db")
    finally:
        stop.set()
        writer.join()
    there = elsewhere()
    done = restore(tmp_path / "1.db", there, expected=served["head"])
    assert done.refused == ()


def test_no_key_is_in_a_backup_and_none_is_needed_for_it(store_url, elsewhere, tmp_path, monkeypatch):
    from facemotion.store.keys import KeyRing, new_key

    key = new_key()
    monkeypatch.setenv("FACEMOTION_STORE_KEY", key)
    with open_store(store_url) as store:
        store.put(make_template("alice"))
    monkeypatch.delenv("FACEMOTION_STORE_KEY")
    write_backup(store_url, tmp_path / "backup.db")
    content = (tmp_path / "backup.db").read_bytes()
    (secret,) = KeyRing.parse(key, "key").keys.values()
    assert secret not in content
    assert key.encode() not in content
    assert make_template("alice").vectors[0].tobytes()[:16] not in content
    there = elsewhere()
    with pytest.raises(StoreKeyError):
        restore(tmp_path / "backup.db", there)
    assert not (tmp_path / "elsewhere.db").exists()
    monkeypatch.setenv("FACEMOTION_STORE_KEY", key)
    assert restore(tmp_path / "backup.db", there).backup.users == 1
    with open_store(there) as store:
        assert store.get("alice", "motion").user == "alice"
        with pytest.raises(AuditError, match="no audit trail"):
            restore(tmp_path / "backup.db", tmp_path / "third.db", expected="0" * 64)


def test_nothing_is_restored_or_written_over(served, store_url, tmp_path):
    write_backup(store_url, tmp_path / "backup.db")
    content = (tmp_path / "backup.db").read_bytes()
    with pytest.raises(BackupError, match="there already"):
        write_backup(store_url, tmp_path / "backup.db")
    with pytest.raises(BackupError, match="isn't empty"):
        restore(tmp_path / "backup.db", store_url)
    assert (tmp_path / "backup.db").read_bytes() == content
    with migrate.open_database(store_url) as database:
        assert state_of(database, *KEPT) == served["state"]


def test_a_service_that_ran_once_leaves_a_store_to_restore_into(served, store_url, elsewhere, tmp_path):
    write_backup(store_url, tmp_path / "backup.db")
    there = elsewhere()
    with migrate.open_database(there):
        pass
    assert restore(tmp_path / "backup.db", there).backup.users == 2


def test_an_earlier_backup_in_a_later_ones_place_lacks_the_noted_digest(served, store_url, elsewhere, tmp_path):
    write_backup(store_url, tmp_path / "earlier.db")
    with migrate.open_database(store_url) as database:
        audit.append(database, "k", "verify", "alice", "rejected")
        noted = audit.check(database).head
    there = elsewhere()
    with pytest.raises(AuditError, match="expected digest"):
        restore(tmp_path / "earlier.db", there, expected=noted)
    assert not (tmp_path / "elsewhere.db").exists()
    with open_store(there) as store:  # of PostgreSQL; nothing was kept
        assert store.users() == []


def test_a_backup_that_breaks_off_leaves_nothing_and_the_next_one_is_whole(served, store_url, tmp_path):
    (tmp_path / "backup.db.part").write_bytes(b"left by one that was killed")
    (tmp_path / "backup.db.part-wal").write_bytes(b"left")
    with migrate.open_database(store_url) as database:
        failures = state_of(database, "service_failures")
        with database.write() as connection:  # a row that no table of ours takes
            if database.is_sqlite:
                connection.exec_driver_sql("UPDATE facemotion_service_failures SET latest = x'ff'")
            else:
                connection.exec_driver_sql("ALTER TABLE facemotion_service_failures RENAME COLUMN latest TO late")
    with pytest.raises(StoreError):
        write_backup(store_url, tmp_path / "backup.db")
    assert not list(tmp_path.glob("backup.db*"))
    with migrate.open_database(store_url) as database:
        if not database.is_sqlite:
            with database.write() as connection:
                connection.exec_driver_sql("ALTER TABLE facemotion_service_failures RENAME COLUMN late TO latest")
        put_back(database, failures)
    write_backup(store_url, tmp_path / "backup.db")
    assert [path.name for path in tmp_path.glob("backup.db*")] == ["backup.db"]


@pytest.mark.parametrize("people", [60, 20], ids=["for its log", "for the file besides its log"])
def test_a_disk_without_room_for_a_backup_is_named_and_left_as_it_was(people, tmp_path, small_disk):
    with open_store(tmp_path / "s.db") as store:
        store.put(*(make_template(f"user{number}", takes=20) for number in range(people)))
    with pytest.raises(StoreFullError, match=r"backup\.db can't be written"):
        write_backup(tmp_path / "s.db", small_disk / "backup.db")
    assert list(small_disk.iterdir()) == []


@pytest.mark.parametrize("size", [40_000, 150_000], ids=["for its tables", "for its rows"])
def test_a_backup_that_may_not_grow_is_named_and_nothing_is_left_of_it(size, tmp_path):
    with open_store(tmp_path / "s.db") as store:
        store.put(*(make_template(f"user{number}", takes=20) for number in range(20)))
    before = {path.name: file_sha256(path) for path in tmp_path.iterdir() if path.is_file()}
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limit[1]))
    try:
        done = CliRunner().invoke(app, ["backup", str(tmp_path / "backup.db"), "--store", str(tmp_path / "s.db")])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert isinstance(done.exception, StoreFullError | WriteError)
    assert "backup.db" in str(done.exception)
    assert "make room" in str(done.exception)
    assert {path.name: file_sha256(path) for path in tmp_path.iterdir() if path.is_file()} == before


def test_a_disk_without_room_for_the_copy_that_is_restored_from_is_named(tmp_path, small_disk, monkeypatch):
    with open_store(tmp_path / "s.db") as store:
        store.put(*(make_template(f"user{number}", takes=20) for number in range(40)))
    write_backup(tmp_path / "s.db", tmp_path / "backup.db")
    monkeypatch.setattr(tempfile, "tempdir", str(small_disk))
    with pytest.raises(WriteError, match="make room, or name another folder as TMPDIR"):
        restore(tmp_path / "backup.db", tmp_path / "new.db")
    assert list(small_disk.iterdir()) == []
    assert not (tmp_path / "new.db").exists()


def test_sigterm_ends_a_backup_as_an_exception_does(tmp_path):
    path = tmp_path / "half"
    before = signal.getsignal(signal.SIGTERM)

    def write() -> None:
        with cleared_up(), whole(path) as draft:
            draft.write_bytes(b"half")
            signal.raise_signal(signal.SIGTERM)

    with pytest.raises(SystemExit) as ended:
        write()
    assert ended.value.code == 143
    assert signal.getsignal(signal.SIGTERM) is before
    assert list(tmp_path.iterdir()) == []


def test_a_backup_behind_a_pooler_is_of_one_moment_too(pooled_url, tmp_path):
    with migrate.open_served(pooled_url) as store:
        audit.keep_journal(store)
        store.put(*(make_template(f"user{number}", dimension=8) for number in range(5)))
    made = write_backup(pooled_url, tmp_path / "backup.db")
    assert restore(tmp_path / "backup.db", tmp_path / "new.db", expected=made.head).refused == ()


def damage(path: Path, how: str) -> None:
    content = path.read_bytes()
    if how == "cut":
        path.write_bytes(content[: len(content) // 2])
    elif how == "text":
        path.write_text("no backup")
    elif how == "a store":
        path.unlink()
        open_store(path).close()
    else:
        connection = sqlite3.connect(path)
        connection.execute("DELETE FROM facemotion_templates")
        connection.commit()
        connection.close()


@pytest.mark.parametrize("how", ["cut", "text", "a store", "a row less"])
def test_what_is_no_whole_backup_is_refused(how, tmp_path):
    with open_store(tmp_path / "s.db") as store:
        store.put(make_template("alice"))
    write_backup(tmp_path / "s.db", tmp_path / "backup.db")
    damage(tmp_path / "backup.db", how)
    with pytest.raises(BackupError, match="damaged"):
        restore(tmp_path / "backup.db", tmp_path / "new.db")
    assert not list(tmp_path.glob("new.db*"))
    with pytest.raises(BackupError, match="Can't read"):
        restore(tmp_path / "nowhere.db", tmp_path / "new.db")


def test_who_was_altered_before_a_backup_is_named_and_stays_refused(served, store_url, elsewhere, tmp_path):
    with migrate.open_served(store_url) as store:
        audit.keep_journal(store)
        before = state_of(store.database, "templates")
        store.put(make_template("bob", seed=3))
        put_back(store.database, before)
    write_backup(store_url, tmp_path / "backup.db")
    there = elsewhere()
    assert restore(tmp_path / "backup.db", there).refused == ("bob",)
    with migrate.open_served(there) as store:
        assert store.get("alice", "motion").user == "alice"
        with pytest.raises(StoreCorruptError):
            store.get("bob", "motion")


def test_a_backup_of_an_earlier_version_is_brought_up_to_date_and_left_as_it_is(tmp_path):
    with open_store(tmp_path / "s.db") as store:
        store.put(make_template("alice"))
    path = tmp_path / "backup.db"
    write_backup(tmp_path / "s.db", path)
    with open_store(path) as store:
        turn_back(store.database)
    connection = sqlite3.connect(path)
    rows = json.dumps({"facemotion_store": 1, "facemotion_templates": 1})
    connection.execute("UPDATE facemotion_backup SET rows = ?", (rows,))
    connection.commit()
    connection.close()
    content = path.read_bytes()
    restore(path, tmp_path / "new.db")
    assert path.read_bytes() == content
    with open_store(tmp_path / "new.db") as store:
        assert store.get("alice", "motion").user == "alice"


def test_commands_back_up_and_restore(served, store_url, elsewhere, tmp_path):
    def run(*words: str) -> str:
        result = CliRunner().invoke(app, list(words))
        assert result.exit_code == 0, f"{result.output} {result.exception!r}"
        return result.stdout

    one, two = str(tmp_path / "one.db"), str(tmp_path / "two.db")
    assert served["head"] in run("backup", one, "--store", store_url)
    told = json.loads(run("backup", two, "--store", store_url, "--json"))
    assert (told["users"], told["head"]) == (2, served["head"])
    there = elsewhere()
    assert "Restored 2 users, 1 valid API keys" in run("restore", one, "--store", there)
    told = json.loads(run("restore", two, "--expect", told["head"], "--store", str(tmp_path / "new.db"), "--json"))
    assert (told["users"], told["keys"], told["refused"]) == (2, 1, [])
