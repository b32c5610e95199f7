"""Backups: all that a database holds of a store and its service, in one file, and back. Never a key.

The file is an SQLite store of its own, whatever the database is. So a backup of SQLite can be restored on PostgreSQL
and the reverse, and no other program is needed. Rows are copied as they are: encrypted values stay encrypted, and seals
can be checked with the store's key.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import (
    Column,
    Connection,
    Float,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    delete,
    exc,
    func,
    insert,
    select,
    table,
)
from sqlalchemy import inspect as look_into

from facemotion import __version__
from facemotion.errors import AuditError, BackupError, StoreCorruptError, WriteError
from facemotion.service import migrate
from facemotion.service.guard import audit
from facemotion.service.guard.auth import ApiKeys
from facemotion.service.guard.history import check_history, end_of_trail
from facemotion.service.sql_tables import audit as trail
from facemotion.service.sql_tables import charges, nonces, recordings, sessions
from facemotion.service.sql_tables import metadata as service_tables
from facemotion.store.base import name_forms
from facemotion.store.database import BUSY_SECONDS, Database, parse_url
from facemotion.store.driver_errors import named_errors
from facemotion.store.scrub import cut_log
from facemotion.store.sql import SqlStore
from facemotion.store.tables import metadata as store_tables
from facemotion.store.tables import store as stores
from facemotion.store.tables import templates, users
from facemotion.system.files import FULL, room_for, sync_folder, whole

ROWS_AT_ONCE = 500
PASSING = (nonces, sessions, charges)
"""Good for minutes, and left out: one that was used up since would be good again."""
_BESIDE = ("-wal", "-shm", "-journal")
_OURS = re.compile(r"facemotion_\w+")

# One row: what makes a file a backup. `rows` is a JSON object of the number of rows of each table.
backups = Table(
    "facemotion_backup",
    MetaData(),
    Column("one", Integer, primary_key=True, autoincrement=False),
    Column("made", Float, nullable=False),
    Column("version", String(64), nullable=False),
    Column("rows", Text, nullable=False),
)


@dataclass(frozen=True)
class Backup:
    """What a backup holds.

    Attributes:
        made: when it was begun, seconds since 1970, UTC; later changes aren't in it.
        version: of facemotion, by which it was made.
        rows: number of rows by table.
        head: digest of the newest row of the audit trail; "" where no service used the store.
    """

    made: float
    version: str
    rows: dict[str, int]
    head: str

    @property
    def users(self) -> int:
        """How many users it holds."""
        return self.rows.get(users.name, 0)

    @property
    def trail(self) -> int:
        """How many rows of the audit trail it holds."""
        return self.rows.get(trail.name, 0)


@dataclass(frozen=True)
class Restored:
    """What came of a restoration.

    Attributes:
        backup: as it was read.
        keys: API keys that are good now.
        refused: users whose rows were altered before the backup was made; they are still refused.
    """

    backup: Backup
    keys: int
    refused: tuple[str, ...]


def write_backup(store: str | Path, path: Path) -> Backup:
    """Write all that a store holds at one moment into a new file, while others go on using it. Needs no key.

    Args:
        store: path or URL.
        path: of the file, readable by its owner alone; it is there once it is whole.
    Raises:
        BackupError: there is such a file already.
        WriteError, StoreFullError: it can't be written.
        StoreError and its kinds: the store can't be read.
    """
    with closing(Database.open(store, make=False)) as source, room_for(path), _draft(path) as draft:
        if _is_served(source):
            migrate.upgrade(source)
        with closing(Database.open(draft, name=str(path))) as target:
            if _is_served(source):
                migrate.upgrade(target)
            with source.read() as reading, target.write() as writing:
                made = time.time()
                rows = _copy(source, reading, writing)
                head = end_of_trail(reading)[1] if trail.name in rows else ""
                backups.create(writing)
                row = {"one": 1, "made": made, "version": __version__, "rows": json.dumps(rows, sort_keys=True)}
                writing.execute(insert(backups).values(**row))
            _write_back(target)
    return Backup(made, __version__, rows, head)


def restore(path: Path, store: str | Path, *, key: str = "", expected: str = "") -> Restored:
    """Put back what a backup holds, into a store without content: all of it, or nothing.

    Args:
        path: of the backup, which is only read.
        store: path or URL; what isn't there is made.
        key: where the store's key is, see `facemotion.open_store`; everything is held to its seals.
        expected: digest of a row of the audit trail that the backup must lead through; "": none.
    Raises:
        BackupError: the file is no backup, or damaged; or the store holds something.
        WriteError: there is no room for a copy of the backup, which is made to read it.
        StoreKeyError: the key isn't the one that the store was written with.
        AuditError: the audit trail doesn't hold, or lacks the expected row.
        StoreError and its kinds: the store can't be written.
    """
    with _readable(path) as (source, backup), _unmade_where_it_fails(store), closing(Database.open(store)) as target:
        served = _is_served(source)
        if served:
            migrate.upgrade(target)
        with source.read() as reading, target.write() as writing:
            if not target.is_sqlite:
                writing.exec_driver_sql(f"LOCK TABLE {stores.name} IN EXCLUSIVE MODE")
            _refuse_content(target, writing)
            writing.execute(delete(stores))
            _copy(source, reading, writing)
            _go_on_counting(writing)
            opened = SqlStore(target, key)
            if served:
                audit.check(target, expected)
            elif expected:
                raise AuditError(f"{path} holds no audit trail that could lead through a digest.")
            refused = _refused(opened, writing, served)
            keys = ApiKeys(target).count_valid() if served else 0
            if _is_served(target):
                detail = {"made": backup.made, "users": backup.users}
                audit.append(target, audit.COMMAND_LINE, "restore", "", "done", detail)
    return Restored(backup, keys, refused)


def _is_served(database: Database) -> bool:
    """Whether a service's tables are there."""
    with database.read() as connection:
        return look_into(connection).has_table(trail.name)


def _copied() -> list[Table]:
    """The tables whose rows are kept, as this version of the code uses them."""
    return [where for where in (*store_tables.sorted_tables, *service_tables.sorted_tables) if where not in PASSING]


def _copy(source: Database, reading: Connection, writing: Connection) -> dict[str, int]:
    """Copy the rows of all tables that are in the source.

    Returns:
        Number of rows by table.
    """
    there = set(look_into(reading).get_table_names())
    counts = {}
    for where in _copied():
        if where.name not in there:
            continue
        counts[where.name] = 0
        with named_errors(source.name):
            result = reading.execute(select(where), execution_options={"yield_per": ROWS_AT_ONCE})
        while True:
            with named_errors(source.name):  # and not the target's
                rows = [dict(row) for row in result.mappings().fetchmany(ROWS_AT_ONCE)]
            if not rows:
                break
            try:
                writing.execute(insert(where), rows)
            except exc.StatementError as error:
                if isinstance(error, exc.DBAPIError):  # of the database that is written
                    raise
                words = f"A row of {where.name} in {source.name} is damaged; restore it from a backup."
                raise StoreCorruptError(words) from error
            counts[where.name] += len(rows)
    return counts


def _write_back(target: Database) -> None:
    """Bring what was written into the file itself: some of it stands in a log beside it, which isn't kept.

    Raises:
        StoreFullError: the disk has room for the log and not for the file. Closing would lose it without a word.
    """
    with named_errors(target.name):
        cut_log(target.engine, BUSY_SECONDS)  # nobody else has the file open, so nobody holds it up


@contextmanager
def _draft(path: Path) -> Iterator[Path]:
    """A file to write within, which takes its place at the end; what a killed process left of one is removed first.
    Two at once would write into one draft: the second waits for the first.

    Raises:
        BackupError: there is such a file already.
    """
    with _alone_in(path.parent):
        if path.exists():
            raise BackupError(f"{path} is there already; name a file that isn't.")
        with whole(path) as draft:
            beside = [draft.with_name(draft.name + end) for end in _BESIDE]
            for left in (draft, *beside):
                left.unlink(missing_ok=True)
            try:
                yield draft
            finally:
                for left in beside:
                    left.unlink(missing_ok=True)
        sync_folder(path.parent)


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """While no other process writes a backup into a folder. Windows locks no folders, nor do some file systems."""
    if sys.platform == "win32":
        yield
        return
    import fcntl

    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)  # ends the lock, too


@contextmanager
def _readable(path: Path) -> Iterator[tuple[Database, Backup]]:
    """A backup as a database, by a copy: one of an earlier version has to be brought up to date before it is read.

    Raises:
        BackupError, WriteError: see restore.
    """
    with TemporaryDirectory(prefix="facemotion-") as folder:
        copy = Path(folder) / "backup.db"
        try:
            shutil.copyfile(path, copy)
        except OSError as error:
            if error.errno in FULL:
                raise WriteError(
                    f"There is no room in {folder} for a copy of {path}, which is read from there; make room, or name "
                    "another folder as TMPDIR."
                ) from error
            raise BackupError(f"Can't read the backup {path}: {error.strerror}; name another file.") from error
        copy.chmod(0o600)
        backup = _told(copy, path)
        with closing(Database.open(copy, name=str(path))) as source:
            if _is_served(source):
                migrate.upgrade(source)
            yield source, backup


def _told(copy: Path, path: Path) -> Backup:
    """What a backup says of itself, held to what is in it.

    Args:
        copy: the file.
        path: what to call it.
    """
    damaged = f"{path} is damaged, or isn't what `facemotion backup` wrote; take another backup."
    try:
        with closing(sqlite3.connect(copy)) as connection:
            for pragma in ("trusted_schema=OFF", "cell_size_check=ON"):
                connection.execute(f"PRAGMA {pragma}")
            (sound,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
            itself = "SELECT made, version, rows FROM facemotion_backup"
            made, version, rows = connection.execute(itself).fetchone()
            counts = {name: int(count) for name, count in json.loads(rows).items() if _OURS.fullmatch(name)}
            found = {name: _count(connection, name) for name in counts}
            head = ""
            if trail.name in found:
                newest = select(trail.c.digest).order_by(trail.c.number.desc())
                head = (connection.execute(str(newest)).fetchone() or ("",))[0]
        backup = Backup(float(made), str(version), counts, str(head))
    except (sqlite3.Error, ValueError, TypeError, AttributeError) as error:
        raise BackupError(damaged) from error
    if sound != "ok" or found != counts:
        raise BackupError(damaged)
    return backup


def _count(connection: sqlite3.Connection, name: str) -> int:
    (count,) = connection.execute(str(select(func.count()).select_from(table(name)))).fetchone()
    return int(count)


@contextmanager
def _unmade_where_it_fails(store: str | Path) -> Iterator[None]:
    """Remove the file of a new SQLite store in which nothing was kept."""
    parsed = parse_url(store)
    path = Path(parsed.database or "") if parsed.get_backend_name() == "sqlite" else None
    there = path is None or path.exists()
    try:
        yield
    except BaseException:
        if path is not None and not there:
            path.unlink(missing_ok=True)
        raise


def _refuse_content(target: Database, connection: Connection) -> None:
    """
    Raises:
        BackupError: a store holds more than what it is.
    """
    there = set(look_into(connection).get_table_names())
    for where in (*store_tables.sorted_tables, *service_tables.sorted_tables):
        if where is not stores and where.name in there and connection.execute(select(where).limit(1)).first():
            raise BackupError(f"{target.name} isn't empty; restore into a new store, which `--store` names.")


def _go_on_counting(connection: Connection) -> None:
    """Let PostgreSQL number new recordings behind those that came with a number."""
    if connection.dialect.name == "postgresql" and look_into(connection).has_table(recordings.name):
        most = connection.scalar(select(func.max(recordings.c.number)))
        if most is not None:
            sequence = func.pg_get_serial_sequence(recordings.name, "number")
            connection.execute(select(func.setval(sequence, most)))


def _refused(store: SqlStore, connection: Connection, served: bool) -> tuple[str, ...]:
    """Users of whom what is stored isn't what was stored last; every template is decrypted."""
    names = {name_forms(name)[0] for name in connection.scalars(select(templates.c.user).distinct())}
    names |= set(connection.scalars(select(users.c.user)))
    refused = []
    for user in sorted(names):
        own = connection.execute(select(templates).where(templates.c.user.in_(name_forms(user)))).mappings().all()
        try:
            if served:
                check_history(store.database, connection, user)
            else:
                store.sealer.check_user(connection, user)
            for row in own:
                store.protector.check(dict(row))
        except StoreCorruptError:
            refused.append(user)
    return tuple(refused)
