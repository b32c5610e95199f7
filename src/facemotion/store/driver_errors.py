"""Named errors in place of those of SQLite, PostgreSQL and SQLAlchemy: none of theirs gets out."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import exc

from facemotion.errors import StoreCorruptError, StoreError, StoreFullError, StoreUnavailableError

_BUSY = StoreUnavailableError, "The database {name} can't be reached or is busy; try again shortly."
_DENIED = (
    StoreError,
    "The database {name} refuses the request; check the user, password, database name and rights in its URL.",
)
_LETTERS = StoreError, "The database {name} can't hold every letter; make it anew with the encoding UTF8."
_DAMAGED = StoreCorruptError, "The database {name} reports damaged data; restore it from a backup."
_RAISED = StoreError, "The database {name} refuses a change: {said}."
_OTHER = (
    StoreError,
    "The database {name} refuses a statement (SQLSTATE {state}); its log says why, its manual what the code means.",
)

Meaning = tuple[type[StoreError], str]

# By SQLSTATE, whole or its class, the first two characters; whole ones first.
# https://www.postgresql.org/docs/current/errcodes-appendix.html
SQLSTATES: dict[str, Meaning] = {
    "53100": (StoreFullError, "The disk of the database {name} is full; make room on it."),
    "25006": (StoreFullError, "The database {name} is read-only; name the server that takes writes."),
    "22021": _LETTERS,
    "22P05": _LETTERS,
    "23505": _BUSY,  # another process put the same row there in between
    "23P01": _BUSY,
    "08001": (
        StoreUnavailableError,
        "The database {name} can't be reached, or doesn't let us in; check the user, password and database name in its "
        "URL, or try again shortly.",
    ),
    "08": _BUSY,  # connections; poolers give all of their own errors this class
    "25": _BUSY,  # a transaction that idled too long, or whose connection went to another client
    "26": _BUSY,  # a prepared statement that a pooler left on another connection
    "40": _BUSY,
    "53": _BUSY,
    "55": _BUSY,
    "57": _BUSY,
    "28": _DENIED,
    "0L": _DENIED,
    "0P": _DENIED,
    "3D": _DENIED,
    "3F": _DENIED,
    "42": _DENIED,
    "P0001": _RAISED,  # by a trigger, such as the one that keeps the audit trail
    "58": (StoreCorruptError, "The files of the database {name} fail; its log says which. Restore it from a backup."),
    "XX": _DAMAGED,
}
"""What is not among them refuses a statement of ours."""


@contextmanager
def named_errors(name: str) -> Iterator[None]:
    """Turn every error of a database into one of ours.

    Args:
        name: of the database, for messages.
    Raises:
        StoreError and its kinds: in place of the driver's.
    """
    try:
        yield
    except (exc.DBAPIError, exc.TimeoutError, sqlite3.Error) as error:
        cause = getattr(error, "orig", error)
        named = _sqlite_error(cause, name) if isinstance(cause, sqlite3.Error) else _postgres_error(cause, name)
        raise named from error
    except (exc.NoResultFound, exc.MultipleResultsFound) as error:
        raise StoreCorruptError(f"{name} lacks a row that it must have; restore it from a backup.") from error
    except UnicodeDecodeError as error:  # damaged text, in the schema or in SQLite's own message about it
        raise StoreCorruptError(f"{name} holds damaged text; restore it from a backup.") from error


def _sqlite_error(cause: sqlite3.Error, name: str) -> StoreError:
    code = getattr(cause, "sqlite_errorcode", 0) & 0xFF
    if code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY):
        return StoreFullError(
            f"The store {name} can't be written ({cause}); make room on its disk or fix its permissions."
        )
    # Our own statements have no faults: what SQLite finds wrong with them (a column that isn't there, text that isn't
    # text) is wrong with the file. Errors that its Python driver finds carry no code.
    if code in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_ERROR, 0):
        return StoreCorruptError(
            f"{name} isn't a facemotion store ({cause}); name another file or restore it from a backup."
        )
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL):
        return StoreUnavailableError(f"Another process holds the store {name}; try again shortly.")
    if code == sqlite3.SQLITE_AUTH:
        return StoreCorruptError(
            f"{name} holds a trigger or a view that facemotion didn't make and that would change its rows. Find out "
            "who made it, remove it, and run `facemotion audit check`."
        )
    if code in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
        return StoreError(f"Can't open the store {name}: {cause}; check the permissions of the file and its folder.")
    if code == sqlite3.SQLITE_NOMEM:
        return StoreUnavailableError(f"There is no memory left for the store {name}; try again shortly.")
    return StoreError(
        f"The store {name} refuses a statement ({cause}); check that no other program changes its tables."
    )


def _postgres_error(cause: object, name: str) -> StoreError:
    state = _sqlstate(cause)
    kind, words = SQLSTATES.get(state) or SQLSTATES.get(state[:2]) or _OTHER
    said = getattr(getattr(cause, "diag", None), "message_primary", None)
    return kind(words.format(name=name, state=state, said=said))


def _sqlstate(cause: object) -> str:
    """What the server said; for what psycopg or the pool found itself, the nearest code. psycopg has none for a server
    that refuses a connection, whatever the reason.
    """
    state = getattr(cause, "sqlstate", None)
    if state:
        return str(state)
    kinds = {base.__name__ for base in type(cause).__mro__}  # the driver is an extra and may not be there
    return "22000" if "DataError" in kinds else "08001" if "OperationalError" in kinds else "08000"
