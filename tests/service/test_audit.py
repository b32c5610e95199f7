"""The audit trail: complete, in order, and any meddling shows."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import insert
from typer.testing import CliRunner

from facemotion.cli import app
from facemotion.errors import AuditError, StoreError, UsageError
from facemotion.service.guard import audit
from facemotion.service.migrate import open_database

from .conftest import form


def fill(database, count: int = 4) -> None:
    for number in range(count):
        audit.append(database, "k name", "verify", f"user{number}", "rejected", {"scores": {"motion": 0.25}})


def meddle(database, statement: str) -> None:
    """What somebody who owns the database can do: take away the triggers first."""
    with database.write() as connection:
        for verb in ("update", "delete"):
            connection.exec_driver_sql(f"DROP TRIGGER facemotion_service_audit_{verb}")
        connection.exec_driver_sql(statement)


@pytest.fixture(scope="module")
def walters_rows(server, talk, brow) -> list[dict]:
    """Entries about a user who was enrolled, rejected, unlocked and deleted."""
    server.enrol("walter", talk[:2])
    server.verify("walter", brow[0], "verify")
    server.call("POST", "/v1/users/walter/unlock")
    server.call("DELETE", "/v1/users/walter")
    return server.trail("walter")


def test_every_deed_of_a_service_is_in_the_trail(walters_rows):
    deeds = [(entry["action"], entry["outcome"]) for entry in walters_rows]
    assert deeds == [("enrol", "done"), ("verify", "rejected"), ("unlock", "done"), ("delete", "done")]


def test_an_attempt_is_kept_with_its_key_its_scores_and_its_quality(walters_rows):
    (attempt,) = [entry for entry in walters_rows if entry["action"] == "verify"]
    assert attempt["actor"].endswith("verify key")
    detail = json.loads(attempt["detail"])
    assert -1 <= detail["scores"]["motion"] <= 1
    assert detail["quality"].pop("suspicion") == ""
    assert all(isinstance(value, int | float) for value in detail["quality"].values())


def test_an_enrolment_that_a_fault_of_our_own_ends_is_in_the_trail(server, talk, monkeypatch):
    def broken(*_):
        raise IndexError("a bug")

    monkeypatch.setattr("facemotion.enrolment.refuse_copies", broken)
    more = form(server.nonce("wanda", "enrol"), takes=talk[:2]) | {"headers": {"connection": "close"}}
    assert server.call("POST", "/v1/users/wanda/enrolment", **more).json()["error"] == "ServerFaultError"
    assert server.deeds("wanda") == ["enrol: ServerFaultError"]


def test_the_trail_of_a_service_holds_and_leads_through_its_digests(server, walters_rows):
    with open_database(server.store, key=server.store_key) as database:
        report = audit.check(database)
        assert report.rows >= len(walters_rows)
        assert audit.check(database, walters_rows[0]["digest"]).head == report.head


def test_behind_the_last_entry_there_is_none(server, walters_rows):
    last = server.call("GET", "/v1/audit", params={"newest": True, "limit": 1}).json()["entries"][0]["number"]
    assert server.call("GET", "/v1/audit", params={"after": last}).json()["entries"] == []


def test_many_at_once_make_one_chain(tmp_path):
    with open_database(tmp_path / "store.db") as database:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda _: fill(database, 5), range(8)))
        assert audit.check(database).rows == 40


def test_a_trail_that_grows_while_it_is_checked_holds(tmp_path, monkeypatch):
    with open_database(tmp_path / "store.db") as database:
        fill(database)
        whole = audit.read

        def read(*given, **more):
            rows = whole(*given, **more)
            if not rows and len(whole(database)) == 4:
                fill(database, 2)  # behind the last row that was read
            return rows

        monkeypatch.setattr(audit, "read", read)
        assert audit.check(database).rows == 6


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
        assert audit.check(database, noted).rows == 4
        with pytest.raises(AuditError, match="cut or written anew"):
            audit.check(database, "0" * 64)
        meddle(database, "DELETE FROM facemotion_service_audit WHERE number=4")
        for seek in ("", noted):
            with pytest.raises(AuditError, match="cut or written anew|doesn't end as it was left"):
                audit.check(database, seek)
        with pytest.raises(AuditError, match="doesn't end as it was left"):
            fill(database, 1)  # nothing is done any more that couldn't be noted


@pytest.fixture
def command(tmp_path):
    """command(words, ...) runs one on a store of four entries."""
    store = tmp_path / "store.db"
    with open_database(store) as database:
        fill(database)

    def run(*words: str):
        return CliRunner().invoke(app, [*words, "--store", str(store)])

    return run


def done(result) -> dict:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_a_key_is_shown_once_and_listed_without_its_secret(command):
    added = done(command("keys", "add", "door", "--role", "verify", "--json"))
    assert added["key"].startswith("fm_")
    (listed,) = done(command("keys", "list", "--json"))["keys"]
    assert (listed["name"], listed["role"], listed["revoked"]) == ("door", "verify", None)
    secret = added["key"].split("_", 2)[2]
    for words in (["keys", "list"], ["keys", "list", "--json"]):
        assert secret not in command(*words).stdout


def test_a_revoked_key_is_listed_as_such(command):
    done(command("keys", "add", "door", "--role", "verify", "--json"))
    (listed,) = done(command("keys", "list", "--json"))["keys"]
    assert done(command("keys", "revoke", listed["id"], "--json")) == {"id": listed["id"], "revoked": True}
    assert done(command("keys", "list", "--json"))["keys"][0]["revoked"]


def test_the_trail_is_checked_up_to_a_digest(command):
    report = done(command("audit", "check", "--json"))
    assert report["rows"] == 4
    assert done(command("audit", "check", "--expect", report["head"], "--json")) == report


def test_the_trail_is_shown_from_a_number_on(command):
    rows = done(command("audit", "show", "--after", "2", "--json"))["rows"]
    assert [row["user"] for row in rows] == ["user2", "user3"]


@pytest.mark.parametrize("words", [["keys", "list"], ["audit", "show"], ["audit", "check"]], ids=" ".join)
def test_commands_speak_to_people_too(command, words):
    result = command(*words)
    assert result.exit_code == 0, result.output
    with pytest.raises(json.JSONDecodeError):
        json.loads(result.stdout)


def test_a_trail_with_a_hole_is_no_success(command, tmp_path):
    with open_database(tmp_path / "store.db") as database:
        meddle(database, "DELETE FROM facemotion_service_audit WHERE number=2")
    assert isinstance(command("audit", "check").exception, AuditError)


@pytest.mark.parametrize("words", [["keys", "revoke", "nobody"], ["keys", "add", "x", "--role", "king"]], ids=" ".join)
def test_unknown_keys_and_roles_are_refused(command, words):
    assert isinstance(command(*words).exception, UsageError)


def test_a_key_that_can_not_be_makes_no_store(tmp_path):
    place = tmp_path / "store.db"
    for words in (["x", "--role", "king"], ["", "--role", "verify"]):
        assert isinstance(CliRunner().invoke(app, ["keys", "add", *words, "--store", str(place)]).exception, UsageError)
    assert not place.exists()
