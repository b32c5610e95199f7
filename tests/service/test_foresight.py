"""Looks at earlier recordings while a live take still runs."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest

from facemotion.config import Settings
from facemotion.errors import StoreError
from facemotion.media import load_clip
from facemotion.service.guard.limits import AnalysisQueue
from facemotion.service.live.foresight import RESTED_SECONDS, TRIES, Foresight
from facemotion.service.replays.memory import NOTHING
from facemotion.service.replays.recording import MOST_REST, Recorder, Recording
from facemotion.service.settings import LimitSettings
from facemotion.service.verification import Foreseen, Verification
from facemotion.verifier import Verifier

from .live_client import Socket, jpeg

RATE = 25


@pytest.fixture(scope="module")
def rested(film) -> Callable[[int, int], list]:
    """rested(seed, count) -> frames of a take of "talk" between some and `count` frames of rest, with their seconds."""

    def make(seed: int, count: int) -> list:
        frames = load_clip(film("talk", seed)).frames
        random = np.random.default_rng(seed)

        def still(like: np.ndarray, frames: int) -> list[np.ndarray]:
            noise = random.normal(0, 3, (frames, *like.shape[:2], 1))
            return [np.clip(like + one, 0, 255).astype(np.uint8) for one in noise]

        shown = [*still(frames[0], 6), *frames, *still(frames[-1], count)]
        return [(frame, number / RATE) for number, frame in enumerate(shown)]

    return make


@pytest.fixture(scope="module")
def looked(session_environment) -> Callable[[list], Recorder]:
    frontend = Verifier.load(Settings()).frontend

    def look(frames: list) -> Recorder:
        recorder = Recorder(frontend, b"k" * 32, keep_pictures=False)
        for frame, seconds in frames:
            recorder.push(frame, seconds)
        return recorder

    return look


@pytest.fixture
def judged(monkeypatch) -> list[int]:
    """Numbers of frames of what was judged, so far."""
    judged, plain = [], Verification.foresee

    def foresee(self, user, recording):
        judged.append(len(recording.frame_digests))
        return plain(self, user, recording)

    monkeypatch.setattr(Verification, "foresee", foresee)
    return judged


def enrol(server, encode, rested, user: str) -> None:
    takes = [encode(np.stack([frame for frame, _ in rested(seed, 12)])) for seed in (61, 66)]
    enrolled = server.enrol(user, takes)
    assert enrolled.status_code == 201, enrolled.text


def attempt(server, user: str, rested, judged: list[int], before_the_end: Callable[[], object] = bool) -> bool:
    """A take that ends some time after the face came to rest."""
    with Socket(server, user) as socket:
        socket.take([jpeg(frame, 100 + seconds) for frame, seconds in rested(68, 20)])
        until = time.monotonic() + 10
        while not judged:
            assert time.monotonic() < until
            time.sleep(0.02)
        before_the_end()
        socket.say("done")
        return socket.until("accepted")["accepted"]


@pytest.mark.parametrize(("repeated", "outcome"), [(False, "accepted"), (True, "replay")])
def test_a_take_is_judged_once_and_before_it_ends(repeated, outcome, server, encode, rested, judged):
    user = f"ada-{outcome}"
    enrol(server, encode, rested, user)
    for _ in range(1 + repeated):
        judged.clear()
        accepted = attempt(server, user, rested, judged)
        assert len(judged) == 1
        assert 20 < judged[0] < len(rested(68, 20))
    row = server.trail(user)[-1]
    assert row["outcome"] == outcome
    assert accepted == (outcome == "accepted")
    assert json.loads(row["detail"])["quality"]["frames"] == judged[0]
    server.call("POST", f"/v1/users/{user}/unlock")


def test_who_is_deleted_after_the_look_is_not_let_in(server, encode, rested, judged):
    enrol(server, encode, rested, "bea")
    gone = partial(server.call, "DELETE", "/v1/users/bea")
    assert attempt(server, "bea", rested, judged, gone) is False
    assert server.trail("bea")[-1]["outcome"] == "unknown user"
    assert len(judged) == 2


def test_a_face_that_moves_again_is_looked_at_anew(looked, rested):
    """Else half a motion would be compared."""
    once, twice = rested(70, 15), rested(71, 0)
    recorder = looked(once)
    seen = recorder.finish()
    assert recorder.rest_seconds > RESTED_SECONDS
    assert recorder.only_rested_since(seen)
    for frame, seconds in twice:
        recorder.push(frame, seconds + len(once) / RATE)
    assert not recorder.only_rested_since(seen)


def test_a_short_rest_alone_may_be_left_out(looked, rested):
    frames = rested(72, 15)
    recorder = looked(frames)
    seen = recorder.finish()
    for number in range(round(MOST_REST * RATE)):
        still, _ = frames[-1 - number % 5]
        recorder.push(still, (len(frames) + number) / RATE)
        assert recorder.only_rested_since(seen)
    recorder.push(still, (len(frames) + number + 1) / RATE)
    assert not recorder.only_rested_since(seen)


def test_nobody_looks_ahead_before_a_motion_or_on_a_busy_service(looked, rested):
    def never(recording: Recording) -> Foreseen:
        raise AssertionError("looked")

    async def consider(concurrency: int, frames: list, busy: bool = False) -> Foreseen | None:
        analysis = AnalysisQueue(LimitSettings(concurrency=concurrency))
        foresight, recorder = Foresight(analysis, never), looked(frames)
        work = asyncio.create_task(analysis.run_at_once(partial(time.sleep, 0.3 * busy)))
        await asyncio.sleep(0.05)
        await foresight.consider(recorder)
        await work
        return await foresight.foreseen(recorder)

    frames = rested(75, 15)
    assert asyncio.run(consider(2, frames[:14])) is None  # it moves
    assert asyncio.run(consider(1, frames)) is None  # its frames would wait
    assert asyncio.run(consider(2, frames, busy=True)) is None


def test_a_look_that_fails_leaves_it_to_the_verdict(looked, rested):
    calls = []

    def failing(recording):
        calls.append(recording)
        raise StoreError("no disk")

    async def consider() -> Foreseen | None:
        foresight, recorder = Foresight(AnalysisQueue(LimitSettings()), failing), looked(rested(76, 15))
        await foresight.consider(recorder)
        return await foresight.foreseen(recorder)

    assert asyncio.run(consider()) is None
    assert len(calls) == 1


def test_a_motion_that_pauses_often_is_looked_at_a_few_times(looked, rested):
    calls = []

    def foresee(recording):
        calls.append(recording)
        return Foreseen(recording, NOTHING, "", "rejected", None, None, "")

    async def consider() -> None:
        foresight = Foresight(AnalysisQueue(LimitSettings()), foresee)
        recorder, begin = looked([]), 0.0
        for round_ in range(TRIES + 2):
            for frame, seconds in rested(80 + round_, 12):
                recorder.push(frame, begin + seconds)
                await foresight.consider(recorder)
            begin += len(rested(80 + round_, 12)) / RATE
        found = await foresight.foreseen(recorder)
        assert found is None  # the last look is of before the last motions

    asyncio.run(consider())
    assert 0 < len(calls) <= TRIES
