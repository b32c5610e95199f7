"""Deeds: what each leaves behind, in one transaction with its row of the audit trail."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection

from facemotion.service.guard import audit
from facemotion.service.guard.auth import Caller
from facemotion.service.metrics import Metrics
from facemotion.store.database import Database

ATTEMPTS = ("verify", "enrol", "enrol again")
Settle = Callable[[Connection, str], str | None]


class Deeds:
    """Settles deeds and counts attempts; safe to use from several threads.

    Args:
        database: at the service's schema.
        metrics: where attempts are counted.
    """

    def __init__(self, database: Database, metrics: Metrics) -> None:
        self._database, self._metrics = database, metrics

    def settle(
        self,
        caller: Caller,
        action: str,
        user: str,
        outcome: str,
        detail: dict[str, Any] | None = None,
        settle: Settle | None = None,
    ) -> str:
        """Settle a deed.

        Args:
            caller: who did it.
            action: what it was.
            user: to whom.
            outcome: unless `settle` gives another one.
            detail: what else the trail says.
            settle: writes what the deed leaves behind.
        Returns:
            The outcome.
        """
        with self._database.write() as connection:
            if settle is not None:
                outcome = settle(connection, user) or outcome
            audit.append(self._database, caller.label, action, user, outcome, detail)
        if action in ATTEMPTS:
            self._metrics.count("facemotion_attempts_total", action=action, outcome=outcome)
        return outcome


def of_session(session: str) -> dict[str, str]:
    """What the audit trail says of the session that an attempt belongs to."""
    return {"session": session} if session else {}
