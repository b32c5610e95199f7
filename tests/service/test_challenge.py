"""A step that is asked for after the motion, over a real live session."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from facemotion.presentation.steps import Step
from facemotion.service.live import session
from facemotion.service.settings import ChallengeSettings, ServiceSettings

from .conftest import Server, running
from .live_client import Socket, jpeg, messages


@pytest.fixture(scope="module")
def asking(tmp_path_factory, session_environment, talk) -> Iterator[Server]:
    settings = ServiceSettings(challenge=ChallengeSettings(when="after"))
    with running(tmp_path_factory.mktemp("asking") / "store.db", settings) as server:
        assert server.enrol("mia", talk[:2]).status_code == 201
        yield server


@pytest.fixture(scope="module")
def gaping(talking) -> list[bytes]:
    """The drawing opens its mouth wide and closes it again, after the motion."""
    return [jpeg(frame, 101.5 + number / 15) for number, frame in enumerate(talking(14, 28, 228))]


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


def test_a_clip_that_was_made_before_can_not_hold_a_step(asking, talk):
    answer = asking.verify("mia", talk[4])
    assert answer.status_code == 422
    assert answer.json()["error"] == "ChallengeError"
