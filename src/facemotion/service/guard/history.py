"""Seals of the recordings remembered of each user, and of the revoked keys; and how far the audit trail knows each
session. Without the store's key nothing can be removed or put back unnoticed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, RowMapping, func, select, text

from facemotion.errors import AuditError, StoreCorruptError
from facemotion.service.sql_tables import audit as trail
from facemotion.service.sql_tables import heads, keys, memories, recordings, sessions, starts
from facemotion.store.database import Database
from facemotion.store.seals import READINGS, digest_of, later_than
from facemotion.store.tables import users

MARKS = ("generation", "kept")
START = "0" * 64
"""What the first row of the trail names as the digest before it."""
NOTED = "noted"
"""What a session keeps in `detail`: the number of the newest row of the trail that tells its state; no part of a
result. A session of an earlier version has none.
"""
UNCHANGING = ("CodeError", "part")
"""Outcomes in the trail that leave a session as it was."""
NOBODY = ""
"""Stands in a user's place where API keys are meant."""


@dataclass(frozen=True)
class TrailStart:
    """Where the audit trail begins.

    Attributes:
        number, digest: of the last row that was pruned; 0 and START where none was.
        floor: the largest mark of the rows that were pruned; 0 where they had none.
    """

    number: int
    digest: str
    floor: int


def seal_recordings(database: Database, connection: Connection, user: str) -> None:
    """Seal what is remembered of a user now, under the next number.

    Args:
        database: whose sealer is used.
        connection: of the transaction.
        user: whose recordings.
    """
    before = connection.scalar(select(memories.c.kept).where(memories.c.user == user)) or 0
    content = digest_of(_mark(row) for row in _rows(connection, user))
    database.sealer.write(connection, memories, {"user": user, "kept": later_than(before), "content": content})


def checked_recordings(database: Database, connection: Connection, user: str) -> tuple[Sequence[Row[Any]], int]:
    """The rows of a user's recordings and the number of their seal, 0 where there are none.

    Raises:
        StoreCorruptError: they aren't those that were sealed last.
    """
    for _ in range(READINGS):
        rows = _rows(connection, user)
        memory = connection.execute(select(memories).where(memories.c.user == user)).mappings().one_or_none()
        if memory is None:
            if not rows:
                return rows, 0
            continue
        holds = database.sealer.holds(connection, memories.name, memory)
        if holds and bytes(memory["content"]) == digest_of(_mark(row) for row in rows):
            return rows, int(memory["kept"])
    raise StoreCorruptError(
        f"What is remembered of the recordings of user {user!r} was altered, removed or put back; delete the user and "
        "enrol again."
    )


def seal_revocations(database: Database, connection: Connection) -> None:
    """Seal which API keys are revoked by now, so that none is made good again."""
    before = connection.scalar(select(memories.c.kept).where(memories.c.user == NOBODY)) or 0
    row = {"user": NOBODY, "kept": later_than(before), "content": _revoked(connection)}
    database.sealer.write(connection, memories, row)


def revocations_hold(database: Database, connection: Connection) -> bool:
    """Whether the revoked keys are those that were sealed last; False if an earlier state was put back."""
    for _ in range(READINGS):
        memory = connection.execute(select(memories).where(memories.c.user == NOBODY)).mappings().one_or_none()
        mark, revoked = marks_of(connection, NOBODY).get("kept", 0), _revoked(connection)
        if memory is None:
            if not mark and revoked == digest_of([]):
                return True
            continue
        holds = database.sealer.holds(connection, memories.name, memory) and memory["kept"] >= mark
        if holds and bytes(memory["content"]) == revoked:
            return True
    return False


def marks_of(connection: Connection, user: str) -> dict[str, int]:
    """The marks of the newest row of the trail about a user: "generation" of the templates, "kept" of the recordings;
    about NOBODY, "kept" of the revoked keys.
    """
    query = select(trail.c.detail).where(trail.c.user == user).order_by(trail.c.number.desc()).limit(1)
    detail = json.loads(connection.scalar(query) or "{}")
    return {name: int(detail[name]) for name in MARKS if name in detail}


def session_row(
    database: Database, connection: Connection, here: ColumnElement[bool], *, hold: bool = True
) -> RowMapping | None:
    """The row of a session that the service itself wrote, and wrote last; None where there is none.

    Args:
        database: whose sealer is used.
        connection: of the transaction.
        here: which session.
        hold: whether nobody else may change it until the transaction ends.
    """
    query = select(sessions).where(here)
    for _ in range(READINGS):
        row = connection.execute(query.with_for_update() if hold else query).mappings().one_or_none()
        if row is None or not database.sealer.holds(connection, sessions.name, row):
            return None
        about = trail.c.detail.contains(f'"session": {json.dumps(row["id"])}', autoescape=True)
        later = (trail.c.user == row["user"]) & trail.c.outcome.not_in(UNCHANGING) & about
        noted = json.loads(row["detail"]).get(NOTED)
        if noted is None:
            return row
        if connection.execute(select(trail.c.number).where(later & (trail.c.number > noted)).limit(1)).first() is None:
            return row
    return None  # an earlier row was put back


def noted_detail(connection: Connection, detail: Mapping[str, Any], coming: int = 0) -> str:
    """What a session keeps in `detail`, with the number of the newest row of the trail.

    Args:
        connection: of the transaction, in which nobody else adds to the trail from now on.
        detail: what the session's result rests on.
        coming: rows about the session that the transaction is still to add.
    """
    hold_trail(connection)
    return json.dumps(dict(detail) | {NOTED: end_of_trail(connection)[0] + coming})


def check_history(database: Database, connection: Connection, user: str) -> None:
    """Check what is stored of a user against the marks in the audit trail.

    Args:
        database: whose sealer is used.
        connection: of the transaction.
        user: whose templates and recordings.
    Raises:
        StoreCorruptError: templates or recordings were altered, removed, or put back to an earlier state.
    """
    marks, floor = marks_of(connection, user), start_of_trail(database, connection).floor
    now = {
        "generation": database.sealer.check_user(connection, user),
        "kept": checked_recordings(database, connection, user)[1],
    }
    early = any(now[name] < mark for name, mark in marks.items())
    # Of whom the trail knows nothing, rows may have been pruned since: nothing as old as those is the newest.
    early = early or any(0 < now[name] <= floor for name in MARKS if name not in marks)
    if early and now["generation"]:
        raise StoreCorruptError(
            f"What is stored of user {user!r} was put back to an earlier state; delete the user and enrol again."
        )


def check_coverage(database: Database, connection: Connection) -> None:
    """Check that the trail knows all that is stored: nothing may be newer than its newest marks, and of whom it has
    none, nothing may be newer than its first row.

    Somebody who puts the trail back to an earlier state, but not all the rest, leaves users of whom later changes are
    stored than the trail tells.

    Args:
        database: whose sealer is used.
        connection: of the transaction.
    Raises:
        AuditError: something is newer than the trail, or where the trail begins was altered.
    """
    begin = connection.scalar(select(trail.c.at).order_by(trail.c.number).limit(1))
    if begin is None or connection.execute(select(heads.c.one)).first() is None:
        return  # nothing was noted yet, or only by an earlier version
    last_rows = select(func.max(trail.c.number)).group_by(trail.c.user)
    query = select(trail.c.user, trail.c.detail).where(trail.c.number.in_(last_rows))
    noted = {row.user: json.loads(row.detail) for row in connection.execute(query)}
    stored = {
        "generation": connection.execute(select(users.c.user, users.c.generation)).all(),
        "kept": connection.execute(select(memories.c.user, memories.c.kept)).all(),
    }
    # Of whom nothing was noted, something may have been stored before there was a trail, or was noted in rows that were
    # pruned since. Held to its end, whoever put it back would only have to wait for its next row.
    latest = int(begin * 1e6)
    for name, rows in stored.items():
        for user, value in rows:
            if value > noted.get(user, {}).get(name, latest):
                whom = f"of user {user!r}" if user else "of the API keys"
                raise AuditError(
                    f"What is stored {whom} is newer than the audit trail knows: an earlier trail was put back, or "
                    "templates were written past the service and its commands. Restore the database from a backup; "
                    "`facemotion store seal` takes what is there for right."
                )


def hold_trail(connection: Connection) -> None:
    """Let no other transaction add to the audit trail until this one ends."""
    if connection.dialect.name == "postgresql":  # SQLite has one writer anyhow
        connection.execute(text(f"LOCK TABLE {trail.name} IN EXCLUSIVE MODE"))


def end_of_trail(connection: Connection) -> tuple[int, str]:
    """Number and digest of the newest row of the audit trail; 0 and START where there is none."""
    newest = select(trail.c.number, trail.c.digest).order_by(trail.c.number.desc()).limit(1)
    row = connection.execute(newest).one_or_none()
    return (0, START) if row is None else (row.number, row.digest)


def start_of_trail(database: Database, connection: Connection) -> TrailStart:
    """Where the audit trail begins.

    Raises:
        AuditError: that was altered.
    """
    row = connection.execute(select(starts)).mappings().one_or_none()
    if row is None:
        return TrailStart(0, START, 0)
    if not database.sealer.holds(connection, starts.name, row):
        raise AuditError("Where the audit trail begins was altered; restore the database from a backup.")
    return TrailStart(row["number"], row["digest"], row["floor"])


def seal_start(database: Database, connection: Connection, start: TrailStart) -> None:
    """Let the audit trail begin later: rows up to there can be removed from now on."""
    database.sealer.write(connection, starts, {"one": 1, **asdict(start)})


def seal_end(database: Database, connection: Connection, number: int, digest: str) -> None:
    """Seal the end of the audit trail; see check_end."""
    database.sealer.write(connection, heads, {"one": 1, "number": number, "digest": digest})


def check_end(database: Database, connection: Connection, number: int, digest: str) -> None:
    """Check the end of the audit trail against its seal.

    Args:
        database: whose sealer is used.
        connection: of the transaction.
        number, digest: of the newest row, see end_of_trail.
    Raises:
        AuditError: the trail should end elsewhere.
    """
    head = connection.execute(select(heads)).mappings().one_or_none()
    if head is None:  # a trail of an earlier version, or a new one; since then keys are sealed
        holds = connection.execute(select(keys.c.id).where(keys.c.seal.is_not(None)).limit(1)).first() is None
        holds |= number == 0
    else:
        holds = database.sealer.holds(connection, heads.name, head) and head["number"] == number
        holds = holds and head["digest"] == digest
    if not holds:
        raise AuditError(
            "The audit trail doesn't end as it was left: rows were removed, added or put back. Restore the database "
            "from a backup; `facemotion store seal` takes what is there for right."
        )


def _revoked(connection: Connection) -> bytes:
    return digest_of(connection.scalars(select(keys.c.id).where(keys.c.revoked.is_not(None))).all())


def _rows(connection: Connection, user: str) -> Sequence[Row[Any]]:
    return connection.execute(select(recordings).where(recordings.c.user == user)).all()


def _mark(row: Row[Any]) -> list[Any]:
    """What makes a row the one that was written."""
    digests = [hashlib.sha256(bytes(part)).hexdigest() for part in (row.frames, row.motion)]
    return [row.user, row.kind, row.secret_id, *digests, row.at]
