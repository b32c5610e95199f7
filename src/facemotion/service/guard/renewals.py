"""Templates of the present encoder, made of the successful attempts of users who enrolled with an earlier one.

It saves users a second enrolment, but it has a risk: if an impostor was accepted that often with similar motions, the
new template describes the impostor. So it is off by default, it needs several attempts, and they must agree as the
takes of an enrolment do.

Until there are enough attempts, their vectors are kept like templates: turned and encrypted. A rotation of the store's
keys makes them unreadable, and they are forgotten.
"""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime

import numpy as np
from sqlalchemy import Connection, delete, insert, select

from facemotion.errors import EnrolmentError, StoreCorruptError, StoreKeyError
from facemotion.frontend import Acquisition
from facemotion.service.guard import audit
from facemotion.service.settings import RenewalSettings
from facemotion.service.sql_tables import renewals as table
from facemotion.store import UserSummary
from facemotion.store.sql import SqlStore
from facemotion.store.tables import store as stores
from facemotion.types import Embedding, Template
from facemotion.verifier import Verifier

ACTOR = "service"


class Renewals:
    """Renews templates of earlier encoders. Safe to use from several threads.

    Args:
        verifier: enrols with the present encoder.
        store: where templates go.
        settings: after how many attempts.
    """

    def __init__(self, verifier: Verifier, store: SqlStore, settings: RenewalSettings) -> None:
        self._verifier = verifier
        self._store = store
        self._takes = settings.takes

    def probe(self, enrolled: UserSummary | None, acquisition: Acquisition) -> Embedding | None:
        """The present encoder's vector of an attempt, for `consider`. Call it before the attempt's transaction, which
        keeps others waiting.

        Args:
            enrolled: what is stored of the user.
            acquisition: of the attempt.
        Returns:
            None where nothing is to be renewed.
        """
        encoder = self._verifier.encoder
        if not self._takes or enrolled is None or enrolled.model_ids.get("motion") == encoder.model_id:
            return None
        return encoder(acquisition.features)

    def consider(self, connection: Connection, user: str, probe: Embedding | None) -> bool:
        """Keep an accepted attempt, and make a template of the present encoder once there are enough of them.

        Args:
            connection: of the transaction that settles the attempt; nobody else holds the user.
            user: as it is stored.
            probe: of the attempt, see `probe`.
        Returns:
            Whether the template was renewed.
        Raises:
            StoreError: the store can't take it.
        """
        enrolled = self._store.find(user)
        if probe is None or enrolled is None or enrolled.model_ids.get("motion") == probe.model_id:
            return False
        vector = probe.vector
        kept = [*self._read(connection, user), vector][-self._takes :]
        template = Template(user, "motion", np.stack(kept), probe.model_id)
        try:
            self._verifier.enroller.check_agreement({"motion": template})
        except EnrolmentError:  # they are no one motion: the latest begins anew
            template = dataclasses.replace(template, vectors=vector[None])
        else:
            if len(kept) == self._takes:
                self._write(connection, user, None)
                self._store.put(template, replace=True)
                audit.append(self._store.database, ACTOR, "renew", user, "done", {"takes": self._takes})
                return True
        self._write(connection, user, template)
        return False

    def _read(self, connection: Connection, user: str) -> list[np.ndarray]:
        """Vectors (E,) of the attempts that were kept for the present encoder, oldest first."""
        row = connection.execute(select(table).where(table.c.user == user)).mappings().one_or_none()
        if row is None or row["model_id"] != self._verifier.encoder.model_id:
            return []
        try:
            return list(self._store.protector.restore(dict(row)).vectors)
        except (StoreKeyError, StoreCorruptError):  # the keys were rotated, or somebody wrote there: nothing is lost
            return []

    def _write(self, connection: Connection, user: str, template: Template | None) -> None:
        """Keep the attempts of a user in place of those before; None: none of them."""
        connection.execute(delete(table).where(table.c.user == user))
        if template is not None:
            keys = connection.execute(select(stores.c.key_id, stores.c.transform_id)).one()
            now = datetime.now(UTC).replace(tzinfo=None)
            row = self._store.protector.seal(template, keys.key_id, keys.transform_id, now, now)
            connection.execute(insert(table).values(**row))
