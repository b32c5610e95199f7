"""Seals: what shows that a row was written by somebody with the store's key, and that none was put back.

Encryption alone doesn't show whether a row is old, or whether a row was deleted. So a table may have a column `seal`:
a MAC of the row under a key derived from the store's. Each enrolled user also has a sealed row with a generation that
only grows, and with a digest of what is stored of them. Somebody who can write the database but lacks the key can put
back an earlier state, and can't make up a new one; docs/reference/store.md says what that leaves open.

Sources: HMAC, RFC 2104; HKDF, RFC 5869.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Connection, MetaData, Table, and_, delete, inspect, select, update
from sqlalchemy.dialects import postgresql, sqlite

from facemotion.errors import StoreCorruptError
from facemotion.store.base import name_forms
from facemotion.store.protect import Protector, derive
from facemotion.store.tables import store as stores
from facemotion.store.tables import templates
from facemotion.store.tables import users as table

READINGS = 3
"""Inside a transaction that writes, PostgreSQL shows each statement what was committed before it: a change of somebody
else in between looks like meddling, once."""
OURS = "facemotion_"
"""Names of our tables begin so; those of them that have a column `seal` are sealed."""
KEPT = ("facemotion_service_audit",)
"""Tables from which nobody is deleted."""


class Sealer:
    """Seals rows of one store's database, and tells whether a seal is the store's.

    Args:
        protector: of the store, whose key the seals rest on.
    """

    def __init__(self, protector: Protector) -> None:
        self._protector = protector

    def seal(self, connection: Connection, table_name: str, row: Mapping[Any, Any]) -> bytes:
        """The seal of a row under the key that the store writes with now.

        Args:
            connection: of the transaction.
            table_name: where the row stands.
            row: by column; its own seal doesn't count.
        """
        return self._mac(self._current(connection), table_name, row)

    def holds(self, connection: Connection, table_name: str, row: Mapping[Any, Any]) -> bool:
        """Whether a row has the seal that the store's key of now gives it."""
        seal = bytes(row["seal"] or b"")
        return hmac.compare_digest(seal, self.seal(connection, table_name, row))

    def write(self, connection: Connection, where: Table, row: Mapping[Any, Any]) -> None:
        """Write a sealed row, which replaces the row with the same primary key; columns that aren't given are empty."""
        whole = {column.name: row.get(column.name) for column in where.columns}
        sealed = whole | {"seal": self.seal(connection, where.name, whole)}
        dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
        keys = [column.name for column in where.primary_key]
        statement = dialect.insert(where).values(**sealed)
        connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=sealed))

    def renew(self, connection: Connection, user: str, *, later: bool = True) -> None:
        """Seal what is stored of a user after a change; does nothing if the user was deleted.

        Args:
            connection: of the transaction.
            user: whose rows changed.
            later: under a later generation. A rotation needs none: no seal of before holds under the new key.
        """
        name = name_forms(user)[0]
        before = connection.execute(select(table).where(table.c.user == name)).mappings().one_or_none()
        content = self._content(connection, name)
        if content is None:
            connection.execute(delete(table).where(table.c.user == name))
            return
        generation = before["generation"] if before else 0
        row = {"user": name, "generation": later_than(generation) if later else generation, "content": content}
        self.write(connection, table, row)

    def check_user(self, connection: Connection, user: str) -> int:
        """Whether what is stored of a user is what was stored last.

        Returns:
            The generation; 0 where nothing is stored.
        Raises:
            StoreCorruptError: it isn't.
        """
        name = name_forms(user)[0]
        for _ in range(READINGS):
            row = connection.execute(select(table).where(table.c.user == name)).mappings().one_or_none()
            content = self._content(connection, name)
            known = row if row is not None else {"user": name, "generation": 0, "content": b"", "seal": b""}
            holds = self.holds(connection, table.name, known)  # of nobody, too: it takes as long
            if row is None and content is None:
                return 0
            if row is not None and holds and bytes(row["content"]) == content:
                return int(row["generation"])
        raise StoreCorruptError(
            f"What is stored of user {user!r} was altered, removed or put back; delete the user and enrol again."
        )

    def reseal(self, connection: Connection, key_id: str) -> None:
        """Seal every sealed row of the database under another key; those whose seal doesn't hold stay without one.

        Args:
            connection: of the transaction, in which the store still names the key before.
            key_id: of the new key.
        """
        for where in sealed_tables(connection):
            for row in connection.execute(select(where)).mappings().all():
                here = and_(*(column == row[column.name] for column in where.primary_key))
                seal = self._mac(key_id, where.name, row) if self.holds(connection, where.name, row) else b""
                connection.execute(update(where).where(here).values(seal=seal))

    def adopt(self, connection: Connection) -> None:
        """Seal what the database holds now as unaltered, as after a restore from a backup."""
        for where in sealed_tables(connection):
            for row in connection.execute(select(where)).mappings().all():
                self.write(connection, where, row)
        self.adopt_users(connection)

    def adopt_users(self, connection: Connection) -> None:
        """Seal the templates that are stored now as unaltered, for a store of an earlier version without seals."""
        names = connection.scalars(select(templates.c.user).distinct()).all()
        for user in {name_forms(name)[0] for name in names}:
            self.renew(connection, user)
        for user in connection.scalars(select(table.c.user)).all():
            if self._content(connection, user) is None:
                connection.execute(delete(table).where(table.c.user == user))

    def _content(self, connection: Connection, user: str) -> bytes | None:
        """Digest of which rows a user has; None: none."""
        query = select(templates.c.user, templates.c.factor, templates.c.row_id)
        rows = connection.execute(query.where(templates.c.user.in_(name_forms(user)))).all()
        return digest_of([row.user, row.factor, row.row_id] for row in rows) if rows else None

    def _current(self, connection: Connection) -> str:
        return str(connection.execute(select(stores.c.key_id)).scalar_one())

    def _mac(self, key_id: str, table_name: str, row: Mapping[Any, Any]) -> bytes:
        values = {name: _plain(value) for name, value in row.items() if name != "seal"}
        text = json.dumps([self._protector.store_id, table_name, sorted(values.items())], separators=(",", ":"))
        key = derive(self._protector.key.find(key_id), self._protector.store_id.encode(), "row seals")
        return hmac.digest(key, text.encode(), "sha256")


def sealed_tables(connection: Connection) -> list[Table]:
    """Our tables of a database that have seals, this version's and those of the service alike."""
    names = [name for name in inspect(connection).get_table_names() if name.startswith(OURS)]
    found = [Table(name, MetaData(), autoload_with=connection) for name in names]
    return [where for where in found if "seal" in where.c]


def personal_tables(connection: Connection) -> list[Table]:
    """Our tables of a database with rows of users, but for the audit trail, which is only added to."""
    names = [name for name in inspect(connection).get_table_names() if name.startswith(OURS) and name not in KEPT]
    found = [Table(name, MetaData(), autoload_with=connection) for name in names]
    return [where for where in found if "user" in where.c]


def digest_of(parts: Iterable[Any]) -> bytes:
    """SHA-256 of several values of JSON, in whatever order they come."""
    texts = sorted(json.dumps(part, separators=(",", ":")) for part in parts)
    return hashlib.sha256("\n".join(texts).encode()).digest()


def later_than(before: int) -> int:
    """A number above one given earlier, and above those given before this moment: microseconds since 1970."""
    return max(before + 1, int(time.time() * 1e6))


def _plain(value: Any) -> Any:
    """As JSON holds it."""
    return f"hex {bytes(value).hex()}" if isinstance(value, bytes | memoryview) else value
