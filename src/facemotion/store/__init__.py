"""Templates at rest: `open_store` gives a TemplateStore on SQLite (a path) or PostgreSQL (a URL)."""

from __future__ import annotations

from pathlib import Path

from facemotion.store.base import TemplateStore, UserSummary, check_user, require_extra, unknown_user

__all__ = ["TemplateStore", "UserSummary", "check_user", "open_store", "unknown_user"]


def open_store(url: str | Path, *, key: str = "", transform_key: str = "", make: bool = True) -> TemplateStore:
    """Open the template store at `url`, and make it where there is none yet.

    Args:
        url: path of an SQLite file, `sqlite:///PATH` or `postgresql://USER:PASSWORD@HOST/DATABASE`.
        key: where the key that encrypts comes from: `file:PATH`, `env:NAME` or `command:COMMAND LINE`. Empty: what the
            environment variable FACEMOTION_STORE_KEY holds (a key, or such a name) if it is set, else a key file that
            is made with the store, in the user's configuration folder, mode 0600.
        transform_key: where the secret that turns the vectors comes from, in the same form; empty: what
            FACEMOTION_STORE_TRANSFORM_KEY holds, else the same as `key`.
        make: False refuses a file that isn't there. Use it if you only read: a mistyped name would otherwise become
            an empty store. With a database server it changes nothing.
    Returns:
        A store that is safe to use from several threads and processes at once; close it, or use it with `with`.
    Raises:
        StoreError: a directory, a missing folder, a missing file where `make` is False, a URL of another database, or a
            store made by a later version.
        StoreCorruptError: the file isn't a facemotion store.
        StoreFullError: the disk is full or the file can't be written.
        StoreUnavailableError: the database server can't be reached, or another process holds the file.
        StoreKeyError: a key is missing, or isn't the one that the store was written with.
        MissingExtraError: the extra `store` isn't installed, or a PostgreSQL URL without its driver.
    """
    require_extra()
    # SQLAlchemy takes a third of a second to import; whoever opens no store shouldn't wait for it.
    from facemotion.store.database import Database
    from facemotion.store.sql import SqlStore

    database = Database.open(url, make=make)
    try:
        return SqlStore(database, key, transform_key)
    except BaseException:
        database.close()
        raise
