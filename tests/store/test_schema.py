"""The revisions and the tables tell the same story."""

from __future__ import annotations

import numpy as np
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from facemotion.store import open_store, schema
from facemotion.store.database import Database
from facemotion.store.tables import metadata

from .samples import make_template, revision_of, turn_back


def test_a_fresh_store_stands_at_the_newest_revision_and_matches_the_tables(store_url):
    with open_store(store_url) as store:
        assert store.schema_version == schema.STORE.newest()
    database = Database.open(store_url)
    with database.read() as connection:
        options = {"version_table": schema.VERSION_TABLE, "compare_type": True}
        differences = compare_metadata(MigrationContext.configure(connection, opts=options), metadata)
    database.close()
    assert differences == []


def test_a_store_of_an_earlier_version_is_brought_up_to_date_with_all_its_templates(store_url):
    with open_store(store_url) as store:
        store.put(make_template("alice", seed=1), make_template("alice", "appearance", seed=2))
        turn_back(store.database)
        assert revision_of(store.database) == ("0001", False)
    with open_store(store_url) as store:
        assert revision_of(store.database) == (schema.STORE.newest(), True)
        for factor, seed in (("motion", 1), ("appearance", 2)):
            expected = make_template(factor=factor, seed=seed).vectors
            np.testing.assert_allclose(store.get("alice", factor).vectors, expected, atol=1e-6)
