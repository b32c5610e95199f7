"""The live socket, over a real connection: guidance while frames arrive, verdict, back-pressure, cut connections."""

from __future__ import annotations

import dataclasses
import json
import struct
import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from facemotion.config import load_settings
from facemotion.media import load_clip
from facemotion.service.guard.auth import ApiKeys
from facemotion.service.migrate import open_database
from facemotion.service.settings import AttemptSettings, LimitSettings, ServiceSettings

from .conftest import Server, running
from .live_client import Socket, jpeg, messages, wait_for_failures


@pytest.fixture(scope="module")
def enrolled(server: Server, takes: list[list[bytes]]) -> Server:
    with Socket(server, "lea", "enrol", role="enrol") as socket:
        assert socket.hear() == {"min_takes": 2, "max_takes": 5}
        for number in range(3):
            answers = socket.take(takes[number])
            fields = {"guidance", "message", "box", "resting", "moving", "frames", "dropped", "turned", "min_rate"}
            assert fields == set(answers[-1])
            assert {True, False} == {answer["moving"] for answer in answers}  # a film of a talk, which begins at rest
            assert answers[-1]["frames"] == len(takes[number])
            assert all(0 <= value <= 1 for value in answers[-1]["box"])
            socket.say("done")
            review = socket.hear()
            assert (review["takes"], review["dropped"]) == (number + 1, 0)
            assert 0 < review["size"] <= 1
            assert isinstance(review["warnings"], list)
        socket.say("enrol")
        answer = socket.until("enrolled", "error")
        assert (answer["enrolled"], answer["takes"]) == (True, 3)
        assert isinstance(answer["warnings"], list)
    return server


def test_the_verdict_comes_a_moment_after_the_last_frame(enrolled, takes):
    with Socket(enrolled, "lea") as socket:
        socket.take(takes[3])
        start = time.perf_counter()
        socket.say("done")
        assert socket.hear() == {"accepted": True, "dropped": 0}
        assert time.perf_counter() - start < 2
    assert enrolled.trail("lea")[-1]["outcome"] == "accepted"


def test_another_motion_is_rejected(enrolled, brow):
    with Socket(enrolled, "lea") as socket:
        socket.take(messages(brow[0]))
        socket.say("done")
        assert socket.hear()["accepted"] is False
    assert enrolled.trail("lea")[-1]["outcome"] == "rejected"
    enrolled.call("POST", "/v1/users/lea/unlock")


def test_a_slow_camera_is_a_problem_by_name_and_no_failure(enrolled, clips):
    before = enrolled.call("GET", "/v1/users/lea").json()["failures"]
    with Socket(enrolled, "lea") as socket:
        answers = socket.take(messages((clips / "slow.mp4").read_bytes()))
        socket.say("done")
        problem = socket.hear()
    assert problem["error"] == "TooFewFramesError"
    assert f"at least {answers[-1]['min_rate']:g} are needed" in problem["message"]
    assert enrolled.call("GET", "/v1/users/lea").json()["failures"] == before


def test_the_same_frames_once_more_are_a_replay(enrolled, takes):
    with Socket(enrolled, "lea") as socket:
        socket.take(takes[0])  # of the enrolment
        socket.say("done")
        assert socket.hear()["accepted"] is False
    assert enrolled.trail("lea")[-1]["outcome"] == "replay"
    enrolled.call("POST", "/v1/users/lea/unlock")


def test_a_camera_that_is_turned_in_the_middle_of_a_take_starts_it_over(enrolled, film):
    clip = load_clip(film("talk", 34))
    upright = np.pad(clip.frames, ((0, 0), (80, 80), (0, 0), (0, 0)), mode="edge")  # 320 wide, 400 high
    with Socket(enrolled, "lea") as socket:
        before = socket.take([jpeg(frame, 90 + t) for frame, t in zip(clip.frames, clip.times, strict=True)][:9])
        after = socket.take([jpeg(frame, 100 + t) for frame, t in zip(upright, clip.times, strict=True)])
        socket.say("done")
        assert socket.hear() == {"accepted": True, "dropped": 0}
    assert not any(answer["turned"] for answer in before)
    assert [answer["turned"] for answer in after] == [True] + [False] * (len(after) - 1)
    assert after[0]["message"] == "The camera was turned; begin once more."
    assert [answer["frames"] for answer in after] == list(range(1, len(after) + 1))


def test_a_take_unlike_the_others_does_not_count(server, takes, brow):
    with Socket(server, "mia", "enrol", role="enrol") as socket:
        assert "max_takes" in socket.hear()
        socket.take(takes[0])
        socket.say("done")
        assert socket.hear()["takes"] == 1
        socket.take(messages(brow[0]))
        socket.say("done")
        assert socket.hear() == {"takes": 1, "again": "That one was different; make the same motion once more."}
        socket.take(takes[1])
        socket.say("done")
        assert socket.hear()["takes"] == 2
        socket.say("enrol")
        assert socket.until("enrolled", "error")["takes"] == 2


def test_a_bad_first_take_does_not_block_the_others(server, takes, brow):
    with Socket(server, "ned", "enrol", role="enrol") as socket:
        assert "max_takes" in socket.hear()
        for take, told in ((messages(brow[0]), 1), (takes[0], 1), (takes[1], 2), (takes[2], 3)):
            socket.take(take)
            socket.say("done")
            assert socket.hear()["takes"] == told
        socket.say("enrol")
        assert socket.until("enrolled", "error")["takes"] == 3


@pytest.fixture
def two_takes(tmp_path, session_environment) -> Iterator[Server]:
    """A service whose enrolments have two takes."""
    settings = load_settings()
    inference = dataclasses.replace(settings, verifier=dataclasses.replace(settings.verifier, max_takes=2))
    with running(tmp_path / "store.db", inference=inference) as server:
        yield server


def test_a_take_too_many_is_refused_and_the_others_stay(two_takes, takes):
    with Socket(two_takes, "lea", "enrol", role="enrol") as socket:
        assert socket.hear() == {"min_takes": 2, "max_takes": 2}
        for take in takes[:3]:
            socket.take(take)
            socket.say("done")
            answer = socket.hear()
        assert (answer["error"], answer["message"][:17]) == ("EnrolmentError", "There are 2 takes")
        socket.say("enrol")
        assert socket.hear()["takes"] == 2


def test_a_nonce_to_enrol_replaces_nobody(server, takes):
    """It did, without a word; to replace an enrolled user is another purpose."""
    with Socket(server, "otto", "enrol-again", role="enrol") as early:
        assert early.hear()["error"] == "UnknownUserError"
    with Socket(server, "otto", "enrol", role="enrol") as socket:
        assert "max_takes" in socket.hear()
        for take in takes[:2]:
            socket.take(take)
            socket.say("done")
            assert "takes" in socket.hear()
        socket.say("enrol")
        assert socket.until("enrolled", "error")["takes"] == 2
    with Socket(server, "otto", "enrol", role="enrol") as socket:
        assert socket.hear()["error"] == "UserExistsError"
    nonce = server.nonce("otto", "enrol", "enrol")
    with Socket(server, "otto", "enrol-again", nonce) as socket:
        assert socket.hear()["error"] == "NonceError"
    with Socket(server, "otto", "enrol-again", role="enrol") as socket:
        assert socket.hear() == {"min_takes": 2, "max_takes": 5}


def test_nothing_is_stored_before_enrol_is_said(two_takes, takes):
    with Socket(two_takes, "lea", "enrol", role="enrol") as socket:
        socket.hear()
        for take in takes[:2]:
            socket.take(take)
            socket.say("done")
            assert "takes" in socket.hear()
    assert two_takes.call("GET", "/v1/users/lea").json()["enrolled"] is False


def test_a_key_revoked_after_its_nonce_was_given_costs_the_user_nothing(tmp_path, session_environment):
    with running(tmp_path / "store.db") as server:
        nonce = server.nonce("lea", "verify", "verify")
        with open_database(server.store, key=server.store_key) as database:
            ApiKeys(database).revoke(server.keys["verify"].split("_")[1])
        with Socket(server, "lea", nonce=nonce) as socket:
            assert socket.hear()["error"] == "AuthenticationError"
        assert server.call("GET", "/v1/users/lea").json()["failures"] == 0
        assert server.call("GET", "/v1/audit").json()["entries"][-1]["outcome"] == "AuthenticationError"


@pytest.mark.parametrize(
    ("limit", "seconds", "message"),
    [
        ("session.SILENCE_SECONDS", 0.2, "Nothing came for 0.2 s; start again."),
        ("socket.SESSION_SECONDS", 1.0, "A live session lasts 1 s at most; start again."),
    ],
)
def test_a_session_that_lasts_too_long_says_why_and_charges_nothing(
    tmp_path, session_environment, monkeypatch, limit, seconds, message
):
    monkeypatch.setattr(f"facemotion.service.live.{limit}", seconds)
    with running(tmp_path / "store.db") as server:
        with Socket(server, "lea") as socket:
            problem = socket.until("error")
        assert (problem["error"], problem["message"]) == ("UploadTimeoutError", message)
        assert server.call("GET", "/v1/users/lea").json()["failures"] == 0


def test_live_sessions_and_clips_share_their_threads(tmp_path, takes, talk, session_environment):
    settings = ServiceSettings(limits=LimitSettings(concurrency=1))
    with running(tmp_path / "store.db", settings) as server, Socket(server, "lea") as socket:
        socket.take(takes[0][:3])
        server.verify("lea", talk[0])
        names = [thread.name for thread in threading.enumerate()]
    # Of other servers that run in this process there are the same ones, but none of sessions.
    assert not [name for name in names if name.startswith("live")]
    assert any(name.startswith("analysis") for name in names)


def test_frames_before_go_are_forgotten(enrolled, takes, film):
    placing = [jpeg(np.full((240, 320, 3), 90, np.uint8), number / 25) for number in range(12)]
    with Socket(enrolled, "lea") as socket:
        socket.take(placing)
        socket.say("go")
        answers = socket.take(messages(film("talk", 35)))
        assert answers[0]["frames"] <= 1
        socket.say("done")
        assert socket.hear()["accepted"] is True


def test_a_nonce_is_good_for_its_user_and_purpose_alone(enrolled):
    nonce = enrolled.nonce("lea", "verify", "verify")
    for user, purpose in (("lea", "enrol"), ("mallory", "verify")):
        with Socket(enrolled, user, purpose, nonce) as socket:
            assert socket.hear()["error"] == "NonceError"


def test_a_nonce_is_good_once(enrolled, takes):
    nonce = enrolled.nonce("lea", "verify", "verify")
    with Socket(enrolled, "lea", "verify", nonce) as socket:
        socket.take(takes[0][:2])
    with Socket(enrolled, "lea", "verify", nonce) as socket:
        assert socket.hear()["error"] == "NonceError"


def test_a_cut_connection_is_no_failure(server, takes):
    with Socket(server, "cora") as socket:
        socket.take(takes[0][:3])
        assert server.call("GET", "/v1/users/cora").json()["failures"] == 1  # until it is known how it ends
    wait_for_failures(server, "cora", 0)


def test_frames_without_a_face_are_no_failure(server):
    with Socket(server, "dina") as socket:
        socket.take([jpeg(np.zeros((120, 160, 3), np.uint8), number / 25) for number in range(20)])
        socket.say("done")
        assert socket.hear()["error"] == "NoFaceError"
    wait_for_failures(server, "dina", 0)


@pytest.mark.parametrize(
    ("message", "error"),
    [
        (b"", "FormError"),
        (b"1234567", "FormError"),
        (struct.pack("<d", 0) + b"no picture", "UnreadableMediaError"),
        (struct.pack("<d", float("nan")), "UnreadableMediaError"),
        (struct.pack("<d", float("nan")) + jpeg(np.zeros((64, 64, 3), np.uint8), 0)[8:], "TimestampError"),
        (jpeg(np.zeros((8, 5000, 3), np.uint8), 0), "MediaLimitError"),
        ("nonsense", "FormError"),
        ('{"done": false}', "FormError"),
    ],
    ids=range(8),
)
def test_what_is_no_frame_ends_the_session_with_a_reason(enrolled, message, error):
    with Socket(enrolled, "lea") as socket:
        socket.socket.send(message)
        heard = socket.until("error")
        assert heard["error"] == error
        with pytest.raises(ConnectionClosed):
            socket.hear()


@pytest.mark.parametrize(
    "hello",
    [
        "",
        "[]",
        "{}",
        '{"user": 1, "nonce": "x", "purpose": "verify"}',
        "\u0000",
        r'{"user": "\ud800", "nonce": "x", "purpose": "verify"}',
        r'{"user": "x", "nonce": "\ud800", "purpose": "verify"}',
        '{"user": "a b", "nonce": "x", "purpose": "verify"}',
        "[" * 8000,
    ],
    ids=range(9),
)
def test_a_wrong_first_message(server, hello):
    with connect(server.url.replace("http", "ws") + "/v1/live") as socket:
        socket.send(hello)
        assert json.loads(socket.recv(timeout=10))["error"] == "FormError"


def test_a_client_that_sends_faster_than_can_be_looked_at_loses_frames_and_never_lags(enrolled, film):
    frames = messages(film("talk", 40)) * 6
    frames = [struct.pack("<d", 100 + number / 25) + frame[8:] for number, frame in enumerate(frames)]
    with Socket(enrolled, "lea") as socket:
        socket.take(frames, patient=False)
        sent = time.perf_counter()
        socket.say("done")
        verdict = socket.until("accepted", "error")
        assert time.perf_counter() - sent < 3
    assert verdict.get("dropped", 1) > 0
    assert 'facemotion_live_frames_total{outcome="dropped"}' in enrolled.call("GET", "/metrics").text
    enrolled.call("POST", "/v1/users/lea/unlock")


def test_a_rejected_session_counts_towards_the_lock(tmp_path, takes, session_environment):
    settings = ServiceSettings(attempts=AttemptSettings(free_failures=1, wait_seconds=600))
    with running(tmp_path / "store.db", settings) as server:
        with Socket(server, "lea") as socket:
            socket.take(takes[0])
            socket.say("done")
            assert socket.hear()["accepted"] is False
        assert server.call("POST", "/v1/users/lea/nonces", json={"purpose": "verify"}).status_code == 429
