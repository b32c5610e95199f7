"""Looks at earlier recordings while a live take still runs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from facemotion.config import Settings
from facemotion.errors import StoreError
from facemotion.media import load_clip
from facemotion.service.guard.limits import AnalysisQueue
from facemotion.service.live.foresight import RESTED_SECONDS, TRIES, Foresight
from facemotion.service.replays.memory import NOTHING, Foreseen, Look, RecordingMemory
from facemotion.service.replays.recording import MOST_REST, Recorder
from facemotion.service.settings import LimitSettings
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


@pytest.mark.parametrize(("repeated", "outcome"), [(False, "accepted"), (True, "replay")])
def test_a_verdict_rests_on_what_was_seen_before_the_take_ended(repeated, outcome, server, encode, rested, monkeypatch):
    """A client ends its take some time after the face came to rest; nothing is compared a second time then."""
    user = f"ada-{outcome}"
    takes = [encode(np.stack([frame for frame, _ in rested(seed, 20)])) for seed in (61, 62)]
    enrolled = server.enrol(user, takes)
    assert enrolled.status_code == 201, enrolled.text
    before, plain = [], RecordingMemory.look

    def look(self, user, recording, earlier=NOTHING):
        before.append(earlier)
        return plain(self, user, recording, earlier)

    monkeypatch.setattr(RecordingMemory, "look", look)
    for _ in range(1 + repeated):
        before.clear()
        with Socket(server, user) as socket:
            socket.take([jpeg(frame, 100 + seconds) for frame, seconds in rested(68, 20)])
            socket.say("done")
            accepted = socket.until("accepted")["accepted"]
    assert server.trail(user)[-1]["outcome"] == outcome
    assert accepted == (outcome == "accepted")
    assert before[0] is NOTHING
    assert all(earlier is not NOTHING for earlier in before[1:])
    assert len(before) == (2 if repeated else 3)  # while it ran, for the verdict, and in what settles an accepted one
    server.call("POST", f"/v1/users/{user}/unlock")


def test_a_face_that_moves_again_is_looked_at_anew(looked, rested):
    """Else a replay could hide behind a movement before it."""
    once, twice = rested(70, 15), rested(71, 0)
    recorder = looked(once)
    seen = recorder.finish()
    assert recorder.rest_seconds > RESTED_SECONDS
    assert recorder.only_rested_since(seen)
    for frame, seconds in twice:
        recorder.push(frame, seconds + len(once) / RATE)
    assert not recorder.only_rested_since(seen)


def test_a_look_holds_for_a_short_rest_alone(looked, rested):
    frames = rested(72, 15)
    recorder = looked(frames)
    seen = recorder.finish()
    for number in range(1, round(MOST_REST * RATE) + 3):
        still, _ = frames[-1 - number % 5]
        recorder.push(still, (len(frames) + number - 1) / RATE)
        whole = recorder.finish()
        assert Foreseen(seen, Look(True, frozenset())).of(whole).seen
    assert not recorder.only_rested_since(seen)


def test_another_recording_has_nothing_of_the_look(looked, rested):
    seen, other = (looked(rested(seed, 10)).finish() for seed in (73, 74))
    known = Foreseen(seen, Look(True, frozenset()))
    assert known.of(seen).seen
    assert known.of(other) is NOTHING
    laid_elsewhere = replace(seen, surface=seen.surface + np.float32(0.1))  # over another reference
    assert known.of(laid_elsewhere) is NOTHING


def test_nobody_looks_ahead_before_a_motion_or_on_a_busy_service(looked, rested):
    def never(recording):
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
        return Foreseen(recording, NOTHING)

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
