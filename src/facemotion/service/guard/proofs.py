"""Proofs: a caller without an API key can replace or delete templates only after a successful attempt of their user.

The nonce of an attempt that was accepted, or of an enrolment that was stored, is a proof for as long as a nonce is
good: nobody but the one who made the attempt knows it. It stands among the nonces, as its digest, sealed. Holders of
keys need none: their role says what they may do.
"""

from __future__ import annotations

import time

from sqlalchemy import Connection, delete

from facemotion.errors import NonceError, ProofError
from facemotion.service.guard import audit
from facemotion.service.guard.attempts import PROOF, Attempts, Ticket
from facemotion.service.guard.auth import Caller
from facemotion.service.settings import AttemptSettings
from facemotion.service.sql_tables import nonces
from facemotion.store.database import Database


class Proofs:
    """The proofs in a service's database.

    Args:
        database: with the service's tables.
        settings: of attempts.
        attempts: which know the nonces that are good.
    """

    def __init__(self, database: Database, settings: AttemptSettings, attempts: Attempts) -> None:
        self._database = database
        self._seconds = settings.nonce_seconds
        self._attempts = attempts

    def keep(self, connection: Connection, caller: Caller, user: str, ticket: Ticket) -> None:
        """Keep that an attempt succeeded, in its transaction; earlier proofs of the user are gone. Of a caller with a
        key nothing is kept.
        """
        if caller.key_id:
            return
        connection.execute(delete(nonces).where((nonces.c.user == user) & (nonces.c.purpose == PROOF)))
        row = {"digest": ticket.nonce, "user": user, "purpose": PROOF, "key_id": ""}
        self._database.sealer.write(connection, nonces, row | {"expires": time.time() + self._seconds})

    def require(self, caller: Caller, user: str, proof: str, action: str) -> None:
        """Refuse a caller who has neither key nor proof; the refusal is noted in the audit trail.

        Args:
            caller: who asks.
            user: whose templates would be replaced or deleted.
            proof: nonce of an attempt of that user.
            action: as the trail names it.
        Raises:
            ProofError: there is none, or it is of another user or too old.
        """
        if caller.key_id or self._holds(user, proof):
            return
        audit.append(self._database, caller.label, action, user, ProofError.__name__)
        raise ProofError(
            "Without an API key this needs the motion of until now: verify first, and give the nonce of that attempt "
            f"as proof within {self._seconds:g} s."
        )

    def _holds(self, user: str, proof: str) -> bool:
        try:
            self._attempts.holder(user, PROOF, "", proof)
        except NonceError:
            return False
        return True
