"""Sessions: a back end sends one of its users to the page for one purpose, and learns how it ended.

The address of the page is good once: the first browser that opens it gets a secret of its own in exchange. In the end
only that browser gets a code, and the service gives the result only for the code. Somebody who only knows of a session,
or began it and had somebody else carry it out, has no code. A session that returns nowhere has no code; the key that
made it can ask for its result.

A session ends when an attempt is accepted, when too many failed, or when the user goes back. Otherwise it expires. Its
row is sealed. It says when the result is due to be sent: at the end or, if the session expires, once it has expired by
the clock of every server.
"""

from __future__ import annotations

import hmac
import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast
from urllib.parse import urlencode, urlsplit

from sqlalchemy import ColumnElement, Connection, RowMapping, delete, select, update

from facemotion.errors import CodeError, LockedError, ReturnAddressError, RightsError, SessionError
from facemotion.service.guard import audit
from facemotion.service.guard.attempts import CLOCK_SKEW_SECONDS, Attempts, Purpose, refuse_hoard
from facemotion.service.guard.auth import ApiKeys, Caller
from facemotion.service.guard.history import NOTED, noted_detail, session_row
from facemotion.service.settings import SessionSettings
from facemotion.service.sql_tables import secret_digest
from facemotion.service.sql_tables import sessions as table
from facemotion.store.database import Database
from facemotion.store.sql import hold_user

Reason = Literal["accepted", "rejected", "unusable", "locked", "cancelled", "expired"]
"""Why a session ended as it did: no more than whoever may verify learns anyhow."""
Status = Literal["waiting", "opened", "ended", "expired"]
ID_BYTES = 16
TOKEN_BYTES = 32
MOST_HOOKS = 20
"""Results that one worker sends at a time."""
GONE = "The address of this session is unknown, was opened already or has expired; the site must make a new session."
SITTING = "sitting"
"""What a study keeps in `detail`: the number of the session in its manifest, which is no part of a result."""
UNKNOWN = "There is no such session of this key; it may have been cleared up. Make a new one."
UNKNOWN_CODE = "The code is unknown, used or expired, or of another session; begin a new session."


@dataclass(frozen=True)
class Session:
    """How a session stands.

    Attributes:
        id: public name.
        user, purpose: as it was made.
        status: waiting for the page to be opened, opened, ended, or expired.
        state: text of the back end's own, given back as it came.
        return_to: address that the page returns to; "" for none.
        frame_origin: origin whose page may frame it; "" for none.
        tries: verifications that may still be rejected.
        reason: why it ended, or what hinders it so far; "" for nothing.
        detail: of the attempt that it rests on: factors, quality, operating_point, encoder.
        ended: seconds since 1970; 0 where it hasn't.
    """

    id: str
    user: str
    purpose: Purpose
    status: Status
    state: str
    return_to: str
    frame_origin: str
    tries: int
    reason: str
    detail: dict[str, Any]
    ended: float

    @property
    def accepted(self) -> bool:
        """Whether the purpose was reached."""
        return self.reason == "accepted"


@dataclass(frozen=True)
class Return:
    """What the page gives back in the end.

    Attributes:
        session: that ended.
        code: for whoever made it; "" where it returns nowhere.
    """

    session: Session
    code: str

    @property
    def address(self) -> str:
        """Where to go; "" for nowhere."""
        to = self.session.return_to
        given = urlencode({"session": self.session.id, "code": self.code, "state": self.session.state})
        return to and f"{to}{'&' if urlsplit(to).query else '?'}{given}"


class Sessions:
    """The sessions in a service's database; holds across processes.

    Args:
        database: with the service's tables.
        settings: of sessions.
        attempts: which nonces come from.
    """

    def __init__(self, database: Database, settings: SessionSettings, attempts: Attempts) -> None:
        self._database = database
        self._settings = settings
        self._attempts = attempts
        self._keys = ApiKeys(database)

    def make(
        self, caller: Caller, user: str, purpose: Purpose, return_to: str, frame_origin: str, state: str
    ) -> tuple[str, str]:
        """Make a session.

        Returns:
            its id, and the secret that its address takes.
        Raises:
            ReturnAddressError: the settings don't list the address or the origin.
            RateError: the key has too many unfinished ones of the user, or all keys together have.
            RightsError: a caller without a key wants an enrolled user's motion to be replaced, or clips to be kept.
        """
        if return_to and return_to not in self._settings.return_addresses:
            raise ReturnAddressError(
                "The return address isn't among return_addresses in the settings of the service, which must hold it "
                "letter for letter."
            )
        if frame_origin and frame_origin not in self._settings.frame_origins:
            raise ReturnAddressError("The frame origin isn't among frame_origins in the settings of the service.")
        if purpose in ("enrol-again", "study") and not caller.key_id:
            what = "for a study" if purpose == "study" else "to enrol somebody again"
            raise RightsError(f"A session {what} needs an API key with the role enrol.")
        now, token = time.time(), secrets.token_urlsafe(TOKEN_BYTES)
        row = {
            "id": secrets.token_urlsafe(ID_BYTES),
            "user": user,
            "purpose": purpose,
            "key_id": caller.key_id,
            "return_to": return_to,
            "frame_origin": frame_origin,
            "state": state,
            "token": secret_digest(token),
            "made": now,
            "expires": now + self._settings.session_seconds,
            "tries": self._settings.tries,
            "reason": "",
            "hook_tries": 0,
            "hook_due": now + self._settings.session_seconds + CLOCK_SKEW_SECONDS if self._settings.webhook else None,
        }
        with self._database.write() as connection:
            hold_user(connection, user)  # so that several at once are counted one after the other
            here = (table.c.user == user) & table.c.ended.is_(None) & ~self._stale(now)
            settings, mine = self._settings, table.c.key_id == caller.key_id
            refuse_hoard(connection, here, mine, settings.open_sessions, settings.session_seconds)
            self._audit(caller.label, user, "made", {"session": row["id"], "purpose": purpose})
            self._database.sealer.write(connection, table, row | {"detail": noted_detail(connection, {})})
        return str(row["id"]), token

    def open(self, token: str) -> tuple[Session, str]:
        """Open the page of a session, by the secret of its address or, later on, by the page's own.

        Returns:
            the session, and the page's own secret.
        Raises:
            SessionError: neither.
        """
        now = time.time()
        self._read(token, now)
        with self._database.write() as connection:
            row = self._of_token(connection, token, now)
            if row["opened"] is None:
                token = secrets.token_urlsafe(TOKEN_BYTES)
                self._audit("page", row["user"], "opened", {"session": row["id"]})
                row = self._step(connection, row, token=secret_digest(token), opened=now)
        return self._session(row, now), token

    def nonce(self, token: str) -> tuple[str, Purpose]:
        """A nonce for the next attempt of a session that is open, and what it is for.

        Raises:
            SessionError: it isn't, or the key that made it was revoked since.
            LockedError, RateError: see Attempts.issue.
        """
        row = self._read(token, time.time())
        if row["opened"] is None or row["ended"] is not None or not self._keys.is_good(row["key_id"]):
            raise SessionError(GONE)
        purpose = cast(Purpose, row["purpose"])
        try:
            return self._attempts.issue(row["user"], purpose, row["key_id"], session=row["id"]), purpose
        except LockedError:
            with self._database.write() as connection:
                self.note(connection, row["id"], "locked", {}, coming=0)
            raise

    def note(
        self,
        connection: Connection,
        session_id: str,
        reason: Reason,
        detail: Mapping[str, Any],
        *,
        costs_a_try: bool = True,
        coming: int = 1,
    ) -> None:
        """Keep the outcome of a session's attempt, in the transaction of the attempt. Nothing is kept if the attempt
        has no session, or its session ended or expired meanwhile.

        Args:
            connection: of that transaction.
            session_id: "" for none.
            reason: how it went.
            detail: the evidence; if it is empty, that of the attempt before stays.
            costs_a_try: whether a rejection uses up a try; it doesn't for a user who must enrol again.
            coming: rows of the trail about the session that the transaction is still to add.
        """
        now = time.time()
        row = self._row(connection, table.c.id == session_id) if session_id else None
        if row is None:
            return
        changes: dict[str, Any] = {}
        if row["ended"] is None and self._session(row, now).status != "expired":
            tries = row["tries"] - (reason == "rejected" and costs_a_try)
            changes = {"tries": tries, "reason": reason} | ({"detail": json.dumps(dict(detail))} if detail else {})
            if reason == "accepted" or tries <= 0:
                changes |= self._ending(row, reason, now)
        self._step(connection, row, coming, **changes)

    def end(self, token: str) -> Return:
        """Leave the page: end the session where it hasn't ended, and give a new code, which replaces an earlier one.

        Raises:
            SessionError: it isn't open, or its result was given already.
        """
        now, code = time.time(), ""
        self._read(token, now)
        with self._database.write() as connection:
            row = self._of_token(connection, token, now)
            if row["opened"] is None or row["collected"] is not None:
                raise SessionError(GONE)
            changes: dict[str, Any] = {}
            if row["ended"] is None:
                reason = row["reason"] or "cancelled"
                changes = {"reason": reason} | self._ending(row, reason, now)
            if _returns(row):
                code = secrets.token_urlsafe(TOKEN_BYTES)
                changes |= {"code": secret_digest(code), "code_until": now + self._settings.code_seconds}
            row = self._step(connection, row, **changes)
        return Return(self._session(row, now), code)

    def read(self, caller: Caller, session_id: str, code: str) -> tuple[Session, bool]:
        """How a session stands, for the key that made it.

        Args:
            code: that the page handed over; "" for none.
        Returns:
            the session, and whether its result may be given: once for its code, or always if it returns nowhere.
        Raises:
            SessionError: this key made no such session.
            CodeError: the code isn't good.
        """
        now = time.time()
        with self._database.write() if code else self._database.read() as connection:
            row = self._row(connection, table.c.id == session_id, hold=bool(code))
            if row is None or row["key_id"] != caller.key_id:
                raise SessionError(UNKNOWN)
            good = bool(code) and self._collect(connection, caller, row, code, now)
        if code and not good:  # outside of the transaction, which keeps the row of the trail
            raise CodeError(UNKNOWN_CODE)
        session = self._session(row, now)
        return session, good or (not _returns(row) and session.status in ("ended", "expired"))

    def _collect(self, connection: Connection, caller: Caller, row: RowMapping, code: str, now: float) -> bool:
        """Use up a code; whether it was good."""
        same = hmac.compare_digest(secret_digest(code), bytes(row["code"] or b""))
        good = same and row["collected"] is None and now < row["code_until"]
        outcome = "collected" if good else "CodeError"
        self._audit(caller.label, row["user"], outcome, {"session": row["id"]})
        if good:
            self._step(connection, row, collected=now)
        return good

    def claim_hooks(self, lease_seconds: float) -> list[Session]:
        """Sessions whose result is due to be sent; nobody else gets them until the lease is over."""
        now, found = time.time(), []
        with self._database.read() as connection:
            due = select(table.c.id).where(table.c.hook_due <= now).order_by(table.c.hook_due).limit(MOST_HOOKS)
            ids = connection.scalars(due).all()
        for session_id in ids:
            with self._database.write() as connection:
                row = self._row(connection, table.c.id == session_id)
                if row is None:  # of somebody else: it would come first for ever
                    connection.execute(update(table).where(table.c.id == session_id).values(hook_due=None))
                elif row["hook_due"] is not None and row["hook_due"] <= now:
                    tries = row["hook_tries"] + 1
                    row = self._change(connection, row, hook_tries=tries, hook_due=now + lease_seconds)
                    found.append(self._session(row, now))
        return found

    def settle_hook(self, session_id: str, problem: str) -> None:
        """Keep how sending a result went.

        Args:
            problem: "" where it arrived; otherwise it is sent again later, or given up after `webhook_tries`.
        """
        with self._database.write() as connection:
            row = self._row(connection, table.c.id == session_id)
            if row is None:
                return
            due = None
            if problem and row["hook_tries"] < self._settings.webhook_tries:
                due = time.time() + self._settings.webhook_wait_seconds * 2.0 ** (row["hook_tries"] - 1)
            if problem and due is None:
                detail = {"session": session_id, "tries": row["hook_tries"], "problem": problem}
                self._audit("webhook", row["user"], "not delivered", detail)
            self._step(connection, row, hook_due=due)

    def tidy(self) -> None:
        """Forget sessions whose result was kept as long as the settings say."""
        now, keep = time.time(), self._settings.result_seconds
        longest = now + self._settings.session_seconds + CLOCK_SKEW_SECONDS
        old = (table.c.expires < now - keep) & (table.c.ended.is_(None) | (table.c.ended < now - keep))
        old &= table.c.hook_due.is_(None) | (table.c.hook_due < now - keep)  # a result that is due is sent before
        with self._database.write() as connection:
            connection.execute(delete(table).where(old | (table.c.expires > longest)))

    def _ending(self, row: RowMapping | dict[str, Any], reason: str, now: float) -> dict[str, Any]:
        """What changes where a session ends."""
        self._audit("page", row["user"], reason, {"session": row["id"], "purpose": row["purpose"]})
        return {"ended": now, "hook_due": now if self._settings.webhook else None}

    def _audit(self, actor: str, user: str, outcome: str, detail: dict[str, Any]) -> None:
        audit.append(self._database, actor, "session", user, outcome, detail)

    def _read(self, token: str, now: float) -> RowMapping:
        """As _of_token, before a transaction that writes: a made-up token keeps no writer waiting."""
        with self._database.read() as connection:
            return self._of_token(connection, token, now, hold=False)

    def _of_token(self, connection: Connection, token: str, now: float, hold: bool = True) -> RowMapping:
        """
        Raises:
            SessionError: the token is of no session, or of one that expired before it ended.
        """
        row = self._row(connection, table.c.token == secret_digest(token), hold)
        if row is None or self._session(row, now).status == "expired":
            raise SessionError(GONE)
        return row

    def _row(self, connection: Connection, here: ColumnElement[bool], hold: bool = True) -> RowMapping | None:
        return session_row(self._database, connection, here, hold=hold)

    def _step(self, connection: Connection, row: Mapping[Any, Any], coming: int = 0, **changes: Any) -> RowMapping:
        """Change a session, whose newest row of the trail was added, or is coming."""
        detail = noted_detail(connection, json.loads(changes.get("detail", row["detail"])), coming)
        return self._change(connection, row, **changes | {"detail": detail})

    def _change(self, connection: Connection, row: Mapping[Any, Any], **changes: Any) -> RowMapping:
        self._database.sealer.write(connection, table, dict(row) | changes)
        return connection.execute(select(table).where(table.c.id == row["id"])).mappings().one()

    def _stale(self, now: float) -> ColumnElement[bool]:
        """Which sessions expired, or are of a moment that this clock hasn't reached."""
        latest = now + self._settings.session_seconds + CLOCK_SKEW_SECONDS
        return (table.c.expires < now) | (table.c.expires > latest)

    def _session(self, row: Mapping[Any, Any], now: float) -> Session:
        late = not now <= row["expires"] <= now + self._settings.session_seconds + CLOCK_SKEW_SECONDS
        status: Status = "opened" if row["opened"] is not None else "waiting"
        if row["ended"] is not None or late:
            status = "ended" if row["ended"] is not None else "expired"
        return Session(
            id=row["id"],
            user=row["user"],
            purpose=row["purpose"],
            status=status,
            state=row["state"],
            return_to=row["return_to"],
            frame_origin=row["frame_origin"],
            tries=row["tries"],
            reason=row["reason"],
            detail={name: value for name, value in json.loads(row["detail"]).items() if name not in (SITTING, NOTED)},
            ended=row["ended"] or 0.0,
        )


def _returns(row: Mapping[Any, Any]) -> bool:
    """Whether a browser comes back with a code."""
    return bool(row["return_to"] or row["frame_origin"])
