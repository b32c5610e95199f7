"""The version of tables, and the way from any earlier one to this one, by the revisions in a `migrations` folder; the
tables of the store; and what must not stand beside them.
"""

from __future__ import annotations

import sqlite3
import threading
from dataclasses import dataclass
from pathlib import Path

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, MetaData, inspect, text

from facemotion.errors import StoreCorruptError, StoreError
from facemotion.store.tables import metadata

VERSION_TABLE = "facemotion_version"
APPLICATION_ID = 0x464D5354
"""Stands in the header of an SQLite store ("FMST")."""

_AUDIT = "facemotion_service_audit"
_GUARDS = {f"{_AUDIT}_update", f"{_AUDIT}_delete"}
"""Our own triggers on SQLite, which keep the audit trail as it is: all they do is to read and to refuse."""
_BODIES = {
    f"{_AUDIT}_refuse": "BEGIN RAISE EXCEPTION 'the audit trail is only added to'; END",
    f"{_AUDIT}_keep": (
        "BEGIN IF OLD.number > coalesce((SELECT max(number) FROM facemotion_service_start), 0) THEN RAISE EXCEPTION "
        "'the audit trail is only added to'; END IF; RETURN OLD; END"
    ),
}
"""Functions of our own triggers on PostgreSQL, and what they do."""
_STRANGERS = {
    "sqlite": (
        "SELECT type || ' ' || name FROM sqlite_master WHERE type IN ('trigger', 'view') "
        "AND (name LIKE 'facemotion!_%' ESCAPE '!' OR tbl_name LIKE 'facemotion!_%' ESCAPE '!')"
    ),
    "postgresql": """
WITH ours AS (
  SELECT oid, relname FROM pg_class WHERE relname LIKE 'facemotion!_%' ESCAPE '!' AND pg_table_is_visible(oid)
)
SELECT 'trigger ' || t.tgname, p.proname, p.prosrc
  FROM ours JOIN pg_trigger t ON t.tgrelid = ours.oid JOIN pg_proc p ON p.oid = t.tgfoid WHERE NOT t.tgisinternal
UNION ALL
SELECT 'rule ' || r.rulename || ' of ' || ours.relname, '', '' FROM ours JOIN pg_rewrite r ON r.ev_class = ours.oid
UNION ALL
SELECT 'policy ' || p.polname, '', '' FROM ours JOIN pg_policy p ON p.polrelid = ours.oid
""",
}

_one_at_a_time = threading.Lock()  # alembic's `op` is one for the whole process


@dataclass(frozen=True)
class VersionedTables:
    """Tables that have a version of their own.

    Attributes:
        what: they are, for messages: "The store".
        metadata: as this version of the code uses them.
        folder: with `migrations` in it.
        version_table: where their revision stands.
        lock: number of the advisory lock under which PostgreSQL changes them.
    """

    what: str
    metadata: MetaData
    folder: Path
    version_table: str
    lock: int

    def version(self, connection: Connection) -> str | None:
        """The revision that they are at; None where there are none yet."""
        return MigrationContext.configure(connection, opts={"version_table": self.version_table}).get_current_revision()

    def newest(self) -> str:
        """The revision of this version of facemotion."""
        return self._revisions()[1].get_current_head() or ""

    def up_to_date(self, connection: Connection, name: str) -> bool:
        """Whether they are at the newest revision.

        Args:
            name: of the database, for messages.
        Raises:
            StoreError: they were made by a later version of facemotion.
        """
        current = self.version(connection)
        if current is None:
            return False
        script = self._revisions()[1]
        if current not in {revision.revision for revision in script.walk_revisions()}:
            raise StoreError(
                f"{self.what} {name} was made by a later version of facemotion ({current}); upgrade this one."
            )
        return current == script.get_current_head()

    def upgrade(self, connection: Connection, name: str) -> None:
        """Bring them to the newest revision, in the transaction of a connection; see up_to_date."""
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": self.lock})
        if self.up_to_date(connection, name):  # another process was quicker
            return
        config, script = self._revisions()

        def steps(revision: object, _context: MigrationContext) -> object:
            # What alembic.command.upgrade runs; that command alone can't be given a connection. Alembic types the
            # revision of this callback more loosely than the method it is meant for.
            return script._upgrade_revs("head", revision)  # type: ignore[arg-type]

        with _one_at_a_time, EnvironmentContext(config, script, fn=steps, destination_rev="head") as environment:
            environment.configure(
                connection=connection,
                target_metadata=self.metadata,
                version_table=self.version_table,
                transactional_ddl=True,
            )
            environment.run_migrations()

    def _revisions(self) -> tuple[Config, ScriptDirectory]:
        config = Config()
        config.set_main_option("script_location", str(self.folder / "migrations"))
        return config, ScriptDirectory.from_config(config)


STORE = VersionedTables("The store", metadata, Path(__file__).parent, VERSION_TABLE, 0x464D5354)


def upgrade(engine: Engine, name: str) -> None:
    """Bring the store's tables to the newest revision in one transaction: a process killed on the way leaves the
    version before.

    Args:
        engine: of the store.
        name: of the store, for messages.
    Raises:
        StoreError: the store was made by a later version of facemotion.
        StoreCorruptError: an SQLite database that holds something else.
    """
    with engine.begin() as connection:
        if STORE.up_to_date(connection, name):
            return
        sqlite = connection.dialect.name == "sqlite"
        # A file of another program must not get our tables; a PostgreSQL database may hold other schemas.
        if sqlite and STORE.version(connection) is None and inspect(connection).get_table_names():
            raise StoreCorruptError(f"{name} is an SQLite database of another program; name another file.")
    with engine.execution_options(writes=True).begin() as connection:
        STORE.upgrade(connection, name)
        if sqlite:
            connection.exec_driver_sql(f"PRAGMA application_id={APPLICATION_ID}")


def refuse_strangers(connection: Connection, name: str) -> None:
    """See that nothing of anybody else's acts on our tables: what a trigger, a rule or a view does happens within our
    own transactions, so that we'd take it for our own doing and seal it.

    Args:
        connection: of the database.
        name: of it, for messages.
    Raises:
        StoreCorruptError: something does.
    """
    found = connection.execute(text(_STRANGERS[connection.dialect.name])).all()
    if connection.dialect.name == "sqlite":
        strangers = [what for (what,) in found if what.removeprefix("trigger ") not in _GUARDS]
    else:
        strangers = [what for what, function, body in found if _BODIES.get(function) != " ".join(body.split())]
    if strangers:
        raise StoreCorruptError(
            f"{name} holds what facemotion didn't make and what would change its rows: {', '.join(sorted(strangers))}. "
            "Find out who made it, remove it, and run `facemotion audit check`."
        )


def authorise(action: int, _first: str | None, _second: str | None, _database: str | None, actor: str | None) -> int:
    """Whether SQLite may do something for a trigger or a view: our own triggers read and refuse, and we have no views.

    Args:
        action: number of what is to be done.
        actor: the trigger or view that does it; None for our own statements.
    """
    harmless = action in (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION)
    return sqlite3.SQLITE_OK if actor is None or (actor in _GUARDS and harmless) else sqlite3.SQLITE_DENY
