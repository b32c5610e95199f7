"""The audit trail: who did what to whom, and how it ended; no picture, no vector.

Each row carries the SHA-256 of itself and of the row before, so that a change, a removal or an insertion shows. The
newest row is sealed under the store's key. So somebody who can only write the database can't write the trail anew or
cut it. Once old rows were pruned, the trail's beginning is sealed too. But they can put back a whole earlier state:
note the digest of the newest row elsewhere now and then, and `check` tells whether the trail still contains it.

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

from sqlalchemy import Connection, delete, func, insert, inspect, select

from facemotion.errors import AuditError
from facemotion.service.guard.history import (
    MARKS,
    NOBODY,
    TrailStart,
    check_coverage,
    check_end,
    end_of_trail,
    hold_trail,
    marks_of,
    seal_end,
    seal_recordings,
    seal_revocations,
    seal_start,
    start_of_trail,
)
from facemotion.service.sql_tables import audit as table
from facemotion.service.sql_tables import heads, memories, recordings
from facemotion.store import TemplateStore
from facemotion.store.database import Database
from facemotion.store.sql import SqlStore
from facemotion.store.tables import users

MOST_ROWS = 1000
"""Rows that are read at a time."""
PRUNED_AT_ONCE = 1000
CARRIED_AT_ONCE = 100
"""Rows that are removed, and users that are carried over, in one transaction: nothing can be noted meanwhile."""
LEAST_NUMBER = -(2**31)
"""PostgreSQL's least integer: a row that was slipped in before the first one is a row too."""
FRESH = ("enrol", "enrol again", "seal")
"""Deeds after which what is stored of a user is the newest, whatever was noted before."""
CHANGING = ("renew", "revoke")
"""Deeds that change templates of a user who stays enrolled. Other rows keep the generation that was noted before: where
somebody put the trail back, no later attempt hides it.
"""
COMMAND_LINE = "command line"
"""Who did what was done by a command."""


@dataclass(frozen=True)
class AuditRow:
    """One event.

    Attributes:
        number: without gaps, from 1, or from behind what was pruned.
        at: seconds since 1970, UTC.
        actor: id and name of the API key, or where the request came from.
        action: such as "verify", "enrol", "delete", "unlock".
        user: whom it concerned.
        outcome: such as "accepted", "rejected", "replay", or the name of an error.
        detail: JSON object of plain values: scores, quality.
        previous: digest of the row before.
        digest: of this one.
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
        rows: how many.
        pruned: how many were removed from its beginning.
        head: digest of the newest row, to be noted elsewhere.
    """

    rows: int
    pruned: int
    head: str


def append(
    database: Database, actor: str, action: str, user: str, outcome: str, detail: dict[str, Any] | None = None
) -> None:
    """Add a row in the transaction of the action itself, templates included: neither is kept without the other.

    Raises:
        AuditError: the trail doesn't end as it was left.
    """
    with database.write() as connection:
        hold_trail(connection)
        number, previous = end_of_trail(connection)
        check_end(database, connection, number, previous)
        words = (detail or {}) | _marks(connection, user, action if outcome == "done" else "")
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


def _marks(connection: Connection, user: str, deed: str) -> dict[str, int]:
    """Marks for a new row: those of now, or later ones of earlier rows. Of a user who is gone they grow, so that
    nothing of them that is put back is taken for the newest.

    Args:
        deed: what was done in this transaction; "" where it failed.
    """
    before = marks_of(connection, user)
    now = {
        "generation": connection.scalar(select(users.c.generation).where(users.c.user == user)),
        "kept": connection.scalar(select(memories.c.kept).where(memories.c.user == user)),
    }
    found = {}
    for name, value in now.items():
        earlier = before.get(name, 0)
        if not value:
            found[name] = earlier and earlier + 1
        elif deed in FRESH:
            found[name] = value
        elif name == "generation" and earlier and deed not in CHANGING:
            found[name] = earlier
        else:
            found[name] = max(value, earlier)
    return {name: value for name, value in found.items() if value}


def adopt(store: SqlStore, keys_let_in: Sequence[str]) -> None:
    """Seal what the database of a service holds now as unaltered, and note that in the trail.

    Args:
        store: with the service's tables.
        keys_let_in: ids of API keys without a seal, for the trail.
    """
    with store.database.write() as connection:
        store.sealer.adopt(connection)
        for user in connection.scalars(select(recordings.c.user).distinct()).all():
            seal_recordings(store.database, connection, user)
        seal_revocations(store.database, connection)
        hold_trail(connection)
        seal_end(store.database, connection, *end_of_trail(connection))
        append(store.database, COMMAND_LINE, "seal", "", "done", {"keys": list(keys_let_in)})
        named = select(users.c.user).union(select(memories.c.user).where(memories.c.user != NOBODY))
        for user in connection.scalars(named).all():
            append(store.database, COMMAND_LINE, "seal", user, "done")


def keep_journal(store: TemplateStore) -> None:
    """Note changes of a store in the audit trail of its service, if it has one. For commands and programs: their
    changes aren't made by a caller of the service.
    """
    if not isinstance(store, SqlStore):
        return
    with store.database.read() as connection:
        served = inspect(connection).has_table(heads.name)
    if served:
        store.journal = lambda _, action, user: append(store.database, COMMAND_LINE, action, user, "done")


def read(database: Database, after: int = 0, limit: int = MOST_ROWS, newest: bool = False) -> list[AuditRow]:
    """Rows in their order, beginning after number `after`; with `newest` the last of these."""
    order = table.c.number.desc() if newest else table.c.number
    query = select(table).where(table.c.number > after).order_by(order).limit(limit)
    with database.read() as connection:
        rows = [AuditRow(**row) for row in connection.execute(query).mappings()]
    return rows[::-1] if newest else rows


def check(database: Database, expected: str = "") -> AuditReport:
    """Check every row against its digest and the row before.

    Args:
        expected: digest of a row noted earlier; the trail must lead through it.
    Raises:
        AuditError: the first row that doesn't hold is named; or the trail doesn't end as it was left; or something is
            stored that is newer than the trail knows.
    """
    while True:
        with database.read() as connection:
            start = start_of_trail(database, connection)
        try:
            return _check(database, start, expected)
        except AuditError:
            with database.read() as connection:
                if start_of_trail(database, connection) == start:  # else rows were pruned meanwhile
                    raise


def _check(database: Database, start: TrailStart, expected: str) -> AuditReport:
    walk = _Walk(start, expected)
    walk.over(_all(database, LEAST_NUMBER))
    with database.write() as connection:  # rows that came meanwhile, and the end that nothing is added to now
        hold_trail(connection)
        walk.over(_all(database, walk.number or LEAST_NUMBER))
        check_end(database, connection, walk.number, walk.previous)
        check_coverage(database, connection)
    if not walk.met:
        pruned = ", or that row was pruned" if start.number else ""
        raise AuditError(
            f"No row of the audit trail has the expected digest: it was cut or written anew{pruned}; look for a digest "
            "noted later."
        )
    return AuditReport(walk.number - start.number, start.number, walk.previous)


def older_rows(database: Database, before: float) -> int:
    """How many rows `prune` would remove.

    Args:
        before: seconds since 1970.
    Raises:
        AuditError: where the trail begins was altered.
    """
    with database.read() as connection:
        return max(0, _last_before(connection, before) - start_of_trail(database, connection).number)


def prune(database: Database, before: float, actor: str = COMMAND_LINE) -> int:
    """Remove the rows before a moment from the beginning of the trail, each held to its digest first.

    What must not be lost stays. The number and digest of the last removed row are kept, so that the rest can be
    checked. The newest marks of each enrolled user and of revoked keys are kept in new rows. Of deleted users only the
    largest mark stays, without a name: it reveals anything of theirs that is put back.

    Args:
        before: seconds since 1970.
        actor: who does it.
    Returns:
        How many rows went. They are gone from the file of SQLite too.
    Raises:
        AuditError: the trail is damaged; rows before the damaged one may be removed already.
    """
    pruned, noted = 0, False
    while True:
        with database.write() as connection:
            hold_trail(connection)
            start, last = start_of_trail(database, connection), _last_before(connection, before)
            if last <= start.number:
                break
            found = read(database, start.number, PRUNED_AT_ONCE)
            rows = [row for row in found if row.number <= last] or found  # a hole: the walk names it
            walk = _Walk(start, "")
            walk.over(iter(rows))
            if not noted:  # about nobody, so that it carries what was noted of revoked keys, too
                append(database, actor, "prune", "", "done", {"through": last})
                noted = True
            idle = _last_named_before(connection, walk.number)
            for user in idle:
                append(database, actor, "carry over", user, "done")
            if len(idle) == CARRIED_AT_ONCE:
                continue  # there may be more
            marks = [mark for row in rows for name, mark in json.loads(row.detail).items() if name in MARKS]
            seal_start(database, connection, TrailStart(walk.number, walk.previous, max(start.floor, *marks, 0)))
            connection.execute(delete(table).where(table.c.number <= walk.number))
        pruned += len(rows)
    if pruned:
        database.scrub()
    return pruned


def _last_before(connection: Connection, before: float) -> int:
    """Number of the last row before the first one of a moment or later; 0 where there is none."""
    first = connection.scalar(select(func.min(table.c.number)).where(table.c.at >= before))
    return end_of_trail(connection)[0] if first is None else first - 1


def _last_named_before(connection: Connection, number: int) -> Sequence[str]:
    """Enrolled users whom no row behind a number is about, at most CARRIED_AT_ONCE."""
    later = select(table.c.number).where((table.c.user == users.c.user) & (table.c.number > number))
    query = select(users.c.user).where(~later.exists()).order_by(users.c.user).limit(CARRIED_AT_ONCE)
    return connection.scalars(query).all()


class _Walk:
    """What was seen of the trail so far.

    Args:
        start: where it begins.
        expected: digest of a row that is to be met; "" where none is.
    """

    def __init__(self, start: TrailStart, expected: str) -> None:
        self.previous, self.number = start.digest, start.number
        self.met = not expected or (start.number > 0 and expected == start.digest)
        self._expected = expected

    def over(self, rows: Iterator[AuditRow]) -> None:
        """Go on by these rows.

        Raises:
            AuditError: one doesn't hold.
        """
        for row in rows:
            self.number += 1
            if row.number != self.number:
                what = "is missing" if row.number > self.number else "has a stranger before it"
                raise AuditError(f"Row {self.number} of the audit trail {what}; restore the database from a backup.")
            if row.previous != self.previous or row.digest != row.computed():
                raise AuditError(
                    f"Row {self.number} of the audit trail was altered, or a row before it; compare it with a backup."
                )
            self.previous = row.digest
            self.met = self.met or row.digest == self._expected


def _all(database: Database, after: int) -> Iterator[AuditRow]:
    while rows := read(database, after):
        yield from rows
        after = rows[-1].number
