"""API keys: who calls, and what they may do.

A key reads `fm_ID_SECRET`. The secret is 32 random bytes, of which the SHA-256 alone is stored. Its row is sealed under
the store's key: one that somebody else wrote or changed is no key.
"""

from __future__ import annotations

import hmac
import logging
import secrets
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, cast, get_args

from sqlalchemy import Connection, RowMapping, select, update

from facemotion.errors import AuthenticationError, RightsError, UsageError
from facemotion.service.guard.history import (
    START,
    check_end,
    end_of_trail,
    hold_trail,
    revocations_hold,
    seal_end,
    seal_revocations,
    start_of_trail,
)
from facemotion.service.sql_tables import audit as trail
from facemotion.service.sql_tables import keys as table
from facemotion.service.sql_tables import secret_digest
from facemotion.store.database import Database

log = logging.getLogger(__name__)
Role = Literal["verify", "enrol", "admin"]
ROLES: tuple[Role, ...] = get_args(Role)
"""Each may do what those before it may."""

KEY_ID_BYTES = 4
SECRET_BYTES = 32
MOST_NAME = 128
"""Characters of the name of a key."""
UNKNOWN_KEY = (
    "The API key isn't known, was revoked or was made in another store; send a valid one as "
    "`Authorization: Bearer KEY`."
)
_NO_DIGEST = secret_digest("")


@dataclass(frozen=True)
class Caller:
    """Who makes a request.

    Attributes:
        key_id: of their API key; "" for a caller on this machine without one.
        name: of the key.
        role: what they may do.
    """

    key_id: str
    name: str
    role: Role

    @property
    def label(self) -> str:
        """How the audit trail names them."""
        return f"{self.key_id} {self.name}" if self.key_id else self.name

    def may(self, role: Role) -> bool:
        """Whether the caller has that role or a higher one."""
        return ROLES.index(self.role) >= ROLES.index(role)

    def require(self, role: Role) -> None:
        """
        Raises:
            RightsError: the caller may not.
        """
        if self.may(role):
            return
        if self.key_id:
            raise RightsError(f"This needs an API key with the role {role}, yours has the role {self.role}.")
        raise RightsError(f"This needs an API key with the role {role}; send one as `Authorization: Bearer KEY`.")


def role_for(purpose: str) -> Role:
    """The role that an attempt needs."""
    return "verify" if purpose == "verify" else "enrol"


def check_key(name: str, role: str) -> Role:
    """The role, where a key of that name and role can be made.

    Raises:
        UsageError: a wrong name or role.
    """
    if role not in ROLES:
        raise UsageError(f"The role must be one of {', '.join(ROLES)}, got {role!r}.")
    if not 1 <= len(name) <= MOST_NAME or not name.isprintable():
        raise UsageError(f"Give the key a name of 1 to {MOST_NAME} printable characters.")
    return role


@dataclass(frozen=True)
class ApiKey:
    """A key as it is listed: without its secret; without a seal of this store it counts for nothing."""

    id: str
    name: str
    role: Role
    made: datetime
    revoked: datetime | None
    sealed: bool


KEYLESS = Caller("", "this machine", "enrol")
"""A caller without a key, where the settings let them in."""


class ApiKeys:
    """The keys in a service's database.

    A trail that was put back tells nothing of keys that were revoked since. So from then on no key is good until the
    service starts anew, which looks at all that is stored.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._newest = 0, START  # number and digest of a row of the trail
        self._was_put_back = False

    def add(self, name: str, role: Role) -> str:
        """Make a key and give its text, which can't be had again.

        Args:
            name: who will use it, 1 to 128 printable characters.
        Raises:
            UsageError: a wrong name or role.
            AuditError: the audit trail doesn't end as it was left.
        """
        role = check_key(name, role)
        key_id, secret = secrets.token_hex(KEY_ID_BYTES), secrets.token_urlsafe(SECRET_BYTES)
        row = {"id": key_id, "name": name, "role": role, "digest": secret_digest(secret), "made": time.time()}
        with self._database.write() as connection:
            # A trail of an earlier version is sealed before the first key is, not after: see check_end.
            hold_trail(connection)
            end = end_of_trail(connection)
            check_end(self._database, connection, *end)
            seal_end(self._database, connection, *end)
            self._database.sealer.write(connection, table, row)
        return f"fm_{key_id}_{secret}"

    def list(self) -> list[ApiKey]:
        """All keys, revoked ones too, oldest first."""
        with self._database.read() as connection:
            rows = connection.execute(select(table).order_by(table.c.made)).mappings().all()
            sealed = [self._database.sealer.holds(connection, table.name, row) for row in rows]
        return [
            ApiKey(
                r["id"],
                r["name"],
                cast(Role, r["role"]),
                _moment(r["made"]),
                None if r["revoked"] is None else _moment(r["revoked"]),
                known,
            )
            for r, known in zip(rows, sealed, strict=True)
        ]

    def count_valid(self) -> int:
        """How many keys let somebody in: not revoked, nor of somebody else's making; none where the revoked ones aren't
        those that were sealed last.
        """
        with self._database.read() as connection:
            if not revocations_hold(self._database, connection):
                return 0
        return sum(key.sealed and key.revoked is None for key in self.list())

    def revoke(self, key_id: str) -> ApiKey:
        """Make a key worthless, from the next request on.

        Raises:
            UsageError: no valid key of that id.
        """
        with self._database.write() as connection:
            key = next((key for key in self.list() if key.id == key_id and key.revoked is None), None)
            if key is None:
                raise UsageError(f"There is no valid key {key_id!r}; `facemotion keys list` lists them.")
            row = dict(connection.execute(select(table).where(table.c.id == key_id)).mappings().one())
            row["revoked"] = time.time()
            if key.sealed:
                self._database.sealer.write(connection, table, row)
            else:
                connection.execute(update(table).where(table.c.id == key_id).values(revoked=row["revoked"]))
            seal_revocations(self._database, connection)
        return key

    def is_good(self, key_id: str) -> bool:
        """Whether a key that was checked before still lets somebody in; "" is a caller without a key."""
        return not key_id or self._row(key_id) is not None

    def caller_of(self, key_id: str) -> Caller:
        """Who holds the key of an id that was checked before; "" is a caller without a key.

        Raises:
            AuthenticationError: the key was revoked since.
        """
        if not key_id:
            return KEYLESS
        row = self._row(key_id)
        if row is None:
            raise AuthenticationError(UNKNOWN_KEY)
        return Caller(row["id"], row["name"], cast(Role, row["role"]))

    def authenticate(self, text: str) -> Caller:
        """Who holds a key.

        Raises:
            AuthenticationError: nobody does; the same words whatever is wrong with it.
        """
        parts = text.split("_", 2)
        prefix, key_id, secret = parts if len(parts) == 3 else ("", "", text)
        row = self._row(key_id[:16])
        # Compared even where there is no such key, so that the time tells nothing.
        same = hmac.compare_digest(secret_digest(secret), bytes(row["digest"]) if row else _NO_DIGEST)
        if row is None or not same or prefix != "fm":
            raise AuthenticationError(UNKNOWN_KEY)
        return Caller(row["id"], row["name"], cast(Role, row["role"]))

    def _row(self, key_id: str) -> RowMapping | None:
        """The row of a key that isn't revoked and whose seal holds."""
        here = (table.c.id == key_id) & table.c.revoked.is_(None)
        for _ in range(2):  # a rotation of the store's key may come between two statements
            with self._database.read() as connection:
                row = connection.execute(select(table).where(here)).mappings().one_or_none()
                if not self._trail_goes_on(connection) or row is None:
                    return None
                if self._database.sealer.holds(connection, table.name, row):
                    return row if revocations_hold(self._database, connection) else None
        return None

    def _trail_goes_on(self, connection: Connection) -> bool:
        """Whether the trail still holds the row that was its newest when it was looked at before."""
        seen, digest = self._newest  # taken before the look: others may see later rows meanwhile
        newest = end_of_trail(connection)
        there = connection.scalar(select(trail.c.digest).where(trail.c.number == seen))
        if there != digest and start_of_trail(self._database, connection).number < seen and not self._was_put_back:
            self._was_put_back = True
            log.error(
                "The audit trail was put back to before its row %d. No key is taken until the service starts anew.",
                seen,
            )
        self._newest = max(self._newest, newest)
        return not self._was_put_back


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
