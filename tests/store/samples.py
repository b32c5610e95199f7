"""Templates to store; stands alone, so that a script in a process of its own can import it."""

from __future__ import annotations

import numpy as np
from sqlalchemy import inspect, text

from facemotion.store.database import Database
from facemotion.types import Template

INDEX = "facemotion_templates_factor"
"""What the second revision adds to the first."""


def make_template(user="alice", factor="motion", seed=0, *, takes=3, dimension=128, model_id="encoder-1") -> Template:
    vectors = np.random.default_rng(seed).normal(size=(takes, dimension)).astype(np.float32)
    return Template(user, factor, vectors / np.linalg.norm(vectors, axis=1, keepdims=True), model_id)


def turn_back(database: Database) -> None:
    """Make a store of the newest revision one of the first again, as an earlier version of facemotion left it."""
    with database.write() as connection:
        connection.execute(text("DROP TABLE facemotion_codes"))
        connection.execute(text("ALTER TABLE facemotion_store DROP COLUMN indexed"))
        connection.execute(text("DROP TABLE facemotion_users"))
        connection.execute(text("ALTER TABLE facemotion_store DROP COLUMN sealed"))
        connection.execute(text(f"DROP INDEX {INDEX}"))
        connection.execute(text("UPDATE facemotion_version SET version_num = '0001'"))


def revision_of(database: Database) -> tuple[str, bool]:
    """What the tables say that they are, and whether the index of the second revision is there."""
    with database.read() as connection:
        named = connection.execute(text("SELECT version_num FROM facemotion_version")).scalar_one()
        indexes = {index["name"] for index in inspect(connection).get_indexes("facemotion_templates")}
    return named, INDEX in indexes
