"""The audit trail: who did what to whom, and how it ended; no picture, no vector.

Each row carries the SHA-256 of itself and of the row before, so that a change, a removal or an insertion shows. The
newest row is sealed under the store's key, so that whoever can write the database alone can't write the trail anew or
cut it. They can put back a whole earlier state: note the digest of the newest row elsewhere now and then, and `check`
finds out whether the trail still leads there.

Rows about a user carry marks: which generation of their templates and of their recordings was stored last. An older one
that was put back is found out by them.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, insert, inspect, select

from facemotion.errors import AuditError
from facemotion.service.guard.history import (
    START,
    check_end,
    end_of_trail,
    hold_trail,
    marks_of,
    seal_end,
    seal_recordings,
    seal_revocations,
)
from facemotion.service.sql_tables import audit as table
from facemotion.service.sql_tables import heads, memories, recordings
from facemotion.store import TemplateStore
from facemotion.store.database import Database
from facemotion.store.sql import SqlStore
from facemotion.store.tables import users

MOST_ROWS = 1000
"""Rows that are read at a time."""
LEAST_NUMBER = -(2**31)
"""PostgreSQL's least integer: a row that was slipped in before the first one is a row too."""
FRESH = ("enrol", "enrol again", "seal")
"""Deeds after which what is stored of a user is the newest, whatever was noted before."""
COMMAND_LINE = "command line"
"""Who did what was done by a command."""


@dataclass(frozen=True)
class AuditRow:
    """One event.

    Attributes:
        number: from 1, without gaps.
        at: seconds since 1970, UTC.
        actor: id and name of the API key, or where the request came from.
        action: such as "verify", "enrol", "delete", "unlock".
        user: whom it concerned.
        outcome: such as "accepted", "rejected", "replay", or the name of an error.
        detail: JSON object of plain values: scores, quality.
        previous: digest of the row before. digest: of this one.
    """

    number: int
    at: float
    actor: str
    action: str
    user: str
    outcome: str
    detail: str
    previous: str
    digest: str

    def computed(self) -> str:
        """The digest that the other fields give."""
        values = [value for name, value in asdict(self).items() if name != "digest"]
        return hashlib.sha256(json.dumps(values, separators=(",", ":")).encode()).hexdigest()


@dataclass(frozen=True)
class AuditReport:
    """A trail that holds.

    Attributes:
        rows: how many. head: digest of the newest row, to be noted elsewhere.
    """

    rows: int
    head: str


def append(
    database: Database, actor: str, action: str, user: str, outcome: str, detail: dict[str, Any] | None = None
) -> None:
    """Add a row in the transaction of the deed itself, templates included: neither is kept without the other.

    Raises:
        AuditError: the trail doesn't end as it was left.
    """
    with database.write() as connection:
        hold_trail(connection)
        number, previous = end_of_trail(connection)
        check_end(database, connection, number, previous)
        fresh = outcome == "done" and action in FRESH
        words = (detail or {}) | _marks(connection, user, fresh)
        row = AuditRow(
            number=number + 1,
            at=round(time.time(), 6),  # microseconds: JSON keeps all digits of it
            actor=actor,
            action=action,
            user=user,
            outcome=outcome,
            detail=json.dumps(words, sort_keys=True),
            previous=previous,
            digest="",
        )
        digest = row.computed()
        connection.execute(insert(table).values(**asdict(row) | {"digest": digest}))
        seal_end(database, connection, number + 1, digest)


def _marks(connection: Connection, user: str, fresh: bool) -> dict[str, int]:
    """Marks for a new row: those of now, or later ones of earlier rows. Of a user who is gone they grow, so that
    nothing of them that is put back is taken for the newest.

    Args:
        fresh: the user was enrolled in this transaction, so what is stored now is the newest.
    """
    before = marks_of(connection, user)
    now = {
        "generation": connection.scalar(select(users.c.generation).where(users.c.user == user)),
        "kept": connection.scalar(select(memories.c.kept).where(memories.c.user == user)),
    }
    found = {}
    for name, value in now.items():
        earlier = before.get(name, 0)
        found[name] = (value if fresh else max(value, earlier)) if value else earlier and earlier + 1
    return {name: value for name, value in found.items() if value}


def adopt(store: SqlStore, keys_let_in: Sequence[str]) -> None:
    """Take what the database of a service holds now for right, and note that it was.

    Args:
        store: with the service's tables. keys_let_in: ids of API keys without a seal, for the trail.
    """
    with store.database.write() as connection:
        store.sealer.adopt(connection)
        for user in connection.scalars(select(recordings.c.user).distinct()).all():
            seal_recordings(store.database, connection, user)
        seal_revocations(store.database, connection)
        hold_trail(connection)
        seal_end(store.database, connection, *end_of_trail(connection))
        append(store.database, COMMAND_LINE, "seal", "", "done", {"keys": list(keys_let_in)})
        for user in connection.scalars(select(users.c.user)).all():
            append(store.database, COMMAND_LINE, "seal", user, "done")


def keep_journal(store: TemplateStore) -> None:
    """Have what is changed in a store noted in the audit trail of the service that it belongs to, if it does: for
    commands, whose deeds aren't a caller's.
    """
    if not isinstance(store, SqlStore):
        return
    with store.database.read() as connection:
        served = inspect(connection).has_table(heads.name)
    if served:
        store.journal = lambda _, action, user: append(store.database, COMMAND_LINE, action, user, "done")


def read(database: Database, after: int = 0, limit: int = MOST_ROWS, newest: bool = False) -> list[AuditRow]:
    """Rows in their order, from the one behind `after`; with `newest` the last ones behind it."""
    order = table.c.number.desc() if newest else table.c.number
    query = select(table).where(table.c.number > after).order_by(order).limit(limit)
    with database.read() as connection:
        rows = [AuditRow(**row) for row in connection.execute(query).mappings()]
    return rows[::-1] if newest else rows


def check(database: Database, expected: str = "") -> AuditReport:
    """Hold every row to its digest and to the row before.

    Args:
        expected: digest of a row noted earlier; the trail must lead through it.
    Raises:
        AuditError: the first row that doesn't hold is named; or the trail doesn't end as it was left.
    """
    walk = _Walk(expected)
    walk.over(_all(database, LEAST_NUMBER))
    with database.write() as connection:  # rows that came meanwhile, and the end that nothing is added to now
        hold_trail(connection)
        walk.over(_all(database, walk.count or LEAST_NUMBER))
        check_end(database, connection, walk.count, walk.previous)
    if not walk.met:
        raise AuditError("No row of the audit trail has the expected digest: it was cut or written anew.")
    return AuditReport(walk.count, walk.previous)


class _Walk:
    """What was seen of the trail so far.

    Args:
        expected: digest of a row that is to be met; "" where none is.
    """

    def __init__(self, expected: str) -> None:
        self.previous, self.count, self.met = START, 0, not expected
        self._expected = expected

    def over(self, rows: Iterator[AuditRow]) -> None:
        """Go on by these rows.

        Raises:
            AuditError: one doesn't hold.
        """
        for row in rows:
            self.count += 1
            if row.number != self.count:
                what = "is missing" if row.number > self.count else "has a stranger before it"
                raise AuditError(f"Row {self.count} of the audit trail {what}; restore the database from a backup.")
            if row.previous != self.previous or row.digest != row.computed():
                raise AuditError(
                    f"Row {self.count} of the audit trail was altered, or a row before it; compare it with a backup."
                )
            self.previous = row.digest
            self.met = self.met or row.digest == self._expected


def _all(database: Database, after: int) -> Iterator[AuditRow]:
    while rows := read(database, after):
        yield from rows
        after = rows[-1].number
