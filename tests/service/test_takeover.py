"""Nobody takes over a name: without a key, what is stored of a user goes only for the motion that it is of."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest
from websockets.sync.client import connect

from facemotion import Client
from facemotion.errors import ProofError
from facemotion.service.guard.attempts import Attempts
from facemotion.service.guard.auth import KEYLESS, Caller
from facemotion.service.guard.proofs import Proofs
from facemotion.service.migrate import open_database
from facemotion.service.settings import AttemptSettings

from .conftest import form

WINDOW = "of until now"


@pytest.fixture(scope="module")
def alice(server, talk) -> str:
    assert server.enrol("alice", talk[:3]).status_code == 201
    return "alice"


@pytest.fixture
def client(server) -> Iterator[Client]:
    """Whoever sits at the machine of the service."""
    with Client(server.url) as opened:
        yield opened


def test_without_a_key_nobody_replaces_or_deletes_by_a_name_alone(server, client, alice, brow):
    before = client.status(alice)["changed_at"]
    with pytest.raises(ProofError, match=WINDOW):
        client.enrol(alice, brow, replace=True)
    with pytest.raises(ProofError, match=WINDOW):
        client.delete(alice)
    assert client.status(alice)["changed_at"] == before
    assert server.deeds(alice)[-2:] == ["enrol again: ProofError", "delete: ProofError"]


def test_what_else_an_intruder_may_try_is_no_proof(server, client, alice, talk, brow):
    """A wrong motion, somebody else's success, a nonce that wasn't used, a key's success, an attempt of no use."""
    wrong = client.nonce(alice)
    assert client.verify(alice, brow[0], wrong) is False
    assert client.enrol("eve", brow[1:3]).takes == 2
    eves = client.nonce("eve")
    assert client.verify("eve", brow[0], eves) is True
    with Client(server.url, server.keys["enrol"]) as back_end:
        keys = back_end.nonce(alice)
        assert back_end.verify(alice, talk[3], keys) is True
    for proof in (wrong, eves, client.nonce(alice), keys, "made up", ""):
        with pytest.raises(ProofError):
            client.nonce(alice, "enrol-again", proof=proof)
        with pytest.raises(ProofError):
            client.delete(alice, proof=proof)
    with connect(server.url.replace("http", "ws") + "/v1/live") as socket:
        socket.send(json.dumps({"user": alice, "nonce": eves, "purpose": "enrol-again"}))
        assert json.loads(socket.recv())["error"] == "NonceError"
    again = server.call("PUT", f"/v1/users/{alice}/enrolment", "", **form(eves, takes=brow))
    assert again.json()["error"] == "NonceError"
    assert client.status(alice)["enrolled"] is True


def test_the_old_motion_lets_its_owner_change_it_and_the_new_one_counts_from_then_on(server, client, talk, brow):
    enrolled = client.nonce("dora", "enrol")
    server.call("POST", "/v1/users/dora/enrolment", "", **form(enrolled, takes=talk[:2]))
    proof = client.nonce("dora")
    assert client.verify("dora", talk[4], proof) is True
    with pytest.raises(ProofError):  # the latest attempt alone is one
        client.delete("dora", proof=enrolled)
    assert client.enrol("dora", brow[1:3], replace=True, proof=proof).takes == 2
    with pytest.raises(ProofError):  # of the motion before
        client.delete("dora", proof=proof)
    proof = client.nonce("dora")
    assert client.verify("dora", brow[0], proof) is True
    client.delete("dora", proof=proof)
    assert client.status("dora")["enrolled"] is False
    assert [line for line in server.deeds("dora") if not line.startswith("verify")] == [
        "enrol: done", "delete: ProofError", "enrol again: done", "delete: ProofError", "delete: done",
    ]  # fmt: skip


def test_a_proof_is_good_for_as_long_as_a_nonce_and_only_as_the_service_wrote_it(tmp_path, monkeypatch):
    with open_database(f"{tmp_path}/store.db") as database:
        settings = AttemptSettings(nonce_seconds=60)
        attempts = Attempts(database, settings)
        proofs = Proofs(database, settings, attempts)

        def shown(key_id: str = "") -> str:
            nonce = attempts.issue("alice", "verify", key_id)
            ticket = attempts.begin("alice", "verify", key_id, nonce)
            with database.write() as connection:
                proofs.keep(connection, Caller(key_id, "", "enrol"), "alice", ticket)
            return nonce

        def holds(nonce: str) -> bool:
            try:
                proofs.require(KEYLESS, "alice", nonce, "delete")
            except ProofError:
                return False
            return True

        nonce, now = shown(), time.time()
        assert holds(nonce)
        monkeypatch.setattr(time, "time", lambda: now + 62)
        assert not holds(nonce)
        monkeypatch.setattr(time, "time", lambda: now - 62)  # a clock that is set back gives no second life
        assert not holds(nonce)
        monkeypatch.undo()
        nonce = shown()
        with database.write() as connection:
            connection.exec_driver_sql("UPDATE facemotion_service_nonces SET expires = expires + 1")
        assert not holds(nonce)
        assert not holds(shown("k"))
        proofs.require(Caller("k", "door", "enrol"), "alice", "", "delete")


def test_a_proof_of_a_server_whose_clock_is_a_little_ahead_holds_as_its_nonces_do(tmp_path, monkeypatch):
    with open_database(f"{tmp_path}/store.db") as database:
        settings = AttemptSettings(nonce_seconds=60)
        attempts = Attempts(database, settings)
        proofs, now = Proofs(database, settings, attempts), time.time()
        nonce = attempts.issue("alice", "verify", "")
        monkeypatch.setattr(time, "time", lambda: now + 3)
        with database.write() as connection:
            proofs.keep(connection, KEYLESS, "alice", attempts.begin("alice", "verify", "", nonce))
        monkeypatch.setattr(time, "time", lambda: now)
        proofs.require(KEYLESS, "alice", nonce, "delete")
        monkeypatch.setattr(time, "time", lambda: now + 64)
        with pytest.raises(ProofError):
            proofs.require(KEYLESS, "alice", nonce, "delete")
