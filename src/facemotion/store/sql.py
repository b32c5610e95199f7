"""Templates in tables: SQLite by default, PostgreSQL by URL."""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Callable, Collection, Iterator
from datetime import UTC, datetime
from itertools import islice
from types import TracebackType
from typing import Any, Self, cast

import numpy as np
from sqlalchemy import Connection, Row, Select, delete, insert, select, text, update
from sqlalchemy.dialects import postgresql, sqlite

from facemotion.errors import (
    ModelMismatchError,
    StoreCorruptError,
    StoreKeyError,
    StoreUnavailableError,
    UnknownUserError,
    UserExistsError,
)
from facemotion.store import schema
from facemotion.store.base import UserSummary, check_user, name_forms, unknown_user
from facemotion.store.codes import SearchCodes, Writing, current_writing
from facemotion.store.database import Database
from facemotion.store.keys import ENVIRONMENT, TRANSFORM_ENVIRONMENT, KeyFile, KeySource, configured
from facemotion.store.listing import PLAIN, summaries
from facemotion.store.protect import Protector
from facemotion.store.seals import Sealer, personal_tables
from facemotion.store.tables import store as stores
from facemotion.store.tables import templates as table
from facemotion.types import Embedding, Factor, FloatArray, Template

DECOY_TAKES = 3
STORED = (table.name, "facemotion_service_recordings")
"""Tables whose rows make a name that of a user; failures and nonces are kept of names that nobody has, too."""
SEARCHED_AT_ONCE = 256
"""Rows that a search reads at a time: those of everybody may not fit in memory."""


class SqlStore:
    """A TemplateStore in a Database; safe to use from several threads and processes at once.

    Args:
        database: open; the store closes it.
        key, transform_key: names of key sources; see `facemotion.store.open_store`.
    Raises:
        StoreKeyError: a source can't be read, or doesn't hold the key that the store was written with.

    Attributes:
        database: see above.
        protector: turns and encrypts.
        sealer: seals rows.
        codes: of faces that are searched.
        journal: called in the transaction of every change with the connection, what was done and to whom ("": all);
            None: nobody is.
    """

    def __init__(self, database: Database, key: str = "", transform_key: str = "") -> None:
        self.database = database
        key = key or configured(ENVIRONMENT)
        transform_key = transform_key or configured(TRANSFORM_ENVIRONMENT)
        with database.read() as connection:
            store_row = connection.execute(select(stores)).one_or_none()
        if store_row is None:
            store_row = self._make_store(key, transform_key)
        self.protector = _protector(store_row.store_id, key, transform_key)
        self._decoys: dict[tuple[str, int, str, str], dict[str, Any]] = {}
        self.protector.key.find(store_row.key_id)
        self.protector.transform_key.find(store_row.transform_id)
        self.sealer = database.sealer = Sealer(self.protector)
        self.codes = SearchCodes(self.protector, database)
        self.journal: Callable[[Connection, str, str], None] | None = None
        if not store_row.sealed:
            self._seal_what_is_there()

    def _seal_what_is_there(self) -> None:
        """Seal the users of a store of an earlier version, unless another process just did."""
        with self.database.write() as connection:
            if not connection.execute(select(stores.c.sealed).with_for_update()).scalar_one():
                self.sealer.adopt_users(connection)
                connection.execute(update(stores).values(sealed=1))

    def _make_store(self, key: str, transform_key: str) -> Row[Any]:
        """Write the row that makes tables a store, unless another process just did."""
        with self.database.write() as connection:
            if connection.dialect.name == "postgresql":
                connection.exec_driver_sql("LOCK TABLE facemotion_store IN EXCLUSIVE MODE")
            if (store_row := connection.execute(select(stores)).one_or_none()) is None:
                protector = _protector(secrets.token_hex(16), key, transform_key)
                key_id = protector.key.add() if isinstance(protector.key, KeyFile) else protector.key.load().newest
                transform_id = protector.transform_key.load().newest
                row = {
                    "one": 1,
                    "store_id": protector.store_id,
                    "key_id": key_id,
                    "transform_id": transform_id,
                    "sealed": 1,
                }
                connection.execute(insert(stores).values(**row))
                store_row = connection.execute(select(stores)).one()
            return store_row

    def put(self, *templates: Template, whole: bool = False, replace: bool | None = None) -> None:
        """See TemplateStore.put."""
        now = datetime.now(UTC).replace(tzinfo=None)
        by_user: dict[str, list[Template]] = {}
        for template in templates:
            by_user.setdefault(check_user(template.user), []).append(template)
        replaced = False
        with self.database.write() as connection:
            current = current_writing(connection, held=True)
            for user, of_user in sorted(by_user.items()):
                stored = _stored(connection, user, replace)
                replaced |= bool(stored)
                factors = [template.factor for template in of_user]
                self._compose(connection, user, current, gone=("motion", "appearance") if whole else factors)
                if whole:
                    connection.execute(delete(table).where((table.c.user == user) & table.c.factor.not_in(factors)))
                for template in of_user:
                    enrolled = stored.get(template.factor, now)
                    self._write(connection, dataclasses.replace(template, user=user), current, (enrolled, now))
                self._changed(connection, "enrol again" if stored else "enrol", user)
        if replaced:
            self.database.scrub()

    def _compose(self, connection: Connection, user: str, writing: Writing, gone: Collection[str]) -> None:
        """Bring the rows that an earlier version kept under another form of a name under this one.

        Args:
            writing: the keys to seal with.
            gone: factors whose rows are replaced or removed all the same.
        """
        others = name_forms(user)[1:]
        rows = connection.execute(select(table).where(table.c.user.in_(others))).mappings().all() if others else []
        for row in rows:
            connection.execute(delete(table).where(table.c.row_id == row["row_id"]))
            here = (table.c.user == user) & (table.c.factor == row["factor"])
            if row["factor"] not in gone and connection.execute(select(table.c.row_id).where(here)).first() is None:
                composed = dataclasses.replace(self.protector.restore(dict(row)), user=user)
                self._write(connection, composed, writing, (row["enrolled"], row["changed"]))

    def _changed(self, connection: Connection, action: str, user: str) -> None:
        """Seal what is stored of a user by now, and tell the journal."""
        self.sealer.renew(connection, user)
        if self.journal is not None:
            self.journal(connection, action, user)

    def get(self, user: str, factor: Factor) -> Template:
        """See TemplateStore.get."""
        row, _ = self._row(user, factor)
        if row is None:
            raise unknown_user(user, factor)
        return self.protector.restore(row)

    def compare(self, user: str, factor: Factor, probe: Embedding) -> FloatArray:
        """See TemplateStore.compare."""
        row, current = self._row(user, factor)
        try:
            if row is None:
                raise unknown_user(user, factor)
            return self.protector.compare(row, probe)
        except (UnknownUserError, ModelMismatchError):
            self.protector.compare(self._decoy(probe, current), probe)
            raise

    def search(self, factor: Factor, probe: Embedding, least: float = -1.0) -> Iterator[tuple[str, FloatArray]]:
        """See TemplateStore.search."""
        here = (table.c.factor == factor) & (table.c.model_id == probe.model_id)
        names = self.codes.candidates(factor, probe, least)
        while block := list(islice(names, SEARCHED_AT_ONCE)):
            query = select(table).where(here & table.c.user.in_(block)).order_by(table.c.user)
            with self.database.read() as connection:
                rows = [*map(dict, connection.execute(query).mappings())]
            for row, cosines in zip(rows, self.protector.compare_all(rows, probe), strict=True):
                yield check_user(row["user"]), cosines

    def index(self, progress: Callable[[int, int], None] | None = None) -> int:
        """See TemplateStore.index."""
        made = 0
        for made, lacking in self.codes.fill():
            if progress is not None:
                progress(made, lacking)
        return made

    def drop_index(self) -> None:
        """See TemplateStore.drop_index."""
        self.codes.remove()

    def _decoy(self, probe: Embedding, current: tuple[str, str]) -> dict[str, Any]:
        """A row of nobody: comparing with it takes as long as with somebody's, so that time doesn't tell who exists.

        Args:
            current: ids of the keys that the store writes with now.
        """
        known = (probe.model_id, len(probe.vector), *current)
        decoys = self._decoys
        if known not in decoys:
            nobody = Template("nobody", "motion", np.stack([probe.vector] * DECOY_TAKES), probe.model_id)
            sealed = self.protector.seal(nobody, *current, datetime.min, datetime.min)
            decoys = {key: row for key, row in decoys.items() if key[2:] == current} | {known: sealed}
            self._decoys = decoys
        return decoys[known]

    def _row(self, user: str, factor: Factor) -> tuple[dict[str, Any] | None, tuple[str, str]]:
        """The row of a template, None where there is none, and the ids of the keys that the store writes with now; by
        one query, so that it takes as long either way.
        """
        now = stores.c.key_id.label("now_key_id"), stores.c.transform_id.label("now_transform_id")
        query = select(*now, *table.c).select_from(stores.outerjoin(table, _here(user, factor)))
        query = query.order_by(table.c.user != name_forms(user)[0])
        with self.database.read() as connection:
            self.sealer.check_user(connection, user)
            joined = connection.execute(query).mappings().first()
        if joined is None:
            raise StoreCorruptError(
                f"{self.database.name} lacks the row that makes it a store; restore it from a backup."
            )
        row = dict(joined)
        current = row.pop("now_key_id"), row.pop("now_transform_id")
        return (None if row["user"] is None else row), current

    def transform_secret(self) -> tuple[str, bytes]:
        """Id and bytes of the key that turns vectors now; another one after a rotation, whichever process ran it.

        Raises:
            StoreKeyError: the source doesn't hold it.
        """
        with self.database.read() as connection:
            name: str = connection.execute(select(stores.c.transform_id)).scalar_one()
        return name, self.protector.transform_key.find(name)

    def factors(self, user: str) -> tuple[Factor, ...]:
        """See TemplateStore.factors."""
        with self.database.read() as connection:
            factors = connection.scalars(select(table.c.factor).where(_of(user)).distinct().order_by(table.c.factor))
            return cast(tuple[Factor, ...], tuple(factors))

    def find(self, user: str) -> UserSummary | None:
        """See TemplateStore.find."""
        return next(iter(self._summaries(select(*PLAIN).where(_of(user)))), None)

    def users(self) -> list[UserSummary]:
        """See TemplateStore.users."""
        return self._summaries(select(*PLAIN))

    def _summaries(self, query: Select[Any]) -> list[UserSummary]:
        with self.database.read() as connection:
            return summaries(connection.execute(query).all())

    def delete(self, user: str) -> None:
        """See TemplateStore.delete."""
        with self.database.write() as connection:
            hold_user(connection, user)
            gone = 0
            for where in personal_tables(connection):
                count = connection.execute(delete(where).where(where.c.user.in_(name_forms(user)))).rowcount
                gone += count if where.name in STORED else 0
            if not gone:
                raise UnknownUserError(f"There is no user {user!r}; `facemotion users` lists them.")
            self._changed(connection, "delete", user)
        self.database.scrub(rewrite=True)

    def scrub(self) -> None:
        """Remove what deletions left in the files of the store, where that had to wait.

        Raises:
            StoreUnavailableError: it still must.
        """
        if not self.database.scrub(rewrite=True, large=True):
            raise StoreUnavailableError(
                f"Deleted bytes are still in {self.database.name}: somebody reads it, or its disk is full; try again."
            )

    def revoke(self, user: str) -> None:
        """See TemplateStore.revoke."""
        with self.database.write() as connection:
            current = current_writing(connection, held=True)
            hold_user(connection, user)
            rows = connection.execute(select(table).where(_of(user)).with_for_update()).mappings().all()
            self._seal_again(connection, rows, current)
            if rows:
                self._changed(connection, "revoke", user)
        if not rows:
            raise UnknownUserError(f"There is no user {user!r}; `facemotion users` lists them.")
        self.database.scrub()

    def rotate(self) -> None:
        """See TemplateStore.rotate."""
        key, transform_key = self.protector.key, self.protector.transform_key
        with self.database.write() as connection:
            current = connection.execute(select(stores).with_for_update()).one()
            # The new key is durable in its file before the first row depends on it.
            key_id = key.add() if isinstance(key, KeyFile) else key.load().newest
            transform_id = transform_key.load().newest
            if key_id == current.key_id:
                raise StoreKeyError(
                    f"Add a new key behind the present one in {key.name} first; see docs/reference/store.md."
                )
            rows = connection.execute(select(table).with_for_update()).mappings().all()
            sound = [user for user in {name_forms(row["user"])[0] for row in rows} if self._is_sound(connection, user)]
            self._seal_again(connection, rows, Writing(key_id, transform_id, bool(current.indexed)))
            self.sealer.reseal(connection, key_id)
            connection.execute(update(stores).values(key_id=key_id, transform_id=transform_id))
            for user in sound:  # what was put back stays refused
                self.sealer.renew(connection, user, later=False)
            if self.journal is not None:
                self.journal(connection, "rotate", "")
        self.database.scrub()
        if isinstance(key, KeyFile):
            with self.database.write() as connection:
                # Asked again under the lock: another rotation may have come between.
                key.drop_all_but(connection.execute(select(stores.c.key_id).with_for_update()).scalar_one())

    def _is_sound(self, connection: Connection, user: str) -> bool:
        try:
            self.sealer.check_user(connection, user)
        except StoreCorruptError:
            return False
        return True

    def _seal_again(self, connection: Connection, rows: Any, writing: Writing) -> None:
        for row in rows:
            self._write(connection, self.protector.restore(dict(row)), writing, (row["enrolled"], row["changed"]))

    def _write(
        self, connection: Connection, template: Template, writing: Writing, dates: tuple[datetime, datetime]
    ) -> None:
        """Put a template, and its search code, in place of what was there; `dates`: enrolled, changed."""
        row = self.protector.seal(template, writing.key_id, writing.transform_id, *dates)
        dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
        statement = dialect.insert(table).values(**row)
        connection.execute(statement.on_conflict_do_update(index_elements=["user", "factor"], set_=row))
        self.codes.keep(connection, template, row["row_id"], writing)

    @property
    def schema_version(self) -> str:
        """See TemplateStore.schema_version."""
        with self.database.read() as connection:
            return schema.STORE.version(connection) or ""

    def close(self) -> None:
        """See TemplateStore.close."""
        self.database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _protector(store_id: str, key: str, transform_key: str) -> Protector:
    source = KeySource(key) if key else KeyFile(store_id)
    return Protector(store_id, source, KeySource(transform_key) if transform_key else source)


def hold_user(connection: Connection, user: str) -> None:
    """Let no other transaction that does so, too, go on with this user until this one ends."""
    if connection.dialect.name == "postgresql":  # SQLite has one writer anyhow
        connection.execute(text("SELECT pg_advisory_xact_lock(hashtext(:user))"), {"user": user})


def _stored(connection: Connection, user: str, replace: bool | None) -> dict[str, datetime]:
    """When each factor of a user was first stored; nobody else writes that user until the transaction ends.

    Raises:
        UserExistsError, UnknownUserError: see TemplateStore.put.
    """
    hold_user(connection, user)
    rows = connection.execute(select(table.c.factor, table.c.enrolled).where(_of(user)))
    stored = {row.factor: row.enrolled for row in rows}
    if stored and replace is False:
        raise UserExistsError(f"User {user!r} is enrolled already; enrol them again instead.")
    if replace and not stored:
        raise UnknownUserError(f"There is no user {user!r}; enrol them as a new one.")
    return stored


def _of(user: str) -> Any:
    return table.c.user.in_(name_forms(user))


def _here(user: str, factor: str) -> Any:
    return _of(user) & (table.c.factor == factor)
