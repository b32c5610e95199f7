"""Brings the service's tables in a store's database to this version; they have a version of their own."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from facemotion.errors import StoreError
from facemotion.service.tables import metadata
from facemotion.store.database import Database

VERSION_TABLE = "facemotion_service_version"
_ADVISORY_LOCK = 0x464D5356
_one_at_a_time = threading.Lock()  # alembic's `op` is one for the whole process


@contextmanager
def open_database(store: str | Path) -> Iterator[Database]:
    """The database of a store with the service's tables in it, for commands that need no template.

    Raises:
        StoreError and its kinds: see `facemotion.open_store`.
    """
    database = Database.open(store)
    try:
        upgrade(database)
        yield database
    finally:
        database.close()


def upgrade(database: Database) -> None:
    """Make what is missing, in one transaction.

    Raises:
        StoreError: the tables were made by a later version of facemotion.
    """
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    script = ScriptDirectory.from_config(config)
    head = script.get_current_head() or ""
    with _one_at_a_time, database.write() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _ADVISORY_LOCK})
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
        current = context.get_current_revision()
        if current == head:
            return
        if current is not None and current not in {revision.revision for revision in script.walk_revisions()}:
            raise StoreError(
                f"The service's tables in {database.name} were made by a later version of facemotion ({current}); "
                "upgrade this one."
            )

        def steps(revision: object, _context: MigrationContext) -> object:
            return script._upgrade_revs(head, revision)  # type: ignore[arg-type]

        with EnvironmentContext(config, script, fn=steps, destination_rev=head) as environment:
            environment.configure(
                connection=connection, target_metadata=metadata, version_table=VERSION_TABLE, transactional_ddl=True
            )
            environment.run_migrations()
