"""The template store and its key, looked at without opening either to write."""

from __future__ import annotations

import os
import sqlite3
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facemotion.doctor.facts import Facts
from facemotion.errors import MissingExtraError, StoreCorruptError, StoreError, StoreKeyError, WriteError
from facemotion.system.files import user_folder

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from facemotion.store.keys import KeySource

SIDES = ("-wal", "-shm")
MAIN, SECOND = "source", "second secret"
"""What the page calls the sources of the keys that encrypt and that turn."""


def store(facts: Facts, named: str) -> None:
    """Where the templates are, whether it is there, and how many users it has.

    Raises:
        StoreError and its kinds: it can't be used as it is.
        WriteError: its folder can't be written to.
        MissingExtraError: a PostgreSQL store without its driver.
    """
    from facemotion.store.base import needs_extra  # late: a broken NumPy must not cost the page

    if needs_extra():
        facts["needs"] = "pip install '.[store]' in the clone, to enrol users"
        return
    from sqlalchemy import distinct, func, select

    from facemotion.store import schema
    from facemotion.store.tables import templates

    path = _place(facts, named)
    if path is None:
        return
    facts["there"] = path.exists()
    path = _behind_links(path)
    if named and not path.parent.is_dir():
        raise StoreError(f"The folder {path.parent} doesn't exist; make it, or name the store elsewhere.")
    facts["folder"] = _writable(path.parent)
    if not path.exists():
        return
    if not path.is_file():
        raise StoreError(f"{path} isn't a regular file; name a file for the store.")
    facts["bytes"] = path.stat().st_size
    if not os.access(path, os.W_OK):
        raise WriteError(f"Can't write to the store {path}; give yourself the right to, or name another with --store.")
    with _opened(path) as connection:
        if _is_empty(connection, path):
            facts["users"] = 0
            return
        facts["newest tables"] = schema.STORE.up_to_date(connection, str(path))
        facts["tables"] = schema.STORE.version(connection)
        facts["users"] = connection.execute(select(func.count(distinct(templates.c.user)))).scalar_one()


def key(facts: Facts, named: str) -> None:
    """Where the store's keys come from, and whether those that it was written with are there. Never the keys.

    Raises:
        StoreKeyError: one isn't.
        WriteError: a new store's key can't be kept.
    """
    from facemotion.store.base import needs_extra

    if needs_extra():
        facts["needs"] = "the store"
        return
    from sqlalchemy import select

    from facemotion.store.tables import store as stores

    path = _place({}, named)
    row = None
    if path is not None and path.is_file():
        with _opened(path) as connection:
            row = None if _is_empty(connection, path) else connection.execute(select(stores)).one_or_none()
    sources = _sources(facts, path, "" if row is None else row.store_id)
    asked = {}
    for label, source in sources.items():
        # A command line may hold a password, and running it may ask a key service.
        if source.name.startswith("command:"):
            facts[label] = "a command, which wasn't run"
        elif _may_wait(source.name):
            facts[label] = f"{source.name}, a pipe or device, which wasn't read"
        else:
            facts[label] = source.name
            asked[label] = source
    for source in asked.values():
        source.load()
    if row is not None and MAIN in asked:
        asked[MAIN].find(row.key_id)
    turning = SECOND if SECOND in sources else MAIN
    if row is not None and turning in asked:
        asked[turning].find(row.transform_id)
    if asked:
        facts["readable"] = True


def _sources(facts: Facts, path: Path | None, store_id: str) -> dict[str, KeySource]:
    """The sources of the store's keys, by what the page calls them; what has none yet is said in the facts.

    Args:
        facts: filled in.
        path: of an SQLite store; None for a database server.
        store_id: of a store that is there; "" where there is none, or it wasn't asked.
    Raises:
        StoreKeyError: a source has a name that can't be, or there is no home folder to make a key file in.
        WriteError: a key file couldn't be made.
    """
    from facemotion.store.keys import ENVIRONMENT, TRANSFORM_ENVIRONMENT, KeyFile, KeySource, configured

    sources: dict[str, KeySource] = {}
    if main := configured(ENVIRONMENT):
        sources[MAIN] = KeySource(main)
    elif store_id:
        sources[MAIN] = KeyFile(store_id)
    elif path is None:
        facts[MAIN] = "the key file of the store, which wasn't asked for its name"
    else:
        facts[MAIN] = "a key file, made with the store"
        folder = user_folder("config")
        if folder is None:
            raise StoreKeyError("There is no home folder to keep the store's key in; set FACEMOTION_STORE_KEY.")
        facts["folder"] = _writable(folder / "store-keys", "set FACEMOTION_STORE_KEY")
    if second := configured(TRANSFORM_ENVIRONMENT):
        sources[SECOND] = KeySource(second)
    return sources


def _may_wait(name: str) -> bool:
    """Whether reading a source of keys may wait for somebody, or take what another is to read."""
    kind, _, place = name.partition(":")
    if kind != "file":
        return False
    try:
        mode = Path(place).expanduser().stat().st_mode
    except (OSError, RuntimeError):
        return False  # reading it says what is wrong
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def _place(facts: Facts, named: str) -> Path | None:
    """The file of an SQLite store; None for a database server, which isn't asked."""
    from facemotion.store.database import parse_url

    if not named:
        folder = user_folder("data")
        if folder is None:
            raise StoreError(
                "There is no home folder to keep the store in; name a file with --store or FACEMOTION_STORE."
            )
        named = str(folder / "facemotion.db")
    url = parse_url(named)
    if url.get_backend_name() == "sqlite":
        facts["file"] = url.database
        return Path(url.database or "").absolute()
    # Options of the URL may hold secrets too.
    facts["server"] = url.set(drivername="postgresql", query={}).render_as_string(hide_password=True)
    facts["asked"] = "no; `facemotion users` asks it"
    try:
        import_module("psycopg")  # looking for it isn't enough: it may be there without its libpq
    except ImportError as error:
        raise MissingExtraError("A PostgreSQL store needs its driver: pip install '.[serve]' in the clone.") from error
    return None


def _behind_links(path: Path) -> Path:
    """The file that is opened under a name.

    Raises:
        StoreError: links that lead round in a circle.
    """
    try:
        path.stat()
    except FileNotFoundError:  # nothing there yet; a link to nothing makes its file where it points
        return Path(os.path.realpath(path))
    except OSError as error:
        raise StoreError(f"Can't open the store {str(path)[:200]}: {error.strerror}; name it elsewhere.") from error
    return path


@contextmanager
def _opened(path: Path) -> Iterator[Connection]:
    """A connection that leaves the file and its folder as they are."""
    import sqlalchemy

    from facemotion.store.driver_errors import named_errors

    # Without a log beside it nobody has the store open, and the file is the whole of it; read as such, no log is made.
    used = any(path.with_name(path.name + side).exists() for side in SIDES)
    address = f"{path.as_uri()}?{'mode=ro' if used else 'immutable=1'}"

    def connect() -> Any:
        return sqlite3.connect(address, uri=True, check_same_thread=False)

    engine = sqlalchemy.create_engine("sqlite://", creator=connect, poolclass=sqlalchemy.NullPool, hide_parameters=True)
    with named_errors(str(path)), engine.connect() as connection:
        yield connection


def _is_empty(connection: Connection, path: Path) -> bool:
    """Whether a file has no tables yet.

    Raises:
        StoreCorruptError: it has those of another program.
    """
    from sqlalchemy import inspect

    from facemotion.store import schema

    names = inspect(connection).get_table_names()
    if names and schema.VERSION_TABLE not in names:
        raise StoreCorruptError(f"{path} is an SQLite database of another program; name another file.")
    return not names


def _writable(folder: Path, else_do: str = "name a file elsewhere with --store or FACEMOTION_STORE") -> str:
    """Say that files can be made in a folder, or in the nearest one above it that is there; nothing is left behind.

    Raises:
        WriteError: they can't.
    """
    there = folder
    while not there.exists() and there != there.parent:
        there = there.parent
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        raise WriteError(f"Can't write into {there}: {error.strerror}; {else_do}.") from error
    return f"{folder}, {'writable' if there == folder else 'which can be made'}"
