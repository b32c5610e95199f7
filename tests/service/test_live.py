"""The live socket, over a real connection: guidance while frames arrive, verdict, back-pressure, cut connections."""

from __future__ import annotations

import dataclasses
import io
import json
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from facemotion.config import load_settings
from facemotion.media import load_clip
from facemotion.service.guard.auth import ApiKeys
from facemotion.service.migrate import open_database
from facemotion.service.settings import AttemptSettings, LimitSettings, ServerSettings, ServiceSettings

from .conftest import Server, running


def jpeg(frame: NDArray[np.uint8], seconds: float) -> bytes:
    out = io.BytesIO()
    Image.fromarray(frame).save(out, "JPEG", quality=92)
    return struct.pack("<d", seconds) + out.getvalue()


def messages(clip: bytes) -> list[bytes]:
    loaded = load_clip(clip)
    return [jpeg(frame, 100 + seconds) for frame, seconds in zip(loaded.frames, loaded.times, strict=True)]


class Socket:
    """One live session of a client."""

    def __init__(self, server: Server, user: str, purpose: str = "verify", nonce: str = "", role: str = "verify"):
        nonce = nonce or server.nonce(user, purpose, role)
        self._open = ExitStack()
        self.socket = self._open.enter_context(connect(server.url.replace("http", "ws") + "/v1/live"))
        with suppress(ConnectionClosed):  # a full service closes at once; why is still to be heard
            self.socket.send(json.dumps({"user": user, "nonce": nonce, "purpose": purpose}))

    def take(self, frames: list[bytes], patient: bool = True) -> list[dict]:
        """Send a take; a patient client waits for the answer to each frame."""
        answers = []
        for frame in frames:
            self.socket.send(frame)
            if patient:
                answers.append(self.hear())
        return answers

    def say(self, word: str) -> None:
        self.socket.send(json.dumps({word: True}))

    def hear(self) -> dict:
        return json.loads(self.socket.recv(timeout=20))

    def until(self, *fields: str) -> dict:
        """The first message with one of these fields."""
        while True:
            heard = self.hear()
            if any(field in heard for field in fields):
                return heard

    def __enter__(self) -> Socket:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()


@pytest.fixture(scope="module")
def takes(film: Callable[..., bytes]) -> list[list[bytes]]:
    return [messages(film("talk", seed)) for seed in range(30, 34)]


@pytest.fixture(scope="module")
def enrolled(server: Server, takes: list[list[bytes]]) -> Server:
    with Socket(server, "lea", "enrol", role="enrol") as socket:
        assert socket.hear() == {"min_takes": 2, "max_takes": 5}
        for number in range(3):
            answers = socket.take(takes[number])
            assert {"guidance", "message", "box", "resting", "frames", "dropped", "turned", "min_rate"} == set(
                answers[-1]
            )
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


@contextmanager
def visitor(server: Server, **more: Any) -> Iterator[ClientConnection]:
    with connect(server.url.replace("http", "ws") + "/v1/live", **more) as socket:
        socket.send(json.dumps({"purpose": "try"}))
        yield socket


def compare(server: Server, first: list[bytes], second: list[bytes]) -> dict:
    """What a visitor is told of two takes."""
    with visitor(server) as socket:
        for number, take in enumerate((first, second)):
            for frame in take:
                socket.send(frame)
                assert "guidance" in json.loads(socket.recv(timeout=20))
            socket.send(json.dumps({"done": True}))
            answer = json.loads(socket.recv(timeout=20))
            if number == 0:
                assert answer == {"takes": 1, "dropped": 0}
    return answer


@pytest.mark.parametrize("same", [True, False])
def test_a_visitor_learns_whether_two_takes_match_and_where_they_differ(server, takes, brow, same):
    comparison = compare(server, takes[0], takes[1] if same else messages(brow[0]))
    assert comparison["match"] is same
    assert comparison["match"] == (comparison["score"] >= comparison["threshold"])
    first, second = comparison["curves"]
    assert max(first + second) == 1
    ends = [(len(first) - 1) / 25, (len(second) - 1) / 25]
    assert [comparison["pairs"][0][:2], comparison["pairs"][-1][:2]] == [[0, 0], ends]
    assert all(0 <= apart <= 1 for _, _, apart in comparison["pairs"])


def test_a_visitor_leaves_no_trace(server, takes):
    before = server.call("GET", "/v1/audit?limit=1000").json()["entries"]
    compare(server, takes[2], takes[3])
    assert server.call("GET", "/v1/audit?limit=1000").json()["entries"] == before


@pytest.mark.parametrize(
    ("allowed", "origin", "error"),
    [
        ("off", None, "RightsError"),
        ("this-machine", "https://evil.example", "RightsError"),
        ("anyone", "https://evil.example", "RightsError"),
    ],
)
def test_visitors_who_may_not(tmp_path, session_environment, allowed, origin, error):
    settings = ServiceSettings(server=ServerSettings(try_it=allowed))
    with running(tmp_path / "store.db", settings) as server, visitor(server, origin=origin) as socket:
        assert json.loads(socket.recv(timeout=20))["error"] == error


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


def wait_for_failures(server: Server, user: str, count: int) -> None:
    """An attempt is charged when it begins, and forgiven a moment after it was cut off."""
    deadline = time.monotonic() + 10
    while server.call("GET", f"/v1/users/{user}").json()["failures"] != count:
        assert time.monotonic() < deadline
        time.sleep(0.05)


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
        "[" * 100_000,
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


def test_sessions_are_bounded(tmp_path, takes, session_environment):
    settings = ServiceSettings(limits=LimitSettings(live_sessions=1))
    with running(tmp_path / "store.db", settings) as server, Socket(server, "lea") as first:
        first.take(takes[0][:2])
        with Socket(server, "other") as second:
            assert second.hear()["error"] == "BusyError"


def test_visitors_hold_no_more_than_half_of_the_places(tmp_path, takes, session_environment):
    settings = ServiceSettings(limits=LimitSettings(live_sessions=2))
    with running(tmp_path / "store.db", settings) as server, visitor(server) as first:
        first.send(takes[0][0])
        assert "guidance" in json.loads(first.recv(timeout=20))
        with visitor(server) as second:
            assert json.loads(second.recv(timeout=20))["error"] == "BusyError"
        with Socket(server, "lea") as socket:
            assert "guidance" in socket.take(takes[0][:1])[0]


def test_sessions_of_one_key_make_room_for_another(tmp_path, takes, session_environment):
    settings = ServiceSettings(limits=LimitSettings(live_sessions=2))
    with running(tmp_path / "store.db", settings) as server, ExitStack() as stack:
        much = [stack.enter_context(Socket(server, f"user{n}", role="verify")) for n in range(2)]
        for socket in much:
            socket.take(takes[0][:1])
        with Socket(server, "lea", role="enrol") as other:
            assert "guidance" in other.take(takes[0][:1])[0]
            assert much[0].hear()["error"] == "BusyError"
        wait_for_failures(server, "user0", 0)  # who was turned out is charged nothing


def test_a_full_house_leaves_the_nonce_good(tmp_path, takes, session_environment):
    settings = ServiceSettings(limits=LimitSettings(live_sessions=1))
    with running(tmp_path / "store.db", settings) as server:
        nonce = server.nonce("lea")
        with Socket(server, "mia", role="admin") as socket:
            socket.take(takes[0][:1])
            with Socket(server, "lea", nonce=nonce) as late:
                assert late.hear()["error"] == "BusyError"
        wait_for_failures(server, "mia", 0)
        with Socket(server, "lea", nonce=nonce) as again:
            assert "guidance" in again.take(takes[0][:1])[0]


def test_a_rejected_session_counts_towards_the_lock(tmp_path, takes, session_environment):
    settings = ServiceSettings(attempts=AttemptSettings(free_failures=1, wait_seconds=600))
    with running(tmp_path / "store.db", settings) as server:
        with Socket(server, "lea") as socket:
            socket.take(takes[0])
            socket.say("done")
            assert socket.hear()["accepted"] is False
        assert server.call("POST", "/v1/users/lea/nonces", json={"purpose": "verify"}).status_code == 429


def test_a_flood_of_words_holds_nobody_else_up(server):
    with Socket(server, "lea") as socket:
        for _ in range(3000):
            socket.say("go")
        begin = time.perf_counter()
        assert server.call("GET", "/health", "").status_code == 200
        assert time.perf_counter() - begin < 1.5
        socket.say("done")
        assert socket.until("error")["error"] == "NoFaceError"


def test_who_says_nothing_keeps_nobody_out(tmp_path, session_environment):
    settings = ServiceSettings(limits=LimitSettings(live_sessions=1))
    address = "/v1/live"
    with running(tmp_path / "store.db", settings) as server:
        address = server.url.replace("http", "ws") + address
        with connect(address), connect(address), Socket(server, "lea") as socket:
            socket.say("done")
            assert socket.hear()["error"] == "NoFaceError"
