"""The audit trail: complete, in order, and any meddling shows."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import insert
from typer.testing import CliRunner

from facemotion.cli import app
from facemotion.errors import AuditError, StoreError
from facemotion.service.guard import audit
from facemotion.service.migrate import open_database


def fill(database, count: int = 4) -> None:
    for number in range(count):
        with database.write() as connection:
            audit.append(connection, "k name", "verify", f"user{number}", "rejected", {"scores": {"motion": 0.25}})


def meddle(database, statement: str) -> None:
    """What somebody who owns the database can do: take away the triggers first."""
    with database.write() as connection:
        for verb in ("update", "delete"):
            connection.exec_driver_sql(f"DROP TRIGGER facemotion_service_audit_{verb}")
        connection.exec_driver_sql(statement)


def test_the_trail_of_a_service_holds_and_tells_what_happened(server, talk, brow):
    server.enrol("walter", talk[:2])
    server.verify("walter", brow[0], "verify")
    server.call("POST", "/v1/users/walter/unlock")
    server.call("DELETE", "/v1/users/walter")
    entries = server.call("GET", "/v1/audit", params={"limit": 1000}).json()["entries"]
    mine = [(e["action"], e["outcome"]) for e in entries if e["user"] == "walter"]
    assert mine == [("enrol", "done"), ("verify", "rejected"), ("unlock", "done"), ("delete", "done")]
    rejected = next(e for e in entries if e["user"] == "walter" and e["action"] == "verify")
    assert rejected["actor"].endswith("verify key")
    detail = json.loads(rejected["detail"])
    assert -1 <= detail["scores"]["motion"] <= 1
    assert all(isinstance(value, int | float) for value in detail["quality"].values())
    with open_database(server.store) as database:
        report = audit.check(database)
        assert report.rows >= 4
        assert audit.check(database, entries[0]["digest"]).head == report.head
    after = server.call("GET", "/v1/audit", params={"after": report.rows}).json()["entries"]
    assert after == []


def test_many_at_once_make_one_chain(tmp_path):
    with open_database(tmp_path / "store.db") as database:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda _: fill(database, 5), range(8)))
        assert audit.check(database).rows == 40


@pytest.mark.parametrize(
    "verb", ["UPDATE facemotion_service_audit SET outcome='x'", "DELETE FROM facemotion_service_audit"]
)
def test_rows_can_not_be_changed_or_removed_by_statement(tmp_path, verb):
    with open_database(tmp_path / "store.db") as database:
        fill(database)
        with pytest.raises(StoreError, match="only added to"), database.write() as connection:
            connection.exec_driver_sql(verb)
        assert audit.check(database).rows == 4


@pytest.mark.parametrize(
    ("statement", "row"),
    [
        ("UPDATE facemotion_service_audit SET outcome='accepted' WHERE number=2", 2),
        ("UPDATE facemotion_service_audit SET at=at+1 WHERE number=4", 4),
        ("DELETE FROM facemotion_service_audit WHERE number=1", 1),
        ("DELETE FROM facemotion_service_audit WHERE number=3", 3),
        ("UPDATE facemotion_service_audit SET user='user1' WHERE number=1", 1),
        ("UPDATE facemotion_service_audit SET digest=previous WHERE number=4", 4),
    ],
)
def test_meddling_shows_at_the_row(tmp_path, statement, row):
    with open_database(tmp_path / "store.db") as database:
        fill(database)
        meddle(database, statement)
        with pytest.raises(AuditError, match=f"Row {row} "):
            audit.check(database)


def test_a_row_before_the_first_shows(tmp_path):
    with open_database(tmp_path / "store.db") as database:
        fill(database)
        with database.write() as connection:
            row = {**vars(audit.read(database)[0]), "number": 0, "user": "mallory"}
            connection.execute(insert(audit.table).values(**row))
        with pytest.raises(AuditError, match="Row 1 of the audit trail has a stranger before it"):
            audit.check(database)


def test_a_trail_cut_short_or_written_anew_shows_against_a_noted_digest(tmp_path):
    with open_database(tmp_path / "store.db") as database:
        fill(database)
        noted = audit.check(database).head
        meddle(database, "DELETE FROM facemotion_service_audit WHERE number=4")
        assert audit.check(database).rows == 3
        with pytest.raises(AuditError, match="cut or written anew"):
            audit.check(database, noted)


def test_commands(tmp_path):
    store = str(tmp_path / "store.db")
    run = CliRunner().invoke

    def answer(*words: str) -> dict:
        result = run(app, [*words, "--store", store, "--json"])
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    added = answer("keys", "add", "door", "--role", "verify")
    assert added["key"].startswith("fm_")
    (listed,) = answer("keys", "list")["keys"]
    assert (listed["name"], listed["role"], listed["revoked"]) == ("door", "verify", None)
    assert answer("keys", "revoke", listed["id"]) == {"id": listed["id"], "revoked": True}
    assert answer("keys", "list")["keys"][0]["revoked"]
    with open_database(store) as database:
        fill(database)
    report = answer("audit", "check")
    assert report["rows"] == 4
    assert answer("audit", "check", "--expect", report["head"]) == report
    assert [row["user"] for row in answer("audit", "show", "--after", "2")["rows"]] == ["user2", "user3"]
    for words in (["keys", "list"], ["audit", "show"], ["audit", "check"]):
        shown = run(app, [*words, "--store", store])
        assert shown.exit_code == 0, shown.output
    assert added["key"] not in run(app, ["keys", "list", "--store", store]).stdout
    with open_database(store) as database:
        meddle(database, "DELETE FROM facemotion_service_audit WHERE number=2")
    for words in (["audit", "check"], ["keys", "revoke", "nobody"], ["keys", "add", "x", "--role", "king"]):
        assert run(app, [*words, "--store", store]).exit_code != 0
