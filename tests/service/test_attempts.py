"""Nonces and locks: through the server, across processes, across restarts."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx
import pytest

from facemotion.errors import LockedError, NonceError, RateError
from facemotion.service.guard.attempts import Attempts, Ticket
from facemotion.service.guard.auth import ApiKeys
from facemotion.service.migrate import open_database
from facemotion.service.settings import AttemptSettings, LimitSettings, ServiceSettings
from facemotion.store.database import Database

from .conftest import Server, form, running


def test_a_nonce_is_good_once_for_its_user_purpose_and_key(server, talk):
    nonce = server.nonce("alice", role="verify")
    stolen = server.verify("alice", talk[0], "enrol", nonce)
    for_another = server.verify("mallory", talk[0], "verify", nonce)
    for_enrolment = server.call("POST", "/v1/users/alice/enrolment", "enrol", **form(nonce, takes=talk[:2]))
    for answer in (stolen, for_another, for_enrolment):
        assert answer.status_code == 422
        assert answer.json()["error"] == "NonceError"
    assert server.verify("alice", talk[0], "verify", nonce).status_code == 200
    used = server.verify("alice", talk[0], "verify", nonce)
    assert (used.status_code, used.json()["error"]) == (422, "NonceError")
    assert server.verify("alice", talk[0], "verify", "\u0000").status_code == 422


def test_nonces_expire_and_are_not_hoarded(tmp_path, session_environment):
    with open_database(tmp_path / "store.db") as database:
        attempts = Attempts(database, AttemptSettings(nonce_seconds=1, open_nonces=3))
        old = attempts.issue("alice", "verify", "k")
        for _ in range(2):
            attempts.issue("alice", "verify", "k")
        with pytest.raises(RateError):
            attempts.issue("alice", "verify", "k")
        attempts.issue("bob", "verify", "k")
        time.sleep(1.1)
        with pytest.raises(NonceError):
            attempts.begin("alice", "verify", "k", old)
        attempts.issue("alice", "verify", "k")
        with database.read() as connection:
            rows = connection.exec_driver_sql("SELECT count(*) FROM facemotion_service_nonces").scalar_one()
        assert rows == 1  # the expired ones are gone


def begin(attempts: Attempts, user: str) -> Ticket:
    """An attempt that is under way."""
    return attempts.begin(user, "verify", "k", attempts.issue(user, "verify", "k"))


def fail(attempts: Attempts, database: Database, user: str) -> Ticket:
    """An attempt that was compared and rejected."""
    ticket = begin(attempts, user)
    with database.write() as connection:
        assert attempts.fail(connection, user, ticket)
    return ticket


@pytest.fixture
def now(monkeypatch) -> list[float]:
    """The clock of the attempts, in seconds: set its only number."""
    clock = [1000.0]
    monkeypatch.setattr("facemotion.service.guard.attempts.time.time", lambda: clock[0])
    return clock


def test_failures_wait_double_and_lock(tmp_path, now):
    with open_database(tmp_path / "store.db") as database:
        attempts = Attempts(database, AttemptSettings())
        for _ in range(5):
            fail(attempts, database, "alice")
        waits = []
        for _ in range(45):
            with pytest.raises(LockedError) as refused:
                attempts.issue("alice", "verify", "k")
            waits.append(refused.value.retry_seconds)
            now[0] += waits[-1] - 0.01
            with pytest.raises(LockedError):
                attempts.issue("alice", "verify", "k")
            now[0] += 0.02
            fail(attempts, database, "alice")
        assert waits[:8] == pytest.approx([30, 60, 120, 240, 480, 960, 1920, 3600])
        now[0] += 1e9
        with pytest.raises(LockedError, match="administrator"):
            attempts.issue("alice", "verify", "k")
        attempts.tidy()
        assert attempts.state("alice").locked
        attempts.issue("alice", "enrol", "k")
        assert not attempts.state("bob").locked


def test_the_attempt_that_closed_the_lock_opens_it_if_it_is_accepted(tmp_path):
    with open_database(tmp_path / "store.db") as database:
        attempts = Attempts(database, AttemptSettings(free_failures=2, lock_failures=2))
        fail(attempts, database, "alice")
        ticket = begin(attempts, "alice")
        assert attempts.state("alice").locked
        with database.write() as connection:
            attempts.accept(connection, "alice", ticket)
        assert attempts.state("alice").failures == 0


def test_neither_enrolling_again_nor_deleting_lifts_the_lock_for_good(tmp_path, talk, brow, session_environment):
    settings = ServiceSettings(attempts=AttemptSettings(free_failures=2, lock_failures=2))
    with running(tmp_path / "store.db", settings) as server:
        assert server.enrol("alice", talk[:2], role="enrol").status_code == 201
        for clip in brow[:2]:
            server.verify("alice", clip, "verify")
        assert server.enrol("alice", talk[2:4], "PUT", "enrol").status_code == 200
        assert server.call("GET", "/v1/users/alice", "enrol").json()["locked"] is True
        assert server.call("DELETE", "/v1/users/alice", "enrol").status_code == 204
        assert server.call("GET", "/v1/users/alice", "enrol").json()["locked"] is True
        assert server.call("POST", "/v1/users/alice/unlock", "admin").status_code == 204
        assert server.call("GET", "/v1/users/alice", "enrol").json()["locked"] is False


def test_a_clock_set_back_makes_no_wait_longer_than_the_settings_say(tmp_path, now):
    with open_database(tmp_path / "store.db") as database:
        attempts = Attempts(database, AttemptSettings())
        for _ in range(5):
            fail(attempts, database, "alice")
        now[0] -= 500  # it waited for 530 s
        assert attempts.state("alice").wait_seconds == 30
        with pytest.raises(LockedError) as refused:
            attempts.issue("alice", "verify", "k")
        assert refused.value.retry_seconds == 30
        now[0] += 31  # the wait that was told is over, although the clock hasn't come to where it was
        assert attempts.state("alice").wait_seconds == 0
        fail(attempts, database, "alice")
        now[0] -= 500
        attempts.tidy()  # a server that starts
        now[0] += 61
        assert attempts.state("alice").wait_seconds == 0


def test_a_clock_set_back_lengthens_no_nonce_and_fills_no_quota(tmp_path, now):
    with open_database(tmp_path / "store.db") as database:
        attempts = Attempts(database, AttemptSettings(nonce_seconds=120, open_nonces=1))
        early = attempts.issue("alice", "verify", "k")
        now[0] -= 3  # servers on one database differ by as much
        assert attempts.begin("alice", "verify", "k", early).charged
        old = attempts.issue("alice", "verify", "k")
        now[0] -= 900
        with pytest.raises(NonceError):
            attempts.begin("alice", "verify", "k", old)
        attempts.issue("alice", "enrol", "k")  # the old one no longer counts
        now[0] += 900
        with pytest.raises(NonceError):  # nor does it become good again when the clock comes to its time
            attempts.begin("alice", "verify", "k", old)


def test_a_clock_set_forward_ends_waits_and_nonces_but_forgets_no_failure(tmp_path, now):
    with open_database(tmp_path / "store.db") as database:
        attempts = Attempts(database, AttemptSettings())
        nonce = attempts.issue("alice", "verify", "k")
        for _ in range(5):
            fail(attempts, database, "alice")
        now[0] += 5000
        with pytest.raises(NonceError):
            attempts.begin("alice", "verify", "k", nonce)
        fail(attempts, database, "alice")
        now[0] -= 5000  # set right again
        assert (attempts.state("alice").failures, attempts.state("alice").wait_seconds) == (6, 60)
        with pytest.raises(LockedError):
            attempts.issue("alice", "verify", "k")
        now[0] += 61
        assert attempts.state("alice").wait_seconds == 0


def test_an_accepted_attempt_clears_and_a_failure_to_acquire_is_forgiven(tmp_path):
    with open_database(tmp_path / "store.db") as database:
        attempts = Attempts(database, AttemptSettings())
        fail(attempts, database, "alice")
        fail(attempts, database, "alice")
        ticket = begin(attempts, "alice")
        with database.write() as connection:
            attempts.forgive(connection, "alice", ticket)
        assert attempts.state("alice").failures == 2
        ticket = begin(attempts, "alice")
        with database.write() as connection:
            attempts.accept(connection, "alice", ticket)
        assert attempts.state("alice").failures == 0


def test_a_fault_of_our_own_locks_nobody_out_and_stands_in_the_trail(server, talk, monkeypatch):
    def broken(*_):
        raise IndexError("a bug")

    monkeypatch.setattr("facemotion.frontend.chain.check_take", broken)
    for _ in range(6):
        more = form(server.nonce("fay"), clip=[talk[0]]) | {"headers": {"connection": "close"}}
        assert server.call("POST", "/v1/users/fay/verify", **more).json()["error"] == "ServerFaultError"
    assert server.deeds("fay") == ["verify: ServerFaultError"] * 6


def test_an_attempt_takes_back_its_own_charge_and_no_other(tmp_path):
    """Cut attempts and successes between wrong ones opened the way to eight comparisons before the first wait."""
    with open_database(tmp_path / "store.db") as database:
        attempts = Attempts(database, AttemptSettings())
        held = [begin(attempts, "alice") for _ in range(3)]  # under way while the user is let in
        accepted = begin(attempts, "alice")
        with database.write() as connection:
            attempts.accept(connection, "alice", accepted)
        assert attempts.state("alice").failures == 3
        for _ in range(2):
            fail(attempts, database, "alice")
        with pytest.raises(LockedError):
            attempts.issue("alice", "verify", "k")
        with database.write() as connection:
            attempts.unlock(connection, "alice")
        fail(attempts, database, "alice")
        with database.write() as connection:
            for ticket in held:  # their charges went with the lock: another's isn't theirs to take
                attempts.forgive(connection, "alice", ticket)
                attempts.forgive(connection, "alice", accepted)
        assert attempts.state("alice").failures == 1


def test_a_ticket_is_worth_nothing_twice(tmp_path):
    with open_database(tmp_path / "store.db") as database:
        attempts = Attempts(database, AttemptSettings())
        ticket = begin(attempts, "alice")
        fail(attempts, database, "alice")
        with database.write() as connection:
            attempts.forgive(connection, "alice", ticket)
            attempts.forgive(connection, "alice", ticket)
            attempts.forgive(connection, "bob", ticket)
        assert attempts.state("alice").failures == 1


def test_a_killed_attempt_stays_charged_until_somebody_is_let_in(tmp_path, now):
    with open_database(tmp_path / "store.db") as database:
        attempts = Attempts(database, AttemptSettings())
        begin(attempts, "alice")  # its process is killed
        now[0] += 4000
        attempts.tidy()
        assert attempts.state("alice").failures == 1
        ticket = begin(attempts, "alice")
        with database.write() as connection:
            attempts.accept(connection, "alice", ticket)
        assert attempts.state("alice").failures == 0


def test_a_made_up_nonce_costs_no_writing(tmp_path):
    with open_database(tmp_path / "store.db") as database:
        attempts = Attempts(database, AttemptSettings())
        with database.write(), pytest.raises(NonceError), ThreadPoolExecutor(1) as pool:  # who writes would wait
            pool.submit(attempts.begin, "alice", "verify", None, "made up").result(timeout=5)


def test_an_attempt_that_is_forgiven_costs_no_wait(tmp_path, now):
    with open_database(tmp_path / "store.db") as database:
        attempts = Attempts(database, AttemptSettings())
        for _ in range(5):
            fail(attempts, database, "alice")
        now[0] += 31
        ticket = begin(attempts, "alice")
        assert attempts.state("alice").wait_seconds == 60
        with database.write() as connection:
            attempts.forgive(connection, "alice", ticket)
        assert (attempts.state("alice").failures, attempts.state("alice").wait_seconds) == (5, 0)
        first = begin(attempts, "alice")  # at once
        now[0] += 61
        fail(attempts, database, "alice")
        with database.write() as connection:
            attempts.forgive(connection, "alice", first)  # another one was charged since: its wait stays
        assert (attempts.state("alice").failures, attempts.state("alice").wait_seconds) == (6, 60)
        one = begin(attempts, "bob")
        with database.write() as connection:
            attempts.forgive(connection, "bob", one)
        assert attempts.state("bob").failures == 0


def test_who_finds_the_service_busy_is_charged_nothing_and_keeps_the_nonce(tmp_path, talk, session_environment):
    settings = ServiceSettings(limits=LimitSettings(concurrency=1, queue=3, queue_seconds=0.01))
    with running(tmp_path / "store.db", settings) as server:
        nonces = [server.nonce("alice") for _ in range(4)]
        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(lambda nonce: server.verify("alice", talk[0], nonce=nonce), nonces))
        busy = [nonce for nonce, answer in zip(nonces, answers, strict=True) if answer.status_code == 503]
        assert busy
        assert server.call("GET", "/v1/users/alice").json()["failures"] == 4 - len(busy)
        assert server.verify("alice", talk[0], nonce=busy[0]).status_code == 200


def test_a_hundred_attempts_at_once_are_charged_like_a_hundred_in_a_row(tmp_path):
    with open_database(tmp_path / "store.db") as database:
        attempts = Attempts(database, AttemptSettings(open_nonces=200))
        nonces = [attempts.issue("alice", "verify", "k") for _ in range(40)]
        passed = []

        def attempt(nonce: str) -> None:
            try:
                attempts.begin("alice", "verify", "k", nonce)
            except LockedError:
                return
            passed.append(nonce)

        with ThreadPoolExecutor(16) as pool:
            list(pool.map(attempt, nonces))
        assert len(passed) == 5
        assert attempts.state("alice").failures == 5


@contextmanager
def process(store, settings_file, key: str = ""):
    """`facemotion serve` as a user starts it."""
    environment = os.environ | {"FACEMOTION_STORE": str(store)}
    command = [sys.executable, "-m", "facemotion.cli", "serve", "--port", "0", "--json", "--service", settings_file]
    child = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        text = ""
        while not text.rstrip().endswith("}"):
            line = child.stdout.readline()
            assert line, "the server ended"
            text += line
        server = Server(json.loads(text)["url"], {"admin": key}, store)
        for _ in range(300):
            try:
                if server.call("GET", "/ready", "").status_code == 200:
                    break
            except httpx.TransportError:
                time.sleep(0.1)
        yield server
        server.http.close()
    finally:
        child.send_signal(signal.SIGTERM)
        child.wait(20)
        child.stdout.close()


def test_two_processes_on_one_database_count_together_and_a_restart_forgets_nothing(
    tmp_path, talk, session_environment
):
    store, file = tmp_path / "store.db", tmp_path / "service.toml"
    file.write_text("[attempts]\nwait_seconds = 3600.0\n", "utf-8")
    with open_database(store) as database:
        key = ApiKeys(database).add("test", "admin")
    with process(store, file, key) as one, process(store, file, key) as two:
        for number in range(5):
            server = (one, two)[number % 2]
            other = (two, one)[number % 2]
            nonce = server.nonce("alice")
            answer = other.verify("alice", talk[number], nonce=nonce)  # given by one, used at the other
            assert answer.json()["accepted"] is False
        for server in (one, two):
            locked = server.call("POST", "/v1/users/alice/nonces", json={"purpose": "verify"})
            assert locked.status_code == 429
            assert locked.json()["error"] == "LockedError"
            assert int(locked.headers["retry-after"]) > 3000
    with process(store, file, key) as three:
        assert three.call("GET", "/v1/users/alice").json()["failures"] == 5
        assert three.call("POST", "/v1/users/alice/nonces", json={"purpose": "verify"}).status_code == 429
        assert three.call("POST", "/v1/users/alice/unlock").status_code == 204
        assert three.verify("alice", talk[5]).status_code == 200


def test_locks_are_the_same_for_names_that_nobody_has(tmp_path, talk, brow, session_environment):
    settings = ServiceSettings(attempts=AttemptSettings(free_failures=2, wait_seconds=600))
    with running(tmp_path / "store.db", settings) as server:
        assert server.enrol("alice", brow[:2]).status_code == 201
        answers = {}
        for user in ("alice", "nobody"):
            told = [server.verify(user, talk[number], "verify") for number in range(2)]
            told.append(server.call("POST", f"/v1/users/{user}/nonces", "verify", json={"purpose": "verify"}))
            answers[user] = [(one.status_code, one.json() | {"retry_seconds": 0, "message": ""}) for one in told]
        assert answers["alice"] == answers["nobody"]
        assert answers["alice"][2][0] == 429


def test_a_burst_of_uploads_can_not_slip_past_the_lock(tmp_path, talk, brow, session_environment):
    settings = ServiceSettings(limits=LimitSettings(queue_seconds=60))  # the machine may be busy
    with running(tmp_path / "store.db", settings) as server:
        server.enrol("alice", brow[:2])
        nonces = [server.nonce("alice", role="verify") for _ in range(9)]
        answers: list[int] = []

        def attempt(nonce: str) -> None:
            answers.append(server.verify("alice", talk[0], "verify", nonce).status_code)

        threads = [threading.Thread(target=attempt, args=(nonce,)) for nonce in nonces]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(answers) == [200] * 5 + [429] * 4
