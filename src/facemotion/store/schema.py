"""The version of the tables, and the way from any earlier one to this one, by the revisions in `migrations/`."""

from __future__ import annotations

import threading
from pathlib import Path

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, inspect, text

from facemotion.errors import StoreCorruptError, StoreError
from facemotion.store.tables import metadata

VERSION_TABLE = "facemotion_version"
APPLICATION_ID = 0x464D5354
"""Stands in the header of an SQLite store ("FMST")."""

_ADVISORY_LOCK = 0x464D5354
_one_at_a_time = threading.Lock()  # alembic's `op` is one for the whole process


def upgrade(engine: Engine, name: str, target: str = "head") -> None:
    """Bring the tables to `target` in one transaction: a process killed on the way leaves the version before.

    Args:
        engine: of the store. name: of the store, for messages.
        target: a revision, "head" for the newest.
    Raises:
        StoreError: the store was made by a later version of facemotion.
        StoreCorruptError: an SQLite database that holds something else.
    """
    config, script = _revisions()
    with engine.begin() as connection:
        if _settled(connection, name, script, target):
            return
    with _one_at_a_time, engine.execution_options(writes=True).begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _ADVISORY_LOCK})
        if _settled(connection, name, script, target):  # another process was quicker
            return

        def steps(revision: object, _context: MigrationContext) -> object:
            return script._upgrade_revs(target, revision)  # type: ignore[arg-type]

        with EnvironmentContext(config, script, fn=steps, destination_rev=target) as environment:
            environment.configure(
                connection=connection, target_metadata=metadata, version_table=VERSION_TABLE, transactional_ddl=True
            )
            environment.run_migrations()
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql(f"PRAGMA application_id={APPLICATION_ID}")


def newest() -> str:
    """The revision that this version of facemotion brings a store to."""
    return _revisions()[1].get_current_head() or ""


def _revisions() -> tuple[Config, ScriptDirectory]:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config, ScriptDirectory.from_config(config)


def version(connection: Connection) -> str | None:
    """The revision that the tables are at; None where there are none yet."""
    return MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE}).get_current_revision()


def _settled(connection: Connection, name: str, script: ScriptDirectory, target: str) -> bool:
    current = version(connection)
    if current is None:
        # A file of another program must not get our tables; a PostgreSQL database may hold other schemas.
        if connection.dialect.name == "sqlite" and inspect(connection).get_table_names():
            raise StoreCorruptError(f"{name} is an SQLite database of another program; name another file.")
        return False
    known = {revision.revision for revision in script.walk_revisions()}
    if current not in known:
        raise StoreError(f"The store {name} was made by a later version of facemotion ({current}); upgrade this one.")
    return current == (script.get_current_head() if target == "head" else target)
