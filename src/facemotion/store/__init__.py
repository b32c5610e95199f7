"""Templates at rest: `open_store` gives a TemplateStore on SQLite (a path) or PostgreSQL (a URL)."""

from __future__ import annotations

from pathlib import Path

from facemotion.store.base import TemplateStore, UserSummary, check_user

__all__ = ["TemplateStore", "UserSummary", "check_user", "open_store"]


def open_store(url: str | Path) -> TemplateStore:
    """Open the template store at `url`, and make it where there is none yet.

    Args:
        url: path of an SQLite file, `sqlite:///PATH` or `postgresql://USER:PASSWORD@HOST/DATABASE`.
    Returns:
        A store that is safe to use from several threads and processes at once; close it, or use it with `with`.
    Raises:
        StoreError: a directory, a missing folder, a URL of another database, or a store made by a later version.
        StoreCorruptError: the file isn't a facemotion store.
        StoreFullError: the disk is full or the file can't be written.
        StoreUnavailableError: the database server can't be reached, or another process holds the file.
        MissingExtraError: a PostgreSQL URL without its driver.
    """
    # SQLAlchemy takes a third of a second to import; whoever opens no store shouldn't wait for it.
    from facemotion.store.database import Database
    from facemotion.store.sql import SqlStore

    return SqlStore(Database.open(url))
