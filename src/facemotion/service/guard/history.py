"""Which recordings of a user are remembered, under a seal: none is removed or put back without the store's key."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, select

from facemotion.errors import StoreCorruptError
from facemotion.service.sql_tables import memories, recordings
from facemotion.store.database import Database
from facemotion.store.seals import READINGS, digest_of, later_than


def seal_recordings(database: Database, connection: Connection, user: str) -> None:
    """Seal what is remembered of a user by now, under a later number.

    Args:
        database: whose sealer is used. connection: of the transaction. user: whose recordings.
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


def _rows(connection: Connection, user: str) -> Sequence[Row[Any]]:
    return connection.execute(select(recordings).where(recordings.c.user == user)).all()


def _mark(row: Row[Any]) -> list[Any]:
    """What makes a row the one that was written."""
    digests = [hashlib.sha256(bytes(part)).hexdigest() for part in (row.frames, row.motion)]
    return [row.user, row.kind, row.secret_id, *digests, row.at]
