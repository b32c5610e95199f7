"""Sessions: a back end sends a user to the page and learns how it ended, and nobody else does."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from facemotion.config import from_table
from facemotion.errors import SessionError, SettingsError
from facemotion.service.guard.attempts import Attempts
from facemotion.service.guard.auth import ApiKeys, Caller
from facemotion.service.guard.sessions import Sessions
from facemotion.service.http import webhooks
from facemotion.service.migrate import open_database
from facemotion.service.settings import AttemptSettings, ServerSettings, ServiceSettings, SessionSettings

from .conftest import Server, running
from .webhook_receiver import SECRET, Receiver

BACK = "https://shop.example.com/logged-in?shop=1"
ORIGIN = "https://shop.example.com"
DOOR = Caller("k", "door", "enrol")


@pytest.fixture(scope="module")
def server(tmp_path_factory, session_environment, hook, talk) -> Iterator[Server]:
    """A service with somebody enrolled, that returns to a shop."""
    folder: Path = tmp_path_factory.mktemp("store")
    (folder / "secret").write_bytes(SECRET + b"\n")
    sessions = SessionSettings(
        return_addresses=(BACK,),
        frame_origins=(ORIGIN,),
        tries=2,
        webhook=f"http://127.0.0.1:{hook.server_port}/hook",
        webhook_secret=str(folder / "secret"),
        webhook_seconds=0.2,
        webhook_tries=3,
        webhook_wait_seconds=0.05,
    )
    settings = ServiceSettings(
        server=ServerSettings(keyless_on_loopback=False), sessions=sessions, attempts=AttemptSettings(free_failures=3)
    )
    with pytest.MonkeyPatch.context() as patch, running(folder / "store.db", settings) as one:
        patch.setattr(webhooks, "POLL_SECONDS", 0.05)
        assert one.enrol("alice", talk[:3]).status_code == 201
        yield one


def make(server: Server, role: str = "verify", **more: str) -> dict:
    body = {"user": "alice", "purpose": "verify", "return_to": BACK, "state": "s & t"} | more
    answer = server.call("POST", "/v1/sessions", role, json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()


def page(server: Server, what: str, token: str, status: int = 200) -> dict:
    """What the page asks for, without a key."""
    answer = server.call("POST", f"/v1/page/{what}", "", json={"token": token})
    assert answer.status_code == status, answer.text
    return answer.json()


def opened(server: Server, made: dict) -> dict:
    return page(server, "open", made["address"].partition("#session=")[2])


def attempt(server: Server, token: str, clip: bytes, role: str = "verify", user: str = "alice") -> bool:
    nonce = page(server, "nonce", token)["nonce"]
    return server.verify(user, clip, role, nonce).json()["accepted"]


def came_back(left: dict) -> dict[str, str]:
    return {name: value for name, (value,) in parse_qs(urlsplit(left["address"]).query).items()}


def result(server: Server, session: str, code: str = "", role: str = "verify"):
    return server.call("GET", f"/v1/sessions/{session}", role, params={"code": code} if code else {})


def test_a_back_end_learns_who_was_let_in_by_the_code_alone_and_once(server, talk):
    made = make(server)
    assert made["address"].startswith(f"{server.url}/#session=")
    assert result(server, made["session"]).json()["status"] == "waiting"
    token = opened(server, made)["token"]
    assert attempt(server, token, talk[3])
    without = result(server, made["session"]).json()
    assert (without["status"], without["result"]) == ("ended", None)
    left = page(server, "end", token)
    assert left["address"].startswith(f"{BACK}&session=")
    back = came_back(left)
    assert (back["shop"], back["session"], back["state"]) == ("1", made["session"], "s & t")
    told = result(server, made["session"], back["code"]).json()
    assert (told["user"], told["purpose"], told["state"]) == ("alice", "verify", "s & t")
    outcome = told["result"]
    assert (outcome["accepted"], outcome["reason"], outcome["factors"]) == (True, "accepted", ["motion"])
    assert outcome["quality"][0]["face_share"] == 1
    assert outcome["operating_point"] == "drawings"
    assert outcome["encoder"].startswith("drawings")
    again = result(server, made["session"], back["code"])
    assert (again.status_code, again.json()["error"]) == (422, "CodeError")
    assert result(server, made["session"]).json()["result"] is None
    page(server, "end", token, 404)
    assert server.deeds(session=made["session"]) == [
        "session: made",
        "session: opened",
        "session: accepted",
        "verify: accepted",
        "session: collected",
        "session: CodeError",
    ]


def test_too_many_failures_end_a_session(server, brow):
    token = opened(server, made := make(server))["token"]
    assert not attempt(server, token, brow[0])
    assert page(server, "open", token)["tries"] == 1
    assert not attempt(server, token, brow[1])
    assert page(server, "open", token)["ended"]
    assert page(server, "nonce", token, 404)["error"] == "SessionError"
    code = came_back(page(server, "end", token))["code"]
    outcome = result(server, made["session"], code).json()["result"]
    assert (outcome["accepted"], outcome["reason"]) == (False, "rejected")
    server.call("POST", "/v1/users/alice/unlock")


def test_a_clip_of_no_use_costs_no_try_and_who_goes_back_has_not_been_let_in(server, clips):
    token = opened(server, made := make(server))["token"]
    nonce = page(server, "nonce", token)["nonce"]
    assert server.verify("alice", (clips / "still.mp4").read_bytes(), "verify", nonce).status_code == 422
    assert page(server, "open", token)["tries"] == 2
    code = came_back(page(server, "end", token))["code"]
    outcome = result(server, made["session"], code).json()["result"]
    assert (outcome["accepted"], outcome["reason"], outcome["quality"]) == (False, "unusable", [])


def test_who_goes_back_at_once_has_cancelled(server):
    token = opened(server, made := make(server))["token"]
    code = came_back(page(server, "end", token))["code"]
    assert result(server, made["session"], code).json()["result"]["reason"] == "cancelled"


def test_nobody_learns_from_a_session_whether_a_name_is_enrolled(server, talk, brow):
    """Of a name that nobody has, the result says what it says of a wrong motion."""
    found = []
    for user, clip in (("alice", brow[2]), ("nobody", talk[5])):
        token = opened(server, made := make(server, user=user))["token"]
        assert not attempt(server, token, clip, user=user)
        code = came_back(page(server, "end", token))["code"]
        found.append(result(server, made["session"], code).json()["result"])
    known, unknown = found
    assert {name: known[name] for name in known if name not in ("quality", "ended_at")} == {
        name: unknown[name] for name in unknown if name not in ("quality", "ended_at")
    }
    server.call("POST", "/v1/users/alice/unlock")


def test_a_session_enrols_and_one_without_a_return_address_tells_its_result_to_whoever_made_it(server, talk):
    made = make(server, "enrol", user="zoe", purpose="enrol", return_to="")
    token = opened(server, made)["token"]
    assert result(server, made["session"], role="enrol").json()["result"] is None
    nonce = page(server, "nonce", token)
    assert nonce["purpose"] == "enrol"
    from .conftest import form

    answer = server.call("POST", "/v1/users/zoe/enrolment", "enrol", **form(nonce["nonce"], takes=talk[:2]))
    assert answer.status_code == 201, answer.text
    left = page(server, "end", token)
    assert (left["address"], left["code"], left["frame_origin"]) == ("", "", "")
    for _ in range(2):
        outcome = result(server, made["session"], role="enrol").json()["result"]
        assert (outcome["accepted"], len(outcome["quality"])) == (True, 2)
    server.call("DELETE", "/v1/users/zoe")
    assert result(server, made["session"], role="enrol").status_code == 404  # deleted with all that is kept of her


@pytest.mark.parametrize(
    ("body", "status", "error"),
    [
        ({"return_to": "https://shop.example.com/logged-in"}, 422, "ReturnAddressError"),
        ({"return_to": f"{BACK}&more=1"}, 422, "ReturnAddressError"),
        ({"return_to": "javascript:alert(1)"}, 422, "ReturnAddressError"),
        ({"frame_origin": "https://evil.example.com"}, 422, "ReturnAddressError"),
        ({"frame_origin": "*"}, 422, "ReturnAddressError"),
        ({"user": "al ice"}, 422, "FormError"),
        ({"purpose": "try"}, 422, "FormError"),
        ({"state": "s" * 513}, 422, "FormError"),
        ({"state": "a\0b"}, 422, "FormError"),  # PostgreSQL doesn't keep it
        ({"purpose": "enrol"}, 403, "RightsError"),
        ({"purpose": "enrol-again"}, 403, "RightsError"),
    ],
)
def test_what_a_session_may_not_be_made_for_is_refused_by_name(server, body, status, error):
    answer = server.call("POST", "/v1/sessions", "verify", json={"user": "alice", "purpose": "verify"} | body)
    assert (answer.status_code, answer.json()["error"]) == (status, error)


def test_an_enrolment_of_a_name_that_is_enrolled_is_refused_before_anybody_is_sent(server):
    for user, purpose, status in (("alice", "enrol", 409), ("nobody", "enrol-again", 404)):
        answer = server.call("POST", "/v1/sessions", "enrol", json={"user": user, "purpose": purpose})
        assert answer.status_code == status


def test_an_address_is_good_for_the_first_browser_that_opens_it(server):
    made = make(server)
    token = opened(server, made)["token"]
    again = page(server, "open", made["address"].partition("#session=")[2], 404)
    assert again["error"] == "SessionError"
    assert page(server, "open", token)["token"] == token  # loaded again
    page(server, "nonce", "made up", 404)


def test_a_session_is_nothing_to_another_key_and_a_code_is_nothing_to_another_session(server, talk):
    first, second = make(server), make(server)
    codes = []
    for made in (first, second):
        token = opened(server, made)["token"]
        codes.append(came_back(page(server, "end", token))["code"])
    assert result(server, first["session"], codes[0], "admin").json()["error"] == "SessionError"
    assert result(server, first["session"], codes[1]).json()["error"] == "CodeError"
    assert result(server, first["session"], "made up").json()["error"] == "CodeError"
    assert result(server, "unknown", codes[0]).status_code == 404
    assert result(server, "%00", codes[0]).status_code == 422  # what PostgreSQL can't look for
    assert result(server, first["session"], codes[0]).json()["result"]["accepted"] is False  # and stays good


def test_a_locked_user_is_told_how_long_and_the_back_end_why(server, brow):
    for clip in brow:
        server.verify("lola", clip)
    token = opened(server, made := make(server, user="lola"))["token"]
    refused = page(server, "nonce", token, 429)
    assert (refused["error"], refused["retry_seconds"] > 0) == ("LockedError", True)
    code = came_back(page(server, "end", token))["code"]
    assert result(server, made["session"], code).json()["result"]["reason"] == "locked"


def test_made_up_secrets_are_slowed_down_together(tmp_path, session_environment):
    from dataclasses import replace

    settings = ServiceSettings()
    settings = replace(settings, limits=replace(settings.limits, wrong_keys_per_minute=2))
    with running(tmp_path / "store.db", settings) as server:
        statuses = [
            server.call("POST", "/v1/page/open", "", json={"token": f"guess {number}"}).status_code
            for number in range(3)
        ]
        assert statuses == [404, 404, 429]


def test_a_page_may_be_framed_by_the_listed_origins_and_by_nobody_else(server):
    policy = server.call("GET", "/", "").headers["content-security-policy"]
    assert policy.endswith(f"frame-ancestors {ORIGIN}")
    for path in ("/admin", "/health", "/static/app.js"):
        assert server.call("GET", path, "").headers["content-security-policy"].endswith("frame-ancestors 'none'")
    made = make(server, frame_origin=ORIGIN, return_to="")
    left = page(server, "end", opened(server, made)["token"])
    assert (left["frame_origin"], left["address"], left["state"]) == (ORIGIN, "", "s & t")
    assert result(server, made["session"], left["code"]).json()["result"]["reason"] == "cancelled"


def heard(hook: Receiver, session: str, times: int) -> list[tuple[str, bytes]]:
    """What came of a session; of others that earlier tests made, results may come meanwhile."""
    found = []
    while len(found) < times:
        signature, body = hook.came.get(timeout=20)
        if json.loads(body)["session"] == session:
            found.append((signature, body))
    return found


def test_a_webhook_gets_the_result_signed_and_again_while_it_answers_by_errors_or_not_at_all(server, hook, talk):
    made = make(server, return_to="")
    hook.answers[made["session"]] = [500, 0]
    token = opened(server, made)["token"]
    begin = time.monotonic()
    page(server, "end", token)
    sent = heard(hook, made["session"], 3)
    assert server.call("GET", "/health", "").status_code == 200
    assert time.monotonic() - begin < 15
    for signature, body in sent:
        at, digest = (part.partition("=")[2] for part in signature.split(","))
        assert abs(int(at) - time.time()) < 60
        assert hmac.new(SECRET, at.encode() + b"." + body, hashlib.sha256).hexdigest() == digest
    told = json.loads(sent[0][1])
    assert (told["user"], told["status"], told["result"]["reason"]) == ("alice", "ended", "cancelled")


def test_sessions_expire_are_kept_for_a_while_and_cleared_up(tmp_path, monkeypatch):
    with open_database(f"{tmp_path}/store.db") as database:
        sessions = Sessions(
            database, SessionSettings(session_seconds=60, result_seconds=100), Attempts(database, AttemptSettings())
        )
        session, token = sessions.make(DOOR, "alice", "verify", "", "", "")
        now = time.time()
        monkeypatch.setattr(time, "time", lambda: now + 61)
        with pytest.raises(Exception, match="make a new session"):
            sessions.open(token)
        found, told = sessions.read(DOOR, session, "")
        assert (found.status, found.accepted, told) == ("expired", False, True)
        sessions.tidy()
        assert sessions.read(DOOR, session, "")[0].status == "expired"
        monkeypatch.setattr(time, "time", lambda: now + 161)
        sessions.tidy()
        with pytest.raises(Exception, match="no such session"):
            sessions.read(DOOR, session, "")


def test_a_session_that_somebody_wrote_into_the_database_is_none(tmp_path):
    with open_database(f"{tmp_path}/store.db") as database:
        sessions = Sessions(database, SessionSettings(), Attempts(database, AttemptSettings()))
        session, token = sessions.make(DOOR, "alice", "verify", "", "", "")
        with database.write() as connection:
            connection.exec_driver_sql("UPDATE facemotion_service_sessions SET reason = 'accepted', ended = made")
        with pytest.raises(Exception, match="no such session"):
            sessions.read(DOOR, session, "")
        with pytest.raises(Exception, match="unknown, was opened"):
            sessions.open(token)


def test_a_session_of_a_revoked_key_gives_no_nonce(tmp_path):
    with open_database(f"{tmp_path}/store.db") as database:
        keys, attempts = ApiKeys(database), Attempts(database, AttemptSettings())
        sessions = Sessions(database, SessionSettings(), attempts)
        caller = keys.authenticate(keys.add("door", "verify"))
        _, token = sessions.open(sessions.make(caller, "alice", "verify", "", "", "")[1])
        assert sessions.nonce(token)[1] == "verify"
        keys.revoke(caller.key_id)
        with pytest.raises(SessionError, match="make a new session"):
            sessions.nonce(token)


def test_a_made_up_secret_waits_for_no_writer(tmp_path):
    """It took the one place of SQLite's writers, before anybody counted it."""
    with open_database(f"{tmp_path}/store.db") as database, open_database(f"{tmp_path}/store.db") as other:
        sessions = Sessions(database, SessionSettings(), Attempts(database, AttemptSettings()))
        with other.write() as connection:
            connection.exec_driver_sql("DELETE FROM facemotion_service_failures")
            for ask in (sessions.open, sessions.nonce, sessions.end):
                with pytest.raises(SessionError):
                    ask("made up")


@pytest.mark.parametrize(
    "table",
    [
        {"return_addresses": ["http://shop.example.com/back"]},
        {"return_addresses": ["https://user@shop.example.com/"]},
        {"return_addresses": ["https://shop.example.com/#x"]},
        {"return_addresses": ["javascript:alert(1)"]},
        {"frame_origins": ["https://shop.example.com/"]},
        {"frame_origins": ["https://*.example.com"]},
        {"frame_origins": ["https://a.example.com; script-src *"]},
        {"page_address": "https://verify.example.com/face"},
        {"webhook": "https://shop.example.com/hook"},
    ],
)
def test_settings_that_would_send_people_or_results_astray_are_refused(table):
    with pytest.raises(SettingsError):
        from_table(SessionSettings, table)
