"""A step that is asked for after the motion, over a real live session."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed

from facemotion.errors import SettingsError
from facemotion.presentation.steps import Step
from facemotion.service.live import session
from facemotion.service.metrics import Metrics
from facemotion.service.operations import Operations
from facemotion.service.replays.comparison import Comparison
from facemotion.service.replays.memory import RecordingMemory, is_doubtful
from facemotion.service.settings import ChallengeSettings, ReplaySettings, ServiceSettings
from facemotion.verifier import Verifier

from .conftest import Server, running
from .live_client import Socket, jpeg, messages


@pytest.fixture(scope="module")
def asking(tmp_path_factory, session_environment, talk) -> Iterator[Server]:
    settings = ServiceSettings(challenge=ChallengeSettings(when="after"))
    with running(tmp_path_factory.mktemp("asking") / "store.db", settings) as server:
        assert server.enrol("mia", talk[:2]).status_code == 201
        yield server


@pytest.fixture(scope="module")
def doubting(tmp_path_factory, session_environment, talk) -> Iterator[Server]:
    """To it everything is much like an earlier recording, as takes of a drawn head are."""
    with running(tmp_path_factory.mktemp("doubting") / "store.db", doubt=1.0) as server:
        assert server.enrol("mia", talk[:2]).status_code == 201
        yield server


def after_the_motion(frames) -> list[bytes]:
    return [jpeg(frame, 101.5 + number / 15) for number, frame in enumerate(frames)]


@pytest.fixture(scope="module")
def gaping(talking) -> list[bytes]:
    """The drawing opens its mouth wide and closes it again, after the motion."""
    return after_the_motion(talking(14, 28, 228))


def attempt(server: Server, clip: bytes, step: list[bytes]) -> tuple[dict, bool]:
    """What is asked for after a motion, and the verdict on what is shown then."""
    with Socket(server, "mia") as socket:
        socket.take(messages(clip))
        socket.say("done")
        asked = socket.until("challenge", "error", "accepted")
        socket.take(step)
        socket.say("done")
        return asked, socket.until("accepted")["accepted"]


def test_a_step_that_is_shown_lets_in_and_one_that_is_not_does_not(asking, talk, gaping, monkeypatch):
    monkeypatch.setattr(session.secrets, "choice", lambda steps: Step.MOUTH)
    asked, accepted = attempt(asking, talk[2], gaping)
    assert asked == {"challenge": "open-mouth", "message": "Open your mouth wide.", "seconds": 5.0}
    assert accepted
    monkeypatch.setattr(session.secrets, "choice", lambda steps: Step.LEFT)
    _, accepted = attempt(asking, talk[3], gaping)
    assert not accepted
    assert asking.trail("mia")[-1]["outcome"] == "step missed"


@pytest.mark.parametrize(("step", "outcome"), [(Step.MOUTH, "accepted"), (Step.UP, "step missed")])
def test_who_is_much_like_an_earlier_recording_is_asked_for_a_step(step, outcome, doubting, talk, gaping, monkeypatch):
    monkeypatch.setattr(session.secrets, "choice", lambda steps: step)
    clip = talk[2 if step is Step.MOUTH else 5]
    asked, accepted = attempt(doubting, clip, gaping)
    assert asked["challenge"] == step.value
    assert accepted == (outcome == "accepted")
    assert doubting.trail("mia")[-1]["outcome"] == outcome


def test_a_clip_in_doubt_is_refused_and_counts_as_a_failure(doubting, talk):
    before = doubting.call("GET", "/v1/users/mia").json()["failures"]
    answer = doubting.verify("mia", talk[4])
    assert (answer.status_code, answer.json()["error"]) == (422, "ChallengeError")
    assert "much like an earlier one: record a new one" in answer.json()["message"]
    assert doubting.trail("mia")[-1]["outcome"] == "in doubt"
    assert doubting.call("GET", "/v1/users/mia").json()["failures"] == before + 1
    doubting.call("POST", "/v1/users/mia/unlock")


def test_who_would_not_be_accepted_learns_nothing_from_a_step(doubting, brow, talk):
    """Else it would tell whether somebody of that name is enrolled."""
    for user, clip, outcome in (("mia", brow[0], "rejected"), ("nobody", talk[4], "unknown user")):
        with Socket(doubting, user) as socket:
            socket.take(messages(clip))
            socket.say("done")
            assert "challenge" not in socket.until("challenge", "accepted")
        assert doubting.trail(user)[-1]["outcome"] == outcome


@pytest.mark.parametrize("where", ["whole", "warped"])
def test_doubt_begins_a_little_below_the_thresholds_of_the_look(where):
    settings = ReplaySettings()
    threshold = {"whole": settings.surface_likeness, "warped": settings.surface_warped_likeness}[where]
    for value, doubtful in ((threshold - settings.doubt, True), (threshold - settings.doubt - 0.01, False)):
        look = replace(Comparison.nothing(), **{where: np.array([0.1, value])})
        assert is_doubtful(look, settings) is doubtful
    assert not is_doubtful(Comparison.nothing(), settings)


def test_who_gets_up_after_a_step_has_shown_it(asking, talk, talking, monkeypatch):
    """The times of frames in which the border cuts the face were counted, their landmarks not: a fault of ours."""
    monkeypatch.setattr(session.secrets, "choice", lambda steps: Step.MOUTH)
    frames = talking(14, 28, 228)
    tall = np.pad(frames[-1], ((0, 240), (0, 0), (0, 0)))
    leaving = [np.roll(tall, down, axis=0)[:240] for down in range(60, 120, 6)]
    _, accepted = attempt(asking, talk[5], after_the_motion([*frames, *leaving]))
    assert accepted


@pytest.mark.parametrize("how", ["leaves", "sends nonsense"])
def test_who_breaks_off_once_the_step_is_told_has_missed_it(how, asking, talk):
    """Else a recording would be shown again and again, at no cost, until the step is one that goes on it."""
    before, known = asking.call("GET", "/v1/users/mia").json()["failures"], len(asking.trail("mia"))
    with Socket(asking, "mia") as socket:
        socket.take(messages(talk[4])[:3])
        socket.say("done")
        asked = socket.until("challenge")
        if how == "sends nonsense":
            socket.say("nonsense")
            assert socket.until("error")["error"] == "FormError"
    until = time.monotonic() + 20
    while len(rows := asking.trail("mia")) == known and time.monotonic() < until:
        time.sleep(0.02)
    row = rows[-1]
    assert row["outcome"] == "step missed"
    assert json.loads(row["detail"])["missed"] == asked["challenge"]
    assert asking.call("GET", "/v1/users/mia").json()["failures"] == before + 1
    asking.call("POST", "/v1/users/mia/unlock")


@pytest.mark.parametrize("where", ["_look_at", "step_is_shown"])
def test_a_fault_of_our_own_before_or_after_the_step_is_no_failure(where, asking, talk, gaping, monkeypatch):
    def broken(*_):
        raise IndexError("a bug")

    monkeypatch.setattr(session, where, broken)
    before = asking.call("GET", "/v1/users/mia").json()["failures"]
    with Socket(asking, "mia") as socket, suppress(ConnectionClosed):
        socket.take(messages(talk[4])[:3], patient=where == "step_is_shown")
        socket.say("done")
        socket.take(gaping[:3])
        socket.say("done")
        assert socket.until("error")["error"] == "ServerFaultError"
    assert asking.deeds("mia")[-1] == "verify: ServerFaultError"
    assert asking.call("GET", "/v1/users/mia").json()["failures"] == before


def test_a_service_whose_extractor_does_not_tell_steps_does_not_start(served):
    store, verifier = served
    used = replace(verifier.settings, verifier=replace(verifier.settings.verifier, extractor="sfe-e"))
    other = Verifier(verifier.frontend, verifier.encoder, verifier.operating_points, used)
    settings = ServiceSettings(challenge=ChallengeSettings(when="after"))
    memory = RecordingMemory(store.database, store.transform_secret, settings.replay)
    with pytest.raises(SettingsError, match=r"landmarks of face-mesh, and the extractor is sfe-e; set when"):
        Operations(other, store, memory, settings, Metrics(None))


def test_a_clip_that_was_made_before_can_not_hold_a_step(asking, talk):
    answer = asking.verify("mia", talk[4])
    assert answer.status_code == 422
    assert answer.json()["error"] == "ChallengeError"
