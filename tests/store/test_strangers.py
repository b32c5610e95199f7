"""Triggers, rules and views of somebody who can write the database: they would act within our own transactions."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from facemotion.errors import StoreCorruptError
from facemotion.service import migrate
from facemotion.service.guard.auth import ApiKeys
from facemotion.store import open_store
from facemotion.store.database import Database

KEYS, AUDIT = "facemotion_service_keys", "facemotion_service_audit"
PUTTING_BACK = {
    "sqlite": (f"CREATE TRIGGER zz_keep AFTER UPDATE ON {KEYS} BEGIN UPDATE {KEYS} SET revoked = NULL; END",),
    "postgresql": (
        "CREATE FUNCTION zz() RETURNS trigger AS $$ BEGIN NEW.revoked = NULL; RETURN NEW; END $$ LANGUAGE plpgsql",
        f"CREATE TRIGGER zz_keep BEFORE UPDATE ON {KEYS} FOR EACH ROW EXECUTE FUNCTION zz()",
    ),
}
"""Whoever is revoked isn't, and the service itself seals that."""
REMOVED = {"sqlite": "DROP TRIGGER zz_keep", "postgresql": f"DROP TRIGGER zz_keep ON {KEYS}"}
OTHERS = {
    "sqlite": {
        "trigger zz_keep": PUTTING_BACK["sqlite"],
        "view facemotion_users": (
            "ALTER TABLE facemotion_users RENAME TO zz_users",
            "CREATE VIEW facemotion_users AS SELECT * FROM zz_users",
        ),
        "trigger facemotion_service_audit_insert": (
            f"CREATE TRIGGER {AUDIT}_insert AFTER INSERT ON {AUDIT} BEGIN DELETE FROM {AUDIT}; END",
        ),
    },
    "postgresql": {
        "trigger zz_keep": PUTTING_BACK["postgresql"],
        "rule zz of facemotion_users": ("CREATE RULE zz AS ON DELETE TO facemotion_users DO INSTEAD NOTHING",),
        "policy zz": ("CREATE POLICY zz ON facemotion_users USING (false)",),
        "trigger facemotion_service_audit_kept": (
            f"CREATE OR REPLACE FUNCTION {AUDIT}_keep() RETURNS trigger AS "
            "$$ BEGIN RETURN OLD; END $$ LANGUAGE plpgsql",
        ),
        "rule _RETURN of facemotion_users": (
            "ALTER TABLE facemotion_users RENAME TO zz_users",
            "CREATE VIEW facemotion_users AS SELECT * FROM zz_users",
        ),
    },
}


def put_in(store_url: str, statements: tuple[str, ...]) -> None:
    """As somebody does who has the rights of the service on the database, but not its key."""
    database = Database.open(store_url)
    with database.engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
    database.close()


def dialect_of(store_url: str) -> str:
    return store_url.split(":", maxsplit=1)[0].split("+", maxsplit=1)[0]


def test_a_trigger_put_in_while_the_store_is_open_ends_the_change_that_it_would_undo(store_url, command):
    key = command("keys", "add", "eve", "--role", "admin")["key"]
    with migrate.open_database(store_url) as database:
        put_in(store_url, PUTTING_BACK[dialect_of(store_url)])
        with pytest.raises(StoreCorruptError, match="that facemotion didn't make|what facemotion didn't make"):
            ApiKeys(database).revoke(key.split("_")[1])
        with database.engine.begin() as connection:
            connection.execute(text(REMOVED[dialect_of(store_url)]))
        ApiKeys(database).revoke(key.split("_")[1])
        assert all(own.revoked for own in ApiKeys(database).list())


@pytest.mark.parametrize(
    ("store_url", "name", "statements"),
    [(dialect, name, statements) for dialect, given in OTHERS.items() for name, statements in given.items()],
    indirect=["store_url"],
)
def test_what_would_act_on_our_tables_is_named_when_a_store_is_opened(store_url, command, name, statements):
    command("keys", "add", "eve")
    put_in(store_url, statements)
    with pytest.raises(StoreCorruptError, match=rf"what would change its rows: {name}\. Find out who made it"):
        open_store(store_url)


def test_views_and_triggers_of_others_on_their_own_tables_are_let_be(store_url):
    open_store(store_url).close()
    put_in(store_url, ("CREATE TABLE others (a integer)", "CREATE VIEW theirs AS SELECT * FROM others"))
    open_store(store_url).close()
