"""Recordings that were seen before, stand still or loop; and what is left of them."""

from __future__ import annotations

import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import av
import numpy as np
import pytest

import facemotion as fm
from facemotion.media import load_clip
from facemotion.service.metrics import Metrics
from facemotion.service.migrate import open_database
from facemotion.service.replays.courses import Secret
from facemotion.service.replays.memory import RecordingMemory
from facemotion.service.replays.recording import PRESENTATION_ATTACK, LiveCheck, Recording, looped, record
from facemotion.service.settings import ReplaySettings
from facemotion.signals import resample
from facemotion.store import open_store
from facemotion.store.database import Database
from facemotion.types import FeatureSequence

from .conftest import form, running


@pytest.fixture(scope="module")
def enrolled(server, talk):
    assert server.enrol("rita", talk[:2]).status_code == 201
    return server


def outcome(server, user: str, clip: bytes) -> str:
    answer = server.verify(user, clip)
    assert answer.status_code == 200, answer.text
    assert answer.json()["accepted"] == (answer.json()["evidence"]["outcome"] == "accepted")
    server.call("POST", f"/v1/users/{user}/unlock")
    return answer.json()["evidence"]["outcome"]


def remuxed(clip: bytes) -> bytes:
    """The same pictures in another container."""
    out = io.BytesIO()
    with av.open(io.BytesIO(clip)) as source, av.open(out, "w", format="matroska") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(source.streams.video[0]):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    return out.getvalue()


def test_a_take_or_an_attempt_shown_again_is_refused(enrolled, talk, encode):
    assert outcome(enrolled, "rita", talk[0]) == "replay"  # an enrolment take
    assert outcome(enrolled, "rita", remuxed(talk[1])) == "replay"
    assert outcome(enrolled, "rita", talk[2]) == "accepted"
    assert outcome(enrolled, "rita", talk[2]) == "replay"  # an earlier attempt
    assert outcome(enrolled, "rita", talk[2] + b"\0" * 10) == "replay"
    frames = load_clip(talk[2]).frames
    assert outcome(enrolled, "rita", encode(frames)) == "replay"  # encoded anew: by its motion
    assert outcome(enrolled, "rita", talk[3]) == "accepted"  # another take is not


def test_enrolling_again_takes_no_recording_that_was_seen_and_forgets_none(server, film):
    """Old attempts and old takes passed once the user had enrolled anew, as everybody does when the encoder changes."""
    old, new = [film("talk", seed) for seed in (50, 51, 52)], [film("talk", seed) for seed in (53, 54, 55)]
    assert server.enrol("toni", old[:2]).status_code == 201
    assert outcome(server, "toni", old[2]) == "accepted"
    for seen in (old[2], old[0]):  # an attempt's recording, and a take of the enrolment before
        refused = server.enrol("toni", [new[0], seen], "PUT")
        assert refused.status_code == 422
        assert refused.json()["message"] == "Take 2 isn't a live recording (replay); record it again."
    assert server.enrol("toni", new[:2], "PUT").status_code == 200
    assert [outcome(server, "toni", clip) for clip in old] == ["replay"] * 3
    assert outcome(server, "toni", new[2]) == "accepted"


def test_one_recording_at_once_is_accepted_once(server, film):
    """Four nonces and four requests at a time; each looked before any of the others was remembered."""
    assert server.enrol("vera", [film("talk", seed) for seed in (56, 57)]).status_code == 201
    clip = film("talk", 58)
    nonces = [server.nonce("vera") for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda nonce: server.verify("vera", clip, nonce=nonce), nonces))
    outcomes = sorted(answer.json()["evidence"]["outcome"] for answer in answers)
    assert outcomes == ["accepted", "replay", "replay", "replay"]
    assert server.call("GET", "/v1/users/vera").json()["failures"] <= 3


def test_takes_sent_twice_at_once_enrol_once_again(server, film):
    """Both requests looked before the takes of the other were remembered."""
    assert server.enrol("wim", [film("talk", seed) for seed in (56, 57)]).status_code == 201
    again, nonces = [film("talk", seed) for seed in (53, 54)], [server.nonce("wim", "enrol-again") for _ in range(2)]
    path = "/v1/users/wim/enrolment"
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda nonce: server.call("PUT", path, **form(nonce, takes=again)), nonces))
    assert sorted(answer.status_code for answer in answers) == [200, 422]


def test_of_a_name_that_nobody_has_no_recording_is_kept(server, talk):
    for _ in range(2):
        assert outcome(server, "nobody-at-all", talk[4]) == "unknown user"


def test_a_replay_looks_like_any_failure_to_others(enrolled, talk, brow):
    assert enrolled.verify("rita", talk[0], "verify").json() == enrolled.verify("rita", brow[0], "verify").json()
    assert enrolled.call("GET", "/v1/users/rita").json()["failures"] == 2
    enrolled.call("POST", "/v1/users/rita/unlock")


def test_the_same_take_twice_is_no_enrolment(server, talk):
    refused = server.enrol("sue", [talk[0], talk[1], talk[0]])
    assert refused.status_code == 422
    assert "Take 3 is the same recording as take 1" in refused.json()["message"]


def test_a_frozen_and_a_looped_video_are_refused(enrolled, film, encode):
    frames = load_clip(film("talk", 20)).frames
    stuck = np.concatenate([frames[:10], np.repeat(frames[10:11], 26, axis=0)])
    assert outcome(enrolled, "rita", encode(stuck, codec="ffv1", container="matroska")) == "frozen"
    assert outcome(enrolled, "rita", encode(np.concatenate([frames, frames, frames]))) == "loop"


def test_repeating_a_motion_is_no_loop():
    """A person who repeats a motion keeps neither its pace nor its size to a few percent."""
    random = np.random.default_rng(0)
    times = np.arange(75) / 25
    for period in (0.6, 0.8, 1.0):
        shape = random.normal(size=(3, 90))
        phase = 2 * np.pi * times / period
        exact = sum(np.sin((k + 1) * phase)[:, None] * shape[k] / (k + 1) for k in range(3))
        assert looped(FeatureSequence(exact.astype(np.float32), times, "f"), ReplaySettings())
        pace = phase + np.cumsum(random.normal(scale=0.12, size=75))
        size = np.repeat(random.normal(1, 0.1, 15), 5)[:, None]
        person = size * sum(np.sin((k + 1) * pace)[:, None] * shape[k] / (k + 1) for k in range(3))
        assert not looped(FeatureSequence(person.astype(np.float32), times, "f"), ReplaySettings())


SECRET = Secret.derive(b"k" * 32)


@pytest.fixture(scope="module")
def recording(talk, session_environment) -> Recording:
    """One take as the service keeps it, with pictures for a detector."""
    return record(fm.Verifier.load().frontend, talk[0], SECRET.digest_key, keep_pictures=True, max_wall_seconds=60)


@pytest.fixture
def remembered(tmp_path, recording) -> Iterator[tuple[RecordingMemory, Database, dict[str, bytes]]]:
    """The memory of three attempts, in which the take and five attempts of alice were put; its database and keys."""
    with open_database(tmp_path / "store.db") as database:
        keys = {"k": b"k" * 32}
        memory = RecordingMemory(database, lambda: list(keys.items())[-1], ReplaySettings(remembered=3))
        with database.write() as connection:
            for kind in ("take", *["attempt"] * 5, "accepted"):
                memory.keep(connection, "alice", kind, recording)
        yield memory, database, keys


def test_few_pictures_are_held_for_a_detector(recording):
    assert 1 < len(recording.pictures) <= 16


def test_what_looks_like_a_screen_is_counted_whether_or_not_it_is_refused(recording):
    quality = replace(recording.acquisition.quality, suspicion="There are fine stripes over the face.")
    suspected = replace(recording, acquisition=replace(recording.acquisition, quality=quality))
    metrics = Metrics()
    for refuse, outcome in ((False, ""), (True, PRESENTATION_ATTACK)):
        check = LiveCheck(ReplaySettings(), refuse, None, metrics)
        assert [check.attack(one) for one in (recording, suspected)] == ["", outcome]
        for one in (recording, suspected):
            check.count(one)
    assert "\nfacemotion_suspicions_total 2\n" in metrics.text({})


def test_takes_and_the_last_attempts_of_each_kind_are_remembered(remembered):
    _, database, _ = remembered
    with database.read() as connection:
        kinds = connection.exec_driver_sql("SELECT kind FROM facemotion_service_recordings").scalars().all()
    assert sorted(kinds) == ["accepted"] + ["attempt"] * 3 + ["take"]


def test_no_course_of_a_motion_can_be_read_in_the_database(remembered, recording):
    memory, database, _ = remembered
    assert memory.secret == SECRET
    features = recording.acquisition.features
    random = np.random.default_rng(np.frombuffer(SECRET.digest_key, np.uint32))
    directions = random.standard_normal((features.values.shape[1], 32), np.float32) / np.float32(32**0.5)
    course = (resample(features.values, features.times) @ directions).astype("<f2").tobytes()
    with database.read() as connection:
        sealed = connection.exec_driver_sql("SELECT motion FROM facemotion_service_recordings").scalars().all()
    assert all(course[:16] not in row for row in sealed)


def test_a_recording_is_known_of_its_user_alone(remembered, recording):
    memory, _, _ = remembered
    assert memory.look("alice", recording).seen
    assert not memory.look("bob", recording).seen


def test_a_rotation_makes_earlier_recordings_unknown(remembered, recording):
    memory, _, keys = remembered
    keys["n"] = b"n" * 32
    assert not memory.look("alice", recording).seen
    del keys["n"]
    assert memory.look("alice", recording).seen


def test_recordings_of_users_who_are_gone_are_forgotten(remembered, recording):
    memory, _, _ = remembered
    memory.tidy({"bob"})
    assert not memory.look("alice", recording).seen


def test_all_who_serve_one_store_notice_a_rotation(tmp_path, talk, session_environment):
    """What the one remembers then, the other knows; what was remembered before, neither."""
    with running(tmp_path / "store.db") as one, running(tmp_path / "store.db") as two:
        assert one.enrol("alice", talk[2:4]).status_code == 201
        assert outcome(one, "alice", talk[0]) == "accepted"
        assert outcome(two, "alice", talk[0]) == "replay"
        with open_store(tmp_path / "store.db") as store:
            store.rotate()
        assert outcome(one, "alice", talk[0]) == "accepted"
        assert outcome(two, "alice", talk[0]) == "replay"
        assert outcome(two, "alice", talk[1]) == "accepted"
        assert outcome(one, "alice", talk[1]) == "replay"


def test_a_detector_of_attacks_is_asked_and_heeded(tmp_path, talk, session_environment):
    class Detector:
        asked = 0

        def is_attack(self, pictures, features):
            assert 1 <= len(pictures) <= 16
            assert pictures[0].dtype == np.uint8
            assert features.values.shape[0] >= len(pictures)
            Detector.asked += 1
            return Detector.asked == 3

    with running(tmp_path / "store.db", detector=Detector()) as server:
        assert server.enrol("alice", talk[:2]).status_code == 201
        assert outcome(server, "alice", talk[2]) == "presentation attack"
        assert outcome(server, "alice", talk[3]) == "accepted"
