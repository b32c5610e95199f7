"""Who is enrolled, without any vector: page by page, and how many."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC
from typing import Any

from sqlalchemy import ColumnElement, func, or_, select, tuple_

from facemotion.store.base import UserSummary, name_forms
from facemotion.store.database import Database
from facemotion.store.tables import templates as table
from facemotion.types import Factor

PLAIN = (table.c.user, table.c.factor, table.c.takes, table.c.model_id, table.c.enrolled, table.c.changed)
"""Columns that summaries are made of."""


@dataclass(frozen=True)
class SummaryPage:
    """Some of those who are enrolled.

    Attributes:
        users: in the database's own order of names.
        next: last name of this page, to continue after it; "" on the last page.
    """

    users: tuple[UserSummary, ...]
    next: str


def summaries(rows: Iterable[Any]) -> list[UserSummary]:
    """Users, by name.

    Args:
        rows: of PLAIN, in any order.
    """
    by_user: dict[str, list[Any]] = {}
    for row in sorted(rows, key=lambda row: (row.user, row.factor)):  # databases sort letters by rules of their own
        by_user.setdefault(name_forms(row.user)[0], []).append(row)
    return [
        UserSummary(
            user=user,
            takes={row.factor: row.takes for row in of_user},
            model_ids={row.factor: row.model_id for row in of_user},
            enrolled=min(row.enrolled for row in of_user).replace(tzinfo=UTC),
            changed=max(row.changed for row in of_user).replace(tzinfo=UTC),
        )
        for user, of_user in by_user.items()
    ]


def user_page(
    database: Database, *, after: str = "", limit: int, find: str = "", lacking: Mapping[Factor, str] | None = None
) -> SummaryPage:
    """Users whose names come after a given one.

    Args:
        database: of a store.
        after: `next` of the page before; "" for the first page.
        limit: most users, 1 or more.
        find: text that a name must contain, in capital or small letters, of which SQLite knows only a to z; "": any.
        lacking: networks by factor; only users who lack a template of one of them. None: everybody.
    Raises:
        StoreUnavailableError: the database doesn't answer.
    """
    # By the order of the primary key, which the database can follow without sorting everybody for each page.
    names = select(table.c.user).where(table.c.user > after).group_by(table.c.user).order_by(table.c.user)
    if find:
        names = names.where(or_(*(table.c.user.icontains(form, autoescape=True) for form in name_forms(find))))
    if lacking is not None:
        names = names.having(_fitting(lacking) < len(lacking))
    with database.read() as connection:
        found = connection.scalars(names.limit(limit + 1)).all()
        shown = found[:limit]
        forms = {form for name in shown for form in name_forms(name)}
        rows = connection.execute(select(*PLAIN).where(table.c.user.in_(forms))).all()
    of_name = {one.user: one for one in summaries(rows)}
    composed = dict.fromkeys(name_forms(name)[0] for name in shown)
    return SummaryPage(tuple(of_name[name] for name in composed), shown[-1] if len(found) > limit else "")


def count_users(database: Database) -> int:
    """How many users are enrolled.

    Raises:
        StoreUnavailableError: the database doesn't answer.
    """
    with database.read() as connection:
        return connection.scalar(select(func.count(table.c.user.distinct()))) or 0


def count_outdated(database: Database, model_ids: Mapping[Factor, str]) -> int:
    """How many users lack a template of one of these networks.

    Args:
        database: of a store.
        model_ids: the network of each factor that is compared.
    Raises:
        StoreUnavailableError: the database doesn't answer.
    """
    fitting = select(_fitting(model_ids).label("fitting")).group_by(table.c.user).subquery()
    with database.read() as connection:
        return connection.scalar(select(func.count()).where(fitting.c.fitting < len(model_ids))) or 0


def _fitting(model_ids: Mapping[Factor, str]) -> ColumnElement[int]:
    """How many templates of a user are of these networks."""
    return func.count().filter(tuple_(table.c.factor, table.c.model_id).in_(list(model_ids.items())))
