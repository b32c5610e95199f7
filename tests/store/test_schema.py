"""The revisions and the tables tell the same story."""

from __future__ import annotations

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from facemotion.store import open_store, schema
from facemotion.store.database import Database
from facemotion.store.tables import metadata


def test_a_fresh_store_stands_at_the_newest_revision_and_matches_the_tables(store_url):
    with open_store(store_url) as store:
        assert store.schema_version == schema.newest()
    database = Database.open(store_url)
    with database.read() as connection:
        options = {"version_table": schema.VERSION_TABLE, "compare_type": True}
        differences = compare_metadata(MigrationContext.configure(connection, opts=options), metadata)
    database.close()
    assert differences == []
