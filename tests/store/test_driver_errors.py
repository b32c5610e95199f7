"""Every error of a database has a name of ours: on a real PostgreSQL, also behind PgBouncer, and on SQLite."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from facemotion.errors import (
    LockedError,
    NonceError,
    StoreCorruptError,
    StoreError,
    StoreFullError,
    StoreUnavailableError,
)
from facemotion.service import migrate
from facemotion.service.guard import audit
from facemotion.service.guard.attempts import Attempts
from facemotion.service.settings import AttemptSettings
from facemotion.store import open_store
from facemotion.store.database import Database

from .samples import make_template

STATES = sorted(
    {
        one.sqlstate
        for one in vars(psycopg.errors).values()
        if isinstance(one, type) and issubclass(one, psycopg.Error) and one.sqlstate
    }
    - {"00000", "02000"}  # no errors
)


def raised(database: Database, state: str) -> type[StoreError]:
    """What becomes of an error that the server reports by that SQLSTATE."""
    with pytest.raises(StoreError) as caught, database.write() as connection:
        connection.exec_driver_sql(f"DO $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '{state}'; END $$")
    assert str(caught.value).endswith(".")
    return type(caught.value)


def test_every_sqlstate_is_an_error_of_ours(postgres):
    database = Database.open(postgres.database())
    try:
        named = {state: raised(database, state) for state in STATES}
    finally:
        database.close()
    assert len({state[:2] for state in STATES}) > 35
    assert {state for state in STATES if named[state] is StoreFullError} == {"25006", "53100"}
    for state, kind in {
        "08006": StoreUnavailableError,
        "25P03": StoreUnavailableError,
        "26000": StoreUnavailableError,
        "40P01": StoreUnavailableError,
        "23505": StoreUnavailableError,
        "57P01": StoreUnavailableError,
        "22021": StoreError,
        "23502": StoreError,
        "28P01": StoreError,
        "42501": StoreError,
        "54000": StoreError,
        "P0001": StoreError,
        "58030": StoreCorruptError,
        "XX001": StoreCorruptError,
    }.items():
        assert named[state] is kind, state


def test_what_the_driver_refuses_is_not_taken_for_a_lost_connection(postgres):
    with open_store(postgres.database()) as store, pytest.raises(StoreError) as caught:
        store.factors("a\x00b")
    assert type(caught.value) is StoreError


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO facemotion_store SELECT * FROM facemotion_store",  # there is one row
        "INSERT INTO facemotion_templates (user) VALUES ('alice')",  # others may not be null
    ],
)
def test_what_the_rules_of_a_table_forbid_is_an_error_of_ours(tmp_path, statement):
    with open_store(tmp_path / "store.db") as store:
        with pytest.raises(StoreError, match="refuses"), store.database.write() as connection:
            connection.exec_driver_sql(statement)
        store.put(make_template())


def test_a_store_without_its_one_row_is_named_as_damaged(store_url):
    with open_store(store_url) as store:
        with store.database.write() as connection:
            connection.exec_driver_sql("DELETE FROM facemotion_store")
        with pytest.raises(StoreCorruptError):
            store.put(make_template())


def test_through_a_pooler_threads_and_stores_at_once_lose_nothing(pooled_url):
    failures = []

    def work(number: int) -> None:
        try:
            with open_store(pooled_url) as store:
                for turn in range(7):  # psycopg prepares a statement at its sixth run
                    store.put(make_template(f"user{number}", seed=turn), make_template("shared", seed=turn))
                    store.get("shared", "motion")
                store.delete(f"user{number}")
        except StoreError as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with open_store(pooled_url) as store:
        assert [one.user for one in store.users()] == ["shared"]


def test_through_a_pooler_attempts_and_the_trail_hold_with_many_at_once(pooled_url):
    with migrate.open_database(pooled_url) as database:
        attempts = Attempts(database, AttemptSettings(open_nonces=100))

        def attempt(number: int) -> bool:
            nonce = attempts.issue("alice", "verify", "k")
            try:
                attempts.begin("alice", "verify", "k", nonce)
            except (LockedError, NonceError):
                return False
            audit.append(database, "k", "verify", "alice", "rejected", {"score": number / 3})
            return True

        def tries(numbers: range) -> int:
            count = 0
            for number in numbers:
                try:
                    count += attempt(number)
                except LockedError:
                    break
            return count

        with ThreadPoolExecutor(4) as pool:
            assert sum(pool.map(tries, [range(8)] * 4)) == 5
        assert attempts.state("alice").failures == 5
        assert audit.check(database).rows == 5
