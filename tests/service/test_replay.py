"""Recordings that were seen before, stand still or loop; and what is left of them."""

from __future__ import annotations

import io

import av
import numpy as np
import pytest

from facemotion.encoder import resample
from facemotion.media import load_clip
from facemotion.service.guard.replay import Memory, Secret, looped
from facemotion.service.migrate import open_database
from facemotion.service.settings import ReplaySettings
from facemotion.store import open_store
from facemotion.types import FeatureSequence

from .conftest import running


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


def test_what_is_remembered_is_bounded_encrypted_and_forgotten(tmp_path, talk, session_environment):
    import facemotion as fm
    from facemotion.service.guard.recording import record

    verifier = fm.Verifier.load()
    secret = Secret.derive(b"k" * 32)
    recording = record(verifier.frontend, talk[0], secret.frames, keep_pictures=True)
    assert 1 < len(recording.pictures) <= 16
    with open_database(tmp_path / "store.db") as database:
        keys = {"k": b"k" * 32}
        memory = Memory(database, lambda: list(keys.items())[-1], ReplaySettings(remembered=3))
        assert memory.secret == secret
        with database.write() as connection:
            for kind in ("take", "attempt", "attempt", "attempt", "attempt", "attempt"):
                memory.keep(connection, "alice", kind, recording)
        with database.read() as connection:
            rows = connection.exec_driver_sql("SELECT kind, motion FROM facemotion_service_recordings").all()
        assert sorted(kind for kind, _ in rows) == ["attempt"] * 3 + ["take"]
        features = recording.acquisition.features
        random = np.random.default_rng(np.frombuffer(secret.frames, np.uint32))
        directions = random.standard_normal((features.values.shape[1], 32), np.float32) / np.float32(32**0.5)
        course = (resample(features.values, features.times) @ directions).astype("<f2").tobytes()
        assert all(course[:16] not in sealed for _, sealed in rows)
        assert memory.seen("alice", recording)
        assert not memory.seen("bob", recording)
        keys["n"] = b"n" * 32
        assert not memory.seen("alice", recording)  # rotated
        del keys["n"]
        assert memory.seen("alice", recording)
        memory.tidy({"bob"})
        assert not memory.seen("alice", recording)


def test_all_who_serve_one_store_notice_a_rotation(tmp_path, talk, session_environment):
    """What the one remembers then, the other knows; what was remembered before, neither."""
    with running(tmp_path / "store.db") as one, running(tmp_path / "store.db") as two:
        assert outcome(one, "alice", talk[0]) == "unknown user"
        assert outcome(two, "alice", talk[0]) == "replay"
        with open_store(tmp_path / "store.db") as store:
            store.rotate()
        assert outcome(one, "alice", talk[0]) == "unknown user"
        assert outcome(two, "alice", talk[0]) == "replay"
        assert outcome(two, "alice", talk[1]) == "unknown user"
        assert outcome(one, "alice", talk[0]) == "replay"


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
