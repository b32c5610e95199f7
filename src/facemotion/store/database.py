"""One database, SQLite or PostgreSQL: connections, transactions and the schema's version."""

from __future__ import annotations

import logging
import os
import re
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy
from sqlalchemy import Connection, Engine, event, exc
from sqlalchemy.engine import URL, make_url

from facemotion.errors import (
    MissingExtraError,
    StoreError,
    StoreFullError,
    StoreKeyError,
)
from facemotion.store import schema
from facemotion.store.driver_errors import named_errors
from facemotion.store.scrub import cut_log, vacuum
from facemotion.store.scrub import rewrite as rewrite_tables
from facemotion.system.files import warn_if_anybody_writes

if TYPE_CHECKING:
    from facemotion.store.seals import Sealer

log = logging.getLogger(__name__)

BUSY_SECONDS = 10.0
"""How long a transaction waits for another process's write."""

_PRAGMAS = (
    "PRAGMA journal_mode=WAL",  # readers don't wait for a writer, and a kill leaves the old or the new state
    "PRAGMA synchronous=FULL",  # an enrolment that was acknowledged survives a power cut
    "PRAGMA secure_delete=ON",  # freed bytes are overwritten with zeros
    "PRAGMA temp_store=MEMORY",  # no vector in a temporary file
    "PRAGMA foreign_keys=ON",
    "PRAGMA trusted_schema=OFF",
    "PRAGMA cell_size_check=ON",
)


# What people write for a database and what would be taken for a file: settings of libpq, URLs without their slashes.
_MISTYPED = re.compile(
    r"^\s*(host|hostaddr|port|dbname|user|password|service|ssl\w+)\s*=|\bpassword\s*=|"
    r"^(postgres\w*|sqlite|mysql|mariadb)(\+\w+)?:|^\w{2,}:[^@]*@",
    re.IGNORECASE,
)


class Database:
    """A pool of connections to one store, at the schema of this version.

    Attributes:
        engine: gives connections.
        name: for messages.
        closed: whether `close` was called.
        unscrubbed: whether bytes of deleted rows may still lie in its files; `scrub` removes them.
    """

    def __init__(self, engine: Engine, name: str) -> None:
        self.engine = engine
        # PostgreSQL would show each statement of a transaction what was committed before that statement.
        one_state = {} if engine.dialect.name == "sqlite" else {"isolation_level": "REPEATABLE READ"}
        self._reading = engine.execution_options(**one_state)
        self.name = name
        self.closed = False
        self.unscrubbed = False
        self._sealer: Sealer | None = None
        self._local = threading.local()

    @classmethod
    def open(cls, url: str | Path, *, make: bool = True, name: str = "") -> Database:
        """Connect, make what is missing and bring an older schema up to date; see `facemotion.store.open_store`.

        Args:
            url, make: see there.
            name: what messages call it; default: its path, or its URL without the password.
        """
        parsed, place = parse_url(url), store_name(url)
        name = name or place
        if parsed.get_backend_name() == "sqlite":
            if not make:
                _check_there(Path(place))
            _prepare_file(Path(place))
        try:
            return cls._settled(_engine(parsed), name)
        except StoreFullError as error:
            if not _lacks_room_for_sharing(error):
                raise
        # The memory that several processes share lies in a file beside the store, for which there is no room; a process
        # that keeps the store to itself needs none, and can read what is there.
        log.warning("The disk of %s is full: while that is so, one process at a time can open it, to read.", name)
        return cls._settled(_engine(parsed, alone=True), name)

    @classmethod
    def _settled(cls, engine: Engine, name: str) -> Database:
        try:
            with named_errors(name):
                schema.upgrade(engine, name)
                with engine.connect() as connection:
                    schema.refuse_strangers(connection, name)
        except BaseException:
            engine.dispose()
            raise
        return cls(engine, name)

    @property
    def sealer(self) -> Sealer:
        """What seals rows under the store's key.

        Raises:
            StoreKeyError: the store behind was opened without its key.
        """
        if self._sealer is None:
            raise StoreKeyError(f"The key of {self.name} wasn't asked for; open it as a store.")
        return self._sealer

    @sealer.setter
    def sealer(self, sealer: Sealer) -> None:
        self._sealer = sealer

    @property
    def is_sqlite(self) -> bool:
        return self.engine.dialect.name == "sqlite"

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that sees one state of the store and changes nothing; inside `write`, what that wrote too."""
        if (outer := self._outer) is not None:
            yield outer
            return
        self._check_open()
        with named_errors(self.name), self._reading.begin() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that may write: all of it is kept, or nothing. On SQLite there is one at a time.

        Inside a transaction of the same thread it joins that one. So what several parts write is kept together or not
        at all; an error in the inner part must end the outer one too.
        """
        if (outer := self._outer) is not None:
            yield outer
            return
        self._check_open()
        with named_errors(self.name), self.engine.execution_options(writes=True).begin() as connection:
            if not self.is_sqlite:  # SQLite asks whenever it makes a statement ready, see `schema.authorise`
                schema.refuse_strangers(connection, self.name)
            self._local.connection, self._local.scrub = connection, None
            try:
                yield connection
            finally:
                self._local.connection = None
        if self._local.scrub is not None:
            self.scrub(rewrite=self._local.scrub)

    @property
    def _outer(self) -> Connection | None:
        """The connection that this thread is writing by."""
        connection: Connection | None = getattr(self._local, "connection", None)
        return connection

    def scrub(self, *, rewrite: bool = False, large: bool = False) -> bool:
        """Overwrite what earlier deletions and replacements left behind outside the live rows.

        SQLite: the write-ahead log is written back and cut to nothing, once no other connection reads. PostgreSQL: dead
        rows are vacuumed; its own write-ahead log and backups are its administrator's (see docs/reference/store.md).

        If this fails because the disk is full or the database is busy, committed changes stay committed, and
        `unscrubbed` is true until a later call succeeds. Inside `write` it waits until that is committed.

        Args:
            rewrite: write the tables of PostgreSQL anew, since vacuumed bytes stay in its files until something takes
                their place. Nobody else can use a table meanwhile.
            large: those above MOST_REWRITTEN_BYTES, too.
        Returns:
            Whether nothing is left behind.
        """
        if self._outer is not None:
            self._local.scrub = rewrite or bool(self._local.scrub)
            return True
        try:
            with named_errors(self.name):
                if self.is_sqlite:
                    why = cut_log(self.engine, BUSY_SECONDS)
                else:
                    why = rewrite_tables(self.engine, large=large) if rewrite else vacuum(self.engine)
        except StoreError as error:
            why = str(error)
        self.unscrubbed = bool(why)
        if why:
            log.warning("Deleted bytes stay in %s for now (%s); `facemotion store scrub` removes them.", self.name, why)
        return not why

    def close(self) -> None:
        """Close every connection of the pool; whatever is asked of it from then on is a StoreError."""
        self.closed = True
        self.engine.dispose()

    def _check_open(self) -> None:
        if self.closed:
            raise StoreError(f"The store {self.name} is closed; open it again with open_store.")


def store_name(url: str | Path) -> str:
    """What to call a store before people: the path of its file, or its URL without the password.

    Raises:
        StoreError: see parse_url.
    """
    parsed = parse_url(url)
    if parsed.get_backend_name() == "sqlite":
        return parsed.database or ""
    return parsed.render_as_string(hide_password=True)


def parse_url(url: str | Path) -> URL:
    """The SQLAlchemy URL of a path or a URL.

    Raises:
        StoreError: not a path, nor the URL of an SQLite file or a PostgreSQL database; what was given isn't repeated
            where it may hold a password.
    """
    text = str(url)
    if "://" not in text:
        if _MISTYPED.search(text):
            raise StoreError(
                "The store's name looks like a database address that isn't written as a URL (not repeated here, since "
                "it may hold a password); use postgresql://USER:PASSWORD@HOST/NAME, sqlite:///PATH, or ./NAME for a "
                "file of such a name."
            )
        try:
            return URL.create("sqlite", database=str(Path(text).expanduser()))
        except RuntimeError as error:
            raise StoreError(f"{text} names the home folder of nobody here; write the path out.") from error
    try:
        parsed = make_url(text)
    except (exc.ArgumentError, ValueError) as error:
        scheme = text.split("://", maxsplit=1)[0]
        shown = f"{scheme}://..." if re.fullmatch(r"[\w+]+", scheme) else "The store's name"
        raise StoreError(f"{shown} is not a database URL; use sqlite:///PATH or postgresql://....") from error
    if parsed.drivername in ("sqlite", "sqlite+pysqlite"):
        if parsed.database in (None, "", ":memory:"):
            raise StoreError("A store in memory would be lost at once; name a file, such as sqlite:///facemotion.db.")
        if parsed.query or parsed.database.startswith("file:"):
            raise StoreError(
                "An SQLite store is named by its path alone, without options, such as sqlite:///facemotion.db."
            )
        return parsed.set(drivername="sqlite")
    if parsed.get_backend_name() == "postgresql":
        return parsed.set(drivername="postgresql+psycopg")
    raise StoreError(
        f"A store on {parsed.get_backend_name()} is not supported; use sqlite:///PATH or postgresql://...."
    )


def _engine(url: URL, *, alone: bool = False) -> Engine:
    """Connections to a database; `alone`: one connection, which keeps an SQLite file to itself."""
    more: dict[str, Any] = {"pool_size": 1, "max_overflow": 0} if alone else {}
    sqlite = url.get_backend_name() == "sqlite"
    # hide_parameters: no vector in the text of an exception.
    engine = sqlalchemy.create_engine(url, hide_parameters=True, pool_pre_ping=not sqlite, **_options(url), **more)
    if sqlite:
        pragmas = ("PRAGMA locking_mode=EXCLUSIVE", *_PRAGMAS) if alone else _PRAGMAS
        event.listen(engine, "connect", partial(_set_pragmas, pragmas))
        event.listen(engine, "begin", _begin_sqlite)
    return engine


def _lacks_room_for_sharing(error: StoreFullError) -> bool:
    cause = getattr(error.__cause__, "orig", error.__cause__)
    return str(getattr(cause, "sqlite_errorname", "")).startswith("SQLITE_IOERR_SHM")


def _options(url: URL) -> dict[str, Any]:
    if url.get_backend_name() == "sqlite":
        return {"connect_args": {"timeout": BUSY_SECONDS, "isolation_level": None, "check_same_thread": False}}
    try:
        import_module("psycopg")  # looking for it isn't enough: it may be there without its libpq
    except ImportError as error:
        raise MissingExtraError("A PostgreSQL store needs its driver: pip install '.[serve]' in the clone.") from error
    # A pooler such as PgBouncer may give every transaction another connection of the server, where a statement that was
    # prepared in an earlier one isn't known.
    return {"connect_args": {"connect_timeout": int(BUSY_SECONDS), "prepare_threshold": None}}


def _check_there(path: Path) -> None:
    """
    Raises:
        StoreError: there is no such file; a mistyped name shouldn't become an empty store.
    """
    try:
        path.stat()
    except FileNotFoundError as error:
        raise StoreError(
            f"There is no store {path}; enrol makes one, or name another with --store or FACEMOTION_STORE."
        ) from error
    except (OSError, ValueError):  # what can't be a file's name is refused where it is opened
        return


def _prepare_file(path: Path) -> None:
    """Refuse what can't be a store file, with the reason, and make a new one readable by its owner alone."""
    try:
        if path.is_dir():
            raise StoreError(f"{path} is a folder; name a file in it, such as {path / 'facemotion.db'}.")
        if not path.parent.is_dir():
            raise StoreError(f"The folder {path.parent} doesn't exist; make it, or name the store elsewhere.")
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        warn_if_anybody_writes(path, "store")
    except (OSError, ValueError) as error:  # ValueError: a null character in the name
        reason = getattr(error, "strerror", None) or error
        raise StoreError(f"Can't open the store {str(path)[:200]} for writing: {reason}; name it elsewhere.") from error


def _set_pragmas(pragmas: tuple[str, ...], connection: sqlite3.Connection, _record: object) -> None:
    try:
        for pragma in pragmas:
            connection.execute(pragma).fetchall()
        connection.set_authorizer(schema.authorise)
    except BaseException:
        # Earlier versions of SQLAlchemy leave it to the garbage collector, and until then it locks the file.
        connection.close()
        raise


def _begin_sqlite(connection: Connection) -> None:
    # A deferred transaction that reads and then writes can fail half-way on another's write; one that says so at
    # once waits its turn.
    connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.get_execution_options().get("writes") else "BEGIN")
