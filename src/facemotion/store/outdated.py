"""Who was enrolled with other networks than those that users are enrolled with now."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import func, select, tuple_

from facemotion.store.database import Database
from facemotion.store.tables import templates as table
from facemotion.types import Factor


def count_outdated(database: Database, model_ids: Mapping[Factor, str]) -> int:
    """How many users lack a template of one of these networks.

    Args:
        database: of a store.
        model_ids: the network of each factor that is compared.
    Raises:
        StoreUnavailableError: the database doesn't answer.
    """
    fits = tuple_(table.c.factor, table.c.model_id).in_(list(model_ids.items()))
    fitting = select(func.count().filter(fits).label("fitting")).group_by(table.c.user).subquery()
    with database.read() as connection:
        return connection.scalar(select(func.count()).where(fitting.c.fitting < len(model_ids))) or 0
