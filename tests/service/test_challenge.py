"""A step that is asked for after the motion, over a real live session."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image, ImageDraw

from facemotion.presentation.steps import Step
from facemotion.service.live import session
from facemotion.service.settings import ChallengeSettings, ServiceSettings

from .conftest import Server, running
from .test_live import Socket, jpeg, messages


@pytest.fixture(scope="module")
def asking(tmp_path_factory, session_environment, talk) -> Iterator[Server]:
    settings = ServiceSettings(challenge=ChallengeSettings(when="after"))
    with running(tmp_path_factory.mktemp("asking") / "store.db", settings) as server:
        assert server.enrol("mia", talk[:2]).status_code == 201
        yield server


def gaping(drawn_face: np.ndarray, begin: float) -> list[bytes]:
    """The drawing opens its mouth wide and closes it again."""
    frames = []
    for number in range(14):
        image = Image.fromarray(drawn_face)
        gape = 28 * np.sin(np.pi * number / 13)
        ImageDraw.Draw(image).ellipse((108, 162 - gape / 3, 148, 166 + gape), fill=(60, 15, 20))
        canvas = Image.new("RGB", (320, 240), (90, 120, 150))
        canvas.paste(image.resize((228, 228)), (46, 6))
        frames.append(jpeg(np.asarray(canvas), begin + number / 15))
    return frames


def attempt(server: Server, clip: bytes, step: list[bytes]) -> tuple[dict, bool]:
    """What is asked for after a motion, and the verdict on what is shown then."""
    with Socket(server, "mia") as socket:
        socket.take(messages(clip))
        socket.say("done")
        asked = socket.until("challenge", "error", "accepted")
        socket.take(step)
        socket.say("done")
        return asked, socket.until("accepted")["accepted"]


def test_a_step_that_is_shown_lets_in_and_one_that_is_not_does_not(asking, talk, drawn_face, monkeypatch):
    monkeypatch.setattr(session.secrets, "choice", lambda steps: Step.MOUTH)
    asked, accepted = attempt(asking, talk[2], gaping(drawn_face, 101.5))
    assert asked == {"challenge": "open-mouth", "message": "Open your mouth wide.", "seconds": 5.0}
    assert accepted
    monkeypatch.setattr(session.secrets, "choice", lambda steps: Step.LEFT)
    _, accepted = attempt(asking, talk[3], gaping(drawn_face, 101.5))
    assert not accepted
    assert asking.trail("mia")[-1]["outcome"] == "step missed"


def test_a_clip_that_was_made_before_can_not_hold_a_step(asking, talk):
    answer = asking.verify("mia", talk[4])
    assert answer.status_code == 422
    assert answer.json()["error"] == "ChallengeError"
