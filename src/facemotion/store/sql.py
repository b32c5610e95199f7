"""Templates in tables: SQLite by default, PostgreSQL by URL."""

from __future__ import annotations

from datetime import UTC, datetime
from types import TracebackType
from typing import Self, cast

import numpy as np
from sqlalchemy import Connection, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from facemotion.errors import StoreCorruptError, UnknownUserError
from facemotion.store import schema
from facemotion.store.base import UserSummary, check_user
from facemotion.store.database import Database
from facemotion.store.tables import templates as table
from facemotion.types import Factor, Template


class SqlStore:
    """A TemplateStore in a Database; safe to use from several threads and processes at once."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def put(self, *templates: Template) -> None:
        """See TemplateStore.put."""
        now = datetime.now(UTC).replace(tzinfo=None)
        replaced = False
        with self.database.write() as connection:
            for template in templates:
                check_user(template.user)
                replaced |= _write(connection, template, now)
        if replaced:
            self.database.scrub()

    def get(self, user: str, factor: Factor) -> Template:
        """See TemplateStore.get."""
        with self.database.read() as connection:
            row = connection.execute(select(table).where(table.c.user == user, table.c.factor == factor)).one_or_none()
        if row is None:
            raise UnknownUserError(f"There is no {factor} template of user {user!r}; enrol first.")
        vectors = np.frombuffer(row.payload, "<f4").astype(np.float32)
        if vectors.size != row.takes * row.dimension:
            raise StoreCorruptError(
                f"The {factor} template of user {user!r} is damaged; delete the user and enrol again."
            )
        return Template(user, factor, vectors.reshape(row.takes, row.dimension), row.model_id)

    def factors(self, user: str) -> tuple[Factor, ...]:
        """See TemplateStore.factors."""
        with self.database.read() as connection:
            found = connection.scalars(select(table.c.factor).where(table.c.user == user).order_by(table.c.factor))
            return cast(tuple[Factor, ...], tuple(found))

    def users(self) -> list[UserSummary]:
        """See TemplateStore.users."""
        columns = (table.c.user, table.c.factor, table.c.takes, table.c.model_id, table.c.enrolled, table.c.changed)
        with self.database.read() as connection:
            rows = connection.execute(select(*columns)).all()
        # Sorted here: databases sort letters by rules of their own.
        by_user: dict[str, list[tuple[Factor, int, str, datetime, datetime]]] = {}
        for user, *rest in sorted(map(tuple, rows)):
            by_user.setdefault(user, []).append(cast(tuple[Factor, int, str, datetime, datetime], tuple(rest)))
        return [
            UserSummary(
                user=user,
                takes={factor: takes for factor, takes, *_ in found},
                model_ids={factor: model_id for factor, _, model_id, *_ in found},
                enrolled=min(enrolled for *_, enrolled, _ in found).replace(tzinfo=UTC),
                changed=max(changed for *_, changed in found).replace(tzinfo=UTC),
            )
            for user, found in by_user.items()
        ]

    def delete(self, user: str) -> None:
        """See TemplateStore.delete."""
        with self.database.write() as connection:
            gone = connection.execute(delete(table).where(table.c.user == user)).rowcount
        if not gone:
            raise UnknownUserError(f"There is no user {user!r}; `facemotion users` lists them.")
        self.database.scrub()

    @property
    def schema_version(self) -> str:
        """See TemplateStore.schema_version."""
        with self.database.read() as connection:
            return schema.version(connection) or ""

    def close(self) -> None:
        """See TemplateStore.close."""
        self.database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _write(connection: Connection, template: Template, now: datetime) -> bool:
    """Put one row; true if it replaced another."""
    takes, dimension = template.vectors.shape
    key = {"user": template.user, "factor": template.factor}
    values = {
        "model_id": template.model_id,
        "takes": takes,
        "dimension": dimension,
        "payload": template.vectors.astype("<f4").tobytes(),
        "changed": now,
    }
    here = (table.c.user == template.user) & (table.c.factor == template.factor)
    replaces = connection.execute(select(table.c.takes).where(here)).one_or_none() is not None
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    row = dialect.insert(table).values(**key, enrolled=now, **values)
    connection.execute(row.on_conflict_do_update(index_elements=list(key), set_=values))
    return replaces
