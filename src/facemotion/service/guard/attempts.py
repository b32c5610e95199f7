"""Nonces and the lock: a nonce is good once, for the caller who got it, and failures cost time.

A failure is charged when the attempt begins, in the transaction that uses up its nonce, and taken back if the attempt
is accepted or never came to a comparison. So a hundred attempts at once are charged like a hundred in a row, and a
killed process forgives nothing. An attempt takes back only its own charge: the charges of attempts still under way
stay, even if one of the attempts is accepted. Failures of names that nobody has are counted in the same way.

Times are those of the machine's clock, which somebody may set. If it is set back, stored times lie in the future: then
a wait lasts no longer than the settings say, and nonces given before are refused. If it is set forward, waits and
nonces end early, but no failure is forgotten.
"""

from __future__ import annotations

import math
import secrets
import time
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any, Literal

from sqlalchemy import ColumnElement, Connection, RowMapping, delete, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from facemotion.errors import LockedError, NonceError, RateError
from facemotion.service.settings import AttemptSettings
from facemotion.service.sql_tables import charges, failures, nonces, secret_digest
from facemotion.store.database import Database
from facemotion.store.sql import hold_user

Purpose = Literal["verify", "enrol", "enrol-again", "study"]
"""A nonce to enrol is good for a new user alone: whoever is enrolled stays as they are unless that was asked for."""
PROOF: Literal["proof"] = "proof"
"""Stands in the place of a purpose where a nonce was used up and is a proof by now (`proofs.py`)."""
HOLDERS = 10
"""Keys that may have as many unused nonces and sessions of one user as the settings give to one key. So no key alone
keeps the others out, and all of them together fill no table."""
NONCE_BYTES = 24
CHARGE_BYTES = 16
UNDER_WAY_SECONDS = 3600.0
"""An attempt whose end isn't known after this long will never end: its process was killed. Its failure stays counted
until the next attempt that is accepted."""
MOST_DOUBLINGS = 60
"""Of the wait, which `longest_wait_seconds` bounds long before; 2 to more than this overflows."""
FORGET_SECONDS = 90 * 86400.0
"""Failures older than this are forgotten, unless they locked the user for good."""

CLOCK_SKEW_SECONDS = 5.0
"""By how much the clocks of servers on one database may differ; a moment farther ahead is of a clock set back since."""


@dataclass(frozen=True)
class LockState:
    """Failures and lock of a name.

    Attributes:
        failures: in a row.
        wait_seconds: until the next attempt is let through; 0 if it is now.
        locked: only an administrator can unlock.
    """

    failures: int
    wait_seconds: float
    locked: bool

    @property
    def open(self) -> bool:
        """Whether an attempt is let through now."""
        return not (self.locked or self.wait_seconds)


FREE = LockState(0, 0.0, False)
"""Nothing stands against the name."""


@dataclass(frozen=True)
class Ticket:
    """An attempt that was let through.

    Attributes:
        key_id: of the key that its nonce was given to.
        charge: id of the failure that was charged for it; "" where none was.
        charged: when that was, seconds since 1970; 0 where none was.
        before: when the failure before that one was charged; 0 if there was none.
        session: id of the session that the attempt belongs to; "" for none.
        nonce: digest of its nonce.
    """

    key_id: str
    charge: str = ""
    charged: float = 0.0
    before: float = 0.0
    session: str = ""
    nonce: bytes = b""


class Attempts:
    """Nonces and failures in a service's database; holds across processes."""

    def __init__(self, database: Database, settings: AttemptSettings) -> None:
        self._database = database
        self._settings = settings

    def issue(self, user: str, purpose: Purpose, key_id: str, *, session: str = "") -> str:
        """Give out a nonce.

        Args:
            user, purpose, key_id: for whom and what, and who asks for it.
            session: id of the session that the attempt belongs to; "" for none.
        Raises:
            RateError: the key has too many unused ones of the user, or all keys together have. A session has one: the
                newest, so that whoever began one takes none from the others.
            LockedError: attempts of that user are locked; only for the purpose "verify".
        """
        nonce, now = secrets.token_urlsafe(NONCE_BYTES), time.time()
        with self._database.write() as connection:
            hold_user(connection, user)  # else each of several at once would count what was there before all of them
            self._mend(connection, now, failures.c.user == user)
            state = self._state(connection, user, now) if purpose == "verify" else FREE
            if state.open:
                row = {"user": user, "purpose": purpose, "key_id": key_id, "session": session or None}
                self._give(connection, row, nonce, now)
        self._refuse_locked(state)  # outside of the transaction, which keeps what was mended
        return nonce

    def _give(self, connection: Connection, row: dict[str, Any], nonce: str, now: float) -> None:
        of_user = (nonces.c.user == row["user"]) & (nonces.c.purpose != PROOF)
        if row["session"]:
            connection.execute(delete(nonces).where(of_user & (nonces.c.session == row["session"])))
        else:
            here, of_key = of_user & nonces.c.session.is_(None), nonces.c.key_id == row["key_id"]
            refuse_hoard(connection, here, of_key, self._settings.open_nonces, self._settings.nonce_seconds)
        expires = now + self._settings.nonce_seconds
        self._database.sealer.write(connection, nonces, row | {"digest": secret_digest(nonce), "expires": expires})

    def begin(self, user: str, purpose: Purpose, key_id: str | None, nonce: str) -> Ticket:
        """Use up a nonce and, for "verify", charge a failure beforehand.

        Args:
            key_id: of the caller, who must be the one that the nonce was given to; None where the nonce itself says
                who calls.
        Returns:
            what `forgive`, `fail` and `accept` ask for.
        Raises:
            NonceError: unknown, used, expired, or of another user, purpose or key.
            LockedError: wait, or see an administrator; the nonce is used up all the same.
        """
        self.holder(user, purpose, key_id, nonce)  # a made-up one costs no writing
        now = time.time()
        with self._database.write() as connection:
            hold_user(connection, user)  # one attempt of a user at a time
            self._mend(connection, now, failures.c.user == user)
            here = self._good(user, purpose, key_id, nonce, now)
            row = self._given(connection, here)
            known = row is not None and connection.execute(delete(nonces).where(here)).rowcount == 1
            state = self._state(connection, user, now) if purpose == "verify" else FREE
            ticket = Ticket("")
            if row is not None:
                ticket = Ticket(row["key_id"], session=row["session"] or "", nonce=bytes(row["digest"]))
            if known and purpose == "verify" and state.open:
                ticket = self._charge(connection, user, ticket, now)
        if not known:
            raise _unknown_nonce()
        self._refuse_locked(state)
        return ticket

    def holder(self, user: str, purpose: Purpose | Literal["proof"], key_id: str | None, nonce: str) -> str:
        """Id of the key that a nonce was given to; the nonce stays good.

        Args:
            user, purpose, key_id, nonce: see begin; PROOF looks for a proof.
        Raises:
            NonceError: see begin.
        """
        with self._database.read() as connection:
            here = self._good(user, purpose, key_id, nonce, time.time())
            row = self._given(connection, here)
            if row is None:  # once more: a rotation may have come between two statements
                row = self._given(connection, here)
        if row is None:
            raise _unknown_nonce()
        return str(row["key_id"])

    def forgive(self, connection: Connection, user: str, ticket: Ticket) -> None:
        """Take back the charge of an attempt without a comparison. The wait continues from the failure before it,
        unless another one was charged since. If the charge was forgotten meanwhile, nothing is taken back.
        """
        if not self.fail(connection, user, ticket):
            return
        of_user = failures.c.user == user
        here = of_user & (failures.c["count"] > 0)
        connection.execute(update(failures).where(here).values(count=failures.c["count"] - 1))
        last = of_user & (failures.c.latest == ticket.charged)
        connection.execute(update(failures).where(last).values(latest=ticket.before))

    def fail(self, connection: Connection, user: str, ticket: Ticket) -> bool:
        """Keep the charge of an attempt that was compared and wasn't accepted.

        Returns:
            Whether it was still under way.
        """
        here = (charges.c.id == ticket.charge) & (charges.c.user == user)
        return bool(connection.execute(delete(charges).where(here)).rowcount)

    def accept(self, connection: Connection, user: str, ticket: Ticket) -> None:
        """Take back the charge of an accepted attempt, and forget earlier failures, unless they locked the user.
        Attempts that are under way stay charged.
        """
        self.forgive(connection, user, ticket)
        others = (charges.c.user == user) & (charges.c.at > time.time() - UNDER_WAY_SECONDS)
        under_way = connection.scalar(select(func.count()).select_from(charges).where(others)) or 0
        here = (failures.c.user == user) & (failures.c["count"] < self._settings.lock_failures)
        if under_way:
            fewer = here & (failures.c["count"] > under_way)
            connection.execute(update(failures).where(fewer).values(count=under_way))
        else:
            connection.execute(delete(failures).where(here))

    def forget_failures(self, connection: Connection, user: str) -> None:
        """Forget the failures of a name that enrolled again, unless they locked it."""
        if not self._state(connection, user, time.time()).locked:
            self.unlock(connection, user)

    def unlock(self, connection: Connection, user: str) -> None:
        """Forget all failures of a name."""
        connection.execute(delete(failures).where(failures.c.user == user))
        connection.execute(delete(charges).where(charges.c.user == user))

    def final_lock(self, connection: Connection, user: str) -> dict[str, Any] | None:
        """The row that locks a name for good, for `lock_again`; None where it isn't locked so."""
        if not self._state(connection, user, time.time()).locked:
            return None
        return dict(connection.execute(select(failures).where(failures.c.user == user)).mappings().one())

    def lock_again(self, connection: Connection, row: dict[str, Any]) -> None:
        """Put a final lock back after everything else of a name was removed."""
        connection.execute(insert(failures).values(**row))

    def state(self, user: str) -> LockState:
        """How a name stands now."""
        with self._database.read() as connection:
            return self._state(connection, user, time.time())

    def states(self, users: Collection[str]) -> dict[str, LockState]:
        """How several names stand now."""
        now = time.time()
        with self._database.read() as connection:
            rows = connection.execute(select(failures).where(failures.c.user.in_(users))).mappings().all()
        return dict.fromkeys(users, FREE) | {row["user"]: self._lock_state(row, now) for row in rows}

    def count_locked(self) -> int:
        """How many names only an administrator unlocks."""
        locked = failures.c["count"] >= self._settings.lock_failures
        with self._database.read() as connection:
            return connection.scalar(select(func.count()).select_from(failures).where(locked)) or 0

    def tidy(self) -> None:
        """Forget expired nonces and failures of long ago."""
        now = time.time()
        with self._database.write() as connection:
            self._mend(connection, now)
            old = (failures.c.latest < now - FORGET_SECONDS) & (failures.c["count"] < self._settings.lock_failures)
            connection.execute(delete(failures).where(old))
            connection.execute(delete(charges).where(charges.c.at < now - UNDER_WAY_SECONDS))

    def _given(self, connection: Connection, here: ColumnElement[bool]) -> RowMapping | None:
        """The row of a nonce that the service itself gave out."""
        row = connection.execute(select(nonces).where(here)).mappings().one_or_none()
        return row if row is not None and self._database.sealer.holds(connection, nonces.name, row) else None

    def _good(self, user: str, purpose: str, key_id: str | None, nonce: str, now: float) -> ColumnElement[bool]:
        """Which row holds a nonce that is good for this."""
        here = (
            (nonces.c.digest == secret_digest(nonce))
            & (nonces.c.user == user)
            & (nonces.c.purpose == purpose)
            & ~self._stale(now)
        )
        return here if key_id is None else here & (nonces.c.key_id == key_id)

    def _stale(self, now: float) -> ColumnElement[bool]:
        """Which nonces aren't good: expired, or of a moment that this clock hasn't reached."""
        latest = now + self._settings.nonce_seconds + CLOCK_SKEW_SECONDS
        return (nonces.c.expires < now) | (nonces.c.expires > latest)

    def _mend(self, connection: Connection, now: float, whose: ColumnElement[bool] | None = None) -> None:
        """Remove nonces that aren't good, and let waits that began at a moment still to come begin now.

        Args:
            whose: rows of failures to look at; all where None.
        """
        connection.execute(delete(nonces).where(self._stale(now)))
        ahead = failures.c.latest > now + CLOCK_SKEW_SECONDS
        connection.execute(update(failures).where(ahead if whose is None else whose & ahead).values(latest=now))

    def _state(self, connection: Connection, user: str, now: float) -> LockState:
        row = connection.execute(select(failures).where(failures.c.user == user)).mappings().one_or_none()
        return FREE if row is None else self._lock_state(row, now)

    def _lock_state(self, row: RowMapping, now: float) -> LockState:
        """What a row of failures means."""
        settings, count = self._settings, row["count"]
        if count >= settings.lock_failures:
            return LockState(count, 0.0, True)
        if count < settings.free_failures:
            return LockState(count, 0.0, False)
        doublings = min(count - settings.free_failures, MOST_DOUBLINGS)
        wait = min(settings.wait_seconds * 2.0**doublings, settings.longest_wait_seconds)
        return LockState(count, min(wait, max(0.0, row["latest"] + wait - now)), False)

    def _refuse_locked(self, state: LockState) -> None:
        if state.locked:
            raise LockedError("Too many failures; an administrator must unlock this user.")
        if state.wait_seconds:
            raise LockedError(
                f"Too many failures; try again in {math.ceil(state.wait_seconds)} s.", retry_seconds=state.wait_seconds
            )

    def _charge(self, connection: Connection, user: str, ticket: Ticket, now: float) -> Ticket:
        """Count a failure, which its own attempt may take back."""
        before: float | None = connection.scalar(select(failures.c.latest).where(failures.c.user == user))
        dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
        row = dialect.insert(failures).values(user=user, count=1, latest=now)
        again = {"count": failures.c["count"] + 1, "latest": now}
        connection.execute(row.on_conflict_do_update(index_elements=["user"], set_=again))
        charge = secrets.token_hex(CHARGE_BYTES)
        connection.execute(insert(charges).values(id=charge, user=user, at=now))
        return replace(ticket, charge=charge, charged=now, before=before or 0.0)


def refuse_hoard(
    connection: Connection, of_user: ColumnElement[bool], of_key: ColumnElement[bool], most: int, seconds: float
) -> None:
    """Let no key have too many unused nonces, or unfinished sessions, of a user.

    Args:
        connection: of a transaction that holds the user.
        of_user: the user's rows that count.
        of_key: which of them are those of the key that asks for another one.
        most: rows that one key may have; all keys together may have HOLDERS times as many.
        seconds: how long a row counts.
    Raises:
        RateError: there are as many.
    """
    for here, bound in ((of_user & of_key, most), (of_user, most * HOLDERS)):
        held = connection.scalar(select(func.count()).where(here)) or 0
        if held >= bound:
            raise RateError(
                f"There are {held} unused nonces or sessions of this user; use one, or wait {seconds:g} s.",
                retry_seconds=seconds,
            )


def _unknown_nonce() -> NonceError:
    return NonceError(
        "The nonce is unknown, used or expired, or was given for another user, purpose or key; ask for a new one."
    )
