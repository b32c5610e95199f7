"""The audit trail: who did what to whom, and how it ended; no picture, no vector.

Each row carries the SHA-256 of itself and of the row before, so that a change, a removal or an insertion shows. Whoever
can write the database could rewrite the whole chain: note the digest of the newest row elsewhere now and then, and
`check` finds out whether the trail still leads there.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, insert, select, text

from facemotion.errors import AuditError
from facemotion.service.sql_tables import audit as table
from facemotion.store.database import Database

MOST_ROWS = 1000
"""Rows that are read at a time."""
LEAST_NUMBER = -(2**31)
"""PostgreSQL's least integer: a row that was slipped in before the first one is a row too."""
START = "0" * 64
"""What the first row names as the digest before it."""


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
    connection: Connection, actor: str, action: str, user: str, outcome: str, detail: dict[str, Any] | None = None
) -> None:
    """Add a row in the transaction of the deed itself, templates included: neither is kept without the other."""
    if connection.dialect.name == "postgresql":  # SQLite has one writer anyhow
        connection.execute(text(f"LOCK TABLE {table.name} IN EXCLUSIVE MODE"))
    latest = connection.execute(
        select(table.c.number, table.c.digest).order_by(table.c.number.desc()).limit(1)
    ).one_or_none()
    number, previous = (latest.number + 1, latest.digest) if latest else (1, START)
    words = json.dumps(detail or {}, sort_keys=True)
    row = AuditRow(
        number=number,
        at=round(time.time(), 6),  # microseconds: JSON keeps all digits of it
        actor=actor,
        action=action,
        user=user,
        outcome=outcome,
        detail=words,
        previous=previous,
        digest="",
    )
    connection.execute(insert(table).values(**asdict(row) | {"digest": row.computed()}))


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
        AuditError: the first row that doesn't hold is named.
    """
    previous, count, met = START, 0, not expected
    for row in _all(database):
        count += 1
        if row.number != count:
            what = "is missing" if row.number > count else "has a stranger before it"
            raise AuditError(f"Row {count} of the audit trail {what}; restore the database from a backup.")
        if row.previous != previous or row.digest != row.computed():
            raise AuditError(
                f"Row {count} of the audit trail was altered, or a row before it; compare it with a backup."
            )
        previous = row.digest
        met = met or row.digest == expected
    if not met:
        raise AuditError("No row of the audit trail has the expected digest: it was cut or written anew.")
    return AuditReport(count, previous)


def _all(database: Database) -> Iterator[AuditRow]:
    after = LEAST_NUMBER
    while rows := read(database, after):
        yield from rows
        after = rows[-1].number
