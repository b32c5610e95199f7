"""Brings the service's tables in a store's database to this version; they have a version of their own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from facemotion.service.sql_tables import metadata
from facemotion.store.database import Database
from facemotion.store.schema import VersionedTables
from facemotion.store.sql import SqlStore

VERSION_TABLE = "facemotion_service_version"
SERVICE = VersionedTables("The service's part of", metadata, Path(__file__).parent, VERSION_TABLE, 0x464D5356)


@contextmanager
def open_database(store: str | Path, *, key: str = "", make: bool = True) -> Iterator[Database]:
    """The database of a store with the service's tables in it, for commands that need no template.

    Args:
        store, key, make: see `facemotion.open_store`.

    Raises:
        StoreError and its kinds: see `facemotion.open_store`; the store's key is needed, by which rows are sealed.
    """
    with open_served(store, key=key, make=make) as opened:
        yield opened.database


@contextmanager
def open_served(store: str | Path, *, key: str = "", make: bool = True) -> Iterator[SqlStore]:
    """A store with the service's tables in its database; see open_database."""
    database = Database.open(store, make=make)
    try:
        opened = SqlStore(database, key)
        upgrade(database)
        yield opened
    finally:
        database.close()


def upgrade(database: Database) -> None:
    """Make what is missing, in one transaction.

    Raises:
        StoreError: the tables were made by a later version of facemotion.
    """
    with database.write() as connection:
        SERVICE.upgrade(connection, database.name)
