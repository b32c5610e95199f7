"""The endpoints, over a real socket."""

from __future__ import annotations

import dataclasses
import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from websockets.sync.client import connect

from facemotion import Client
from facemotion.config import load_settings
from facemotion.errors import StoreCorruptError, StoreError, StoreFullError, StoreKeyError, StoreUnavailableError
from facemotion.models import Models
from facemotion.service.guard.auth import ApiKeys
from facemotion.service.metrics import Metrics
from facemotion.service.migrate import open_database
from facemotion.service.problems import problem_of, status_of
from facemotion.service.settings import ServerSettings, ServiceSettings
from facemotion.store import open_store
from facemotion.types import OperatingPoint

from .conftest import form, running

WARNINGS: list[str] = []
"""What the service finds weak about the motion of the drawing."""


def test_an_enrolment_is_answered_by_what_it_stored(server, talk):
    answer = server.enrol("nina", talk[:3])
    assert answer.status_code == 201, answer.text
    assert answer.json() == {"user": "nina", "takes": 3, "warnings": WARNINGS}
    assert server.call("GET", "/v1/users/nina").json()["takes"] == {"motion": 3}


def test_a_name_that_is_enrolled_is_not_enrolled_anew(server, talk):
    assert server.enrol("olga", talk[:2]).status_code == 201
    again = server.enrol("olga", talk[2:4])
    assert again.status_code == 409
    assert again.json()["error"] == "UserExistsError"


def test_administrators_learn_what_a_verdict_rests_on(server, talk, brow):
    server.enrol("paul", talk[:3])
    accepted = server.verify("paul", talk[3]).json()
    assert accepted["accepted"] is True
    (factor,) = accepted["evidence"]["factors"]
    assert factor["score"] >= factor["threshold"]
    (quality,) = accepted["evidence"]["quality"]
    assert (quality["face_share"], quality["damaged_share"]) == (1, 0)
    assert accepted["evidence"]["milliseconds"].keys() == {"decode", "detect", "extract", "quality", "encode"}
    assert min(accepted["evidence"]["milliseconds"].values()) > 0
    rejected = server.verify("paul", brow[0]).json()
    assert rejected["accepted"] is False
    assert rejected["evidence"]["outcome"] == "rejected"
    (factor,) = rejected["evidence"]["factors"]
    assert factor["score"] < factor["threshold"]


def test_the_status_counts_failures_in_a_row(server, talk, brow):
    server.enrol("quinn", talk[:2])
    assert server.verify("quinn", brow[0]).json()["accepted"] is False
    status = server.call("GET", "/v1/users/quinn", "enrol").json()
    assert (status["enrolled"], status["failures"], status["outdated"]) == (True, 1, False)


def test_enrolling_again_replaces_the_motion(server, talk, brow):
    server.enrol("ruth", talk[:3])
    assert server.enrol("ruth", brow, "PUT").status_code == 200
    assert server.verify("ruth", talk[4]).json()["accepted"] is False


def names(server, **query) -> list[str]:
    return [one["user"] for one in server.call("GET", "/v1/users", params=query).json()["users"]]


def test_who_is_enrolled_is_listed_page_by_page(server, talk, brow):
    assert server.enrol("page-1", talk[:2]).status_code == 201
    with open_store(server.store, key=server.store_key) as store:
        store.put(*(dataclasses.replace(store.get("page-1", "motion"), user=user) for user in ("page-2", "Page-3")))
    server.verify("page-2", brow[0])
    first = server.call("GET", "/v1/users", params={"find": "PAGE-", "limit": 2}).json()
    rest = server.call("GET", "/v1/users", params={"find": "PAGE-", "limit": 2, "after": first["next"]}).json()
    listed = first["users"] + rest["users"]
    assert [one["user"] for one in listed] == ["Page-3", "page-1", "page-2"]  # SQLite's order
    assert [one["failures"] for one in listed] == [0, 0, 1]
    for one in listed:
        alone = server.call("GET", f"/v1/users/{one['user']}").json()
        assert one == alone | {"wait_seconds": one["wait_seconds"]}
        assert one["encoder"].startswith("drawings@")
        assert one["enrolled_at"] == one["changed_at"]
    assert first["total"] >= 3
    assert (first["outdated"], rest["total"], rest["outdated"], rest["next"]) == (0, None, None, "")
    assert names(server, find="page-", outdated=True) == []
    for query in ({"limit": 0}, {"limit": 1001}, {"after": "x" * 129}, {"after": "\0"}, {"find": "\0"}):
        assert server.call("GET", "/v1/users", params=query).status_code == 422


def test_a_user_who_is_deleted_is_gone(server, talk):
    server.enrol("sara", talk[:2])
    assert names(server, find="sara") == ["sara"]
    assert server.call("DELETE", "/v1/users/sara").status_code == 204
    assert names(server, find="sara") == []
    assert server.call("GET", "/v1/users/sara").json()["enrolled"] is False
    assert server.call("DELETE", "/v1/users/sara").status_code == 404


def test_others_than_administrators_learn_pass_or_fail_alone(server, talk):
    assert server.enrol("bob", talk[:2], role="enrol").status_code == 201
    for role in ("verify", "enrol"):
        known = server.verify("bob", talk[3 if role == "verify" else 4], role)
        unknown = server.verify("nobody", talk[3], role)
        assert known.json() == {"accepted": True, "evidence": None}
        assert unknown.json() == {"accepted": False, "evidence": None}
        assert known.status_code == unknown.status_code == 200
        assert set(known.headers) == set(unknown.headers)


def test_a_method_that_a_path_does_not_take_is_answered_by_those_that_it_takes(server):
    for method, path, allowed in (("TRACE", "/health", "GET, HEAD"), ("PATCH", "/v1/users/alice", "DELETE, GET")):
        answer = server.call(method, path)
        assert answer.status_code == 405
        assert answer.headers["allow"] == allowed
        assert answer.json()["error"] == "FormError"
        assert "the head Allow names those" in answer.json()["message"]


@pytest.mark.parametrize("path", ["/", "/admin", "/docs", "/health", "/ready"])
def test_head_is_answered_as_get_without_a_body(server, path):
    head, whole = (server.call(method, path, "") for method in ("HEAD", "GET"))
    assert (head.status_code, head.content) == (200, b"")
    each = {"date": "", "x-request-id": ""}
    assert {**head.headers, **each} == {**whole.headers, **each}


@pytest.mark.parametrize(
    ("method", "path", "least"),
    [
        ("GET", "/v1/users/alice", "enrol"),
        ("DELETE", "/v1/users/carol", "enrol"),
        ("GET", "/v1/users", "admin"),
        ("POST", "/v1/users/alice/unlock", "admin"),
        ("GET", "/v1/audit", "admin"),
        ("GET", "/v1/models", "verify"),
        ("GET", "/metrics", "verify"),
    ],
)
def test_roles(server, method, path, least):
    order = ["verify", "enrol", "admin"]
    for role in order:
        answer = server.call(method, path, role)
        if order.index(role) < order.index(least):
            assert answer.status_code == 403
            assert answer.json()["error"] == "RightsError"
        else:
            assert answer.status_code in (200, 204, 404)


def test_a_verify_key_can_not_enrol(server, talk):
    assert server.call("POST", "/v1/users/eve/nonces", "verify", json={"purpose": "enrol"}).status_code == 403
    nonce = server.nonce("eve", "verify", "verify")
    refused = server.call("POST", "/v1/users/eve/enrolment", "verify", **form(nonce, takes=talk[:2]))
    assert refused.status_code == 403


@pytest.mark.parametrize("key", ["x", "fm_00000000_", "fm__", "fm_\u00e9_\u00e9", "Basic x", "fm_" + "0" * 5000])
def test_wrong_keys_are_refused_alike(server, key):
    answer = server.http.get("/v1/models", headers={"authorization": b"Bearer " + key.encode()})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.json()["error"] == "AuthenticationError"


def test_a_changed_or_revoked_key_is_refused(server):
    good = server.keys["verify"]
    for key in (good[:-1] + ("A" if good[-1] != "A" else "B"), good[:11], good.replace("fm_", "mf_", 1)):
        answer = server.http.get("/v1/models", headers={"authorization": f"Bearer {key}"})
        assert answer.status_code == 401, key
    with open_database(server.store, key=server.store_key) as database:
        keys = ApiKeys(database)
        extra = keys.add("extra", "verify")
        assert server.http.get("/v1/models", headers={"authorization": f"Bearer {extra}"}).status_code == 200
        keys.revoke(extra.split("_")[1])
        assert server.http.get("/v1/models", headers={"authorization": f"Bearer {extra}"}).status_code == 401
        with database.read() as connection:
            stored = str(connection.exec_driver_sql("SELECT * FROM facemotion_service_keys").all())
    assert extra.split("_", 2)[2] not in stored


def test_without_a_key_this_machine_may_enrol_but_no_page_of_another_site(server):
    assert server.call("GET", "/v1/users/alice", "").status_code == 200
    assert server.call("GET", "/v1/users", "").status_code == 403
    for head in ({"origin": "https://evil.example"}, {"host": "evil.example"}):
        assert server.call("GET", "/v1/users/alice", "", headers=head).status_code == 403
    for head in ({"x-forwarded-for": "127.0.0.1"}, {"forwarded": "for=127.0.0.1"}):
        assert server.call("GET", "/v1/users/alice", "", headers=head).status_code == 401
    assert server.call("GET", "/v1/users/alice", "", headers={"origin": server.url}).status_code == 200


def test_keyless_callers_can_be_shut_out(tmp_path, session_environment):
    settings = ServiceSettings(server=ServerSettings(keyless_on_loopback=False))
    with running(tmp_path / "store.db", settings) as server:
        assert server.call("GET", "/v1/models", "").status_code == 401
        assert server.call("GET", "/health", "").json() == {"status": "ok"}
        assert server.call("GET", "/ready", "").json() == {"status": "ok"}


def test_models_show_the_evidence(server):
    answer = server.call("GET", "/v1/models", "verify").json()
    assert [one["role"] for one in answer["models"]] == ["detector", "extractor", "encoder"]
    assert answer["operating_point"]["impostor_trials"] > 0
    assert answer["operating_points"] == answer["choices"] == [answer["operating_point"]]
    assert not answer["operating_point"]["own"]
    assert (answer["min_takes"], answer["max_takes"]) == (2, 5)


def test_models_show_what_this_deployment_calibrated(server):
    settings = load_settings()
    models = Models.of(settings.runtime)
    encoder = models.card(settings.verifier.encoder)
    point = OperatingPoint("fmr-1e-2", 0.7, 0.01, 0.05, 40, 400, 8, "clips of our own")
    kept = models.keep_operating_points(encoder.name, [point])
    try:
        answer = server.call("GET", "/v1/models", "verify").json()
        mine = [one for one in answer["choices"] if one["own"]]
        assert [(one["name"], one["threshold"], one["subjects"]) for one in mine] == [("own-fmr-1e-2", 0.7, 8)]
        assert answer["calibration_problem"] == ""
        kept.write_text(kept.read_text("utf-8").replace(encoder.model_id, "drawings-of-old"), "utf-8")
        answer = server.call("GET", "/v1/models", "verify").json()
        assert not any(one["own"] for one in answer["choices"])
        assert "calibrated for drawings-of-old" in answer["calibration_problem"]
    finally:
        kept.unlink()


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("still", "NoMotionError"),
        ("slow", "TooFewFramesError"),
        ("nobody", "NoFaceError"),
        ("crowd", "SeveralFacesError"),
    ],
)
def test_a_clip_without_a_motion_is_no_failure(server, clips, name, error):
    before = server.call("GET", "/v1/users/dora").json()["failures"]
    answer = server.verify("dora", (clips / f"{name}.mp4").read_bytes(), "verify")
    assert answer.status_code == 422
    assert answer.json()["error"] == error
    assert server.call("GET", "/v1/users/dora").json()["failures"] == before


def test_who_enrolled_with_another_model_or_without_a_face_fails_uncharged(tmp_path, talk, session_environment):
    with running(tmp_path / "store.db") as server, open_store(server.store) as store:
        server.enrol("old", talk[:2])
        template = store.get("old", "motion")
        store.put(dataclasses.replace(template, model_id="drawings@0"))
        store.put(dataclasses.replace(template, user="faceless", factor="appearance", model_id="some@1"))
        for user in ("old", "faceless"):
            answer = server.verify(user, talk[3]).json()
            assert (answer["accepted"], answer["evidence"]["outcome"]) == (False, "must enrol again")
            status = server.call("GET", f"/v1/users/{user}").json()
            assert (status["must_enrol_again"], status["outdated"], status["failures"]) == (True, True, 0)
        assert "facemotion_users_outdated 2.0\n" in server.call("GET", "/metrics").text
        assert server.verify("old", talk[4], "verify").json() == {"accepted": False, "evidence": None}


def test_where_nothing_can_be_compared_nothing_is_charged_and_the_log_names_nobody(
    tmp_path, talk, capsys, session_environment
):
    with running(tmp_path / "store.db") as server, open_store(server.store) as store:
        server.enrol("xavier", talk[:2])
        with store.database.write() as connection:
            connection.exec_driver_sql("UPDATE facemotion_templates SET payload = x'00'")
        answer = server.verify("xavier", talk[3])
        assert (answer.status_code, answer.json()["error"]) == (500, "ServerFaultError")
        assert server.call("GET", "/v1/users/xavier").json()["failures"] == 0
        last = server.call("GET", "/v1/audit?newest=true&limit=1").json()["entries"][0]
        assert (last["action"], last["outcome"]) == ("verify", "StoreCorruptError")
        text = server.call("GET", "/metrics").text
        assert 'facemotion_attempts_total{action="verify",outcome="StoreCorruptError"} 1\n' in text
    log = capsys.readouterr().err
    assert "StoreCorruptError" in log
    assert "xavier" not in log


def test_two_enrolments_of_one_new_name_at_once_make_one_user(tmp_path, talk, brow, session_environment):
    with running(tmp_path / "store.db") as server:
        with ThreadPoolExecutor(2) as pool:
            answers = list(pool.map(lambda takes: server.enrol("tim", takes), (talk[:2], brow[:2])))
        assert sorted(answer.status_code for answer in answers) == [201, 409]
        entries = server.call("GET", "/v1/audit").json()["entries"]
        assert sorted(row["outcome"] for row in entries) == ["UserExistsError", "done"]
        assert server.verify("tim", (talk, brow)[answers[0].status_code != 201][2]).json()["accepted"] is True


def test_a_deed_and_its_row_of_the_trail_are_kept_together(tmp_path, talk, session_environment):
    with running(tmp_path / "store.db") as server, open_database(server.store, key=server.store_key) as database:
        server.enrol("uma", talk[:2])

        with database.write() as connection:
            connection.exec_driver_sql(BLOCK)
        nonce, close = server.nonce("vic", "enrol"), {"connection": "close"}
        more = form(nonce, takes=talk[2:4])
        assert server.call("POST", "/v1/users/vic/enrolment", headers=close, **more).status_code == 500
        assert server.call("DELETE", "/v1/users/uma", headers=close).status_code == 500
        with database.write() as connection:
            connection.exec_driver_sql("DROP TRIGGER blocked")
        assert names(server) == ["uma"]
        assert server.verify("uma", talk[4]).json()["accepted"] is True
        assert server.call("DELETE", "/v1/users/uma").status_code == 204


BLOCK = (
    "CREATE TRIGGER blocked BEFORE INSERT ON facemotion_service_audit WHEN NEW.outcome = 'done' "
    "BEGIN SELECT RAISE(ABORT, 'no more'); END"
)


def test_takes_that_disagree_enrol_nobody(server, talk, brow):
    refused = server.enrol("fred", [talk[0], talk[1], brow[0]])
    assert refused.status_code == 422
    assert refused.json()["error"] == "EnrolmentError"
    assert server.enrol("fred", talk[:1]).status_code == 422
    assert server.enrol("fred", talk, "PUT").status_code in (404, 422)
    assert server.call("GET", "/v1/users/fred").json()["enrolled"] is False


def test_metrics_count_and_name_nobody(server, talk):
    server.verify("zelda", talk[0])
    text = server.call("GET", "/metrics").text
    assert 'facemotion_attempts_total{action="verify",outcome="unknown user"}' in text
    assert 'facemotion_requests_total{method="POST",route="/v1/users/{user}/verify",status="200"}' in text
    assert "facemotion_request_seconds_bucket" in text
    assert "zelda" not in text
    server.enrol("zelda", talk[:1])
    assert 'action="enrol",outcome="EnrolmentError"' in server.call("GET", "/metrics").text
    for line in text.splitlines():
        assert line.startswith("#") or float(line.rsplit(" ", 1)[1]) >= 0


def test_metrics_tell_every_digit():
    metrics = Metrics()
    metrics.count("facemotion_live_frames_total", 12345678, outcome="used")
    metrics.observe("facemotion_request_seconds", 1234.56789, route="r")
    text = metrics.text({"facemotion_seats_taken": 2.0})
    assert 'outcome="used"} 12345678\n' in text
    assert 'facemotion_request_seconds_sum{route="r"} 1234.56789\n' in text
    assert 'facemotion_request_seconds_count{route="r"} 1\n' in text


@pytest.mark.parametrize("kind", [StoreError, StoreUnavailableError, StoreFullError, StoreCorruptError, StoreKeyError])
def test_no_answer_names_where_the_store_is(kind, caplog):
    told = problem_of(kind("The database postgresql://facemotion@db.internal:5432/store has a fault."))
    assert "db.internal" not in told.model_dump_json()
    assert status_of(kind("")) in (500, 503)


@pytest.mark.parametrize("stripped", [True, False])
def test_under_a_path_whether_or_not_the_proxy_strips_it(tmp_path, session_environment, stripped):
    settings = ServiceSettings(server=ServerSettings(root_path="/door/face"))
    with running(tmp_path / "store.db", settings) as server:
        front = "" if stripped else "/door/face"
        for path in ("/", "/health", "/static/home.js", "/v1/users"):
            assert server.call("GET", front + path).status_code == 200
        assert server.call("GET", f"{front}/openapi.json").json()["servers"] == [{"url": "/door/face"}]
        assert server.call("PATCH", f"{front}/health").headers["allow"] == "GET, HEAD"
        assert server.call("GET", "/door/health").status_code == 404
        with connect(server.url.replace("http", "ws") + front + "/v1/live") as socket:
            socket.send("{}")
            assert json.loads(socket.recv(timeout=20))["error"] == "FormError"
        with Client(server.url + front, server.keys["verify"]) as client:
            assert client.models()["models"]


@pytest.mark.parametrize(
    "path", ["/..", "/./a", "/a/../b", "/a/.", "face", "/face/", "/", "/v1", "/static/x", "/a b", "//face", "/a?b"]
)
def test_a_root_path_that_is_none_is_refused(path):
    with pytest.raises(ValueError, match="root_path"):
        ServerSettings(root_path=path)


def test_every_answer_is_closed_to_browsers_of_others(server):
    answer = server.call("GET", "/v1/models")
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "access-control-allow-origin" not in answer.headers
    assert "server" not in answer.headers


@pytest.mark.parametrize("path", ["", "/.a", "/a..b", "/.../x"])
def test_a_root_path_may_hold_dots_in_its_names(path):
    assert ServerSettings(root_path=path).root_path == path
