"""What was seen of a clip, shown again with frames held or left out, is what a camera would have seen."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from facemotion.config import QualitySettings, Settings
from facemotion.errors import (
    NoFaceError,
    NoMotionError,
    RigidMotionError,
    SeveralFacesError,
    TooFewFramesError,
    TooShortError,
)
from facemotion.frontend import Acquirer, Frontend
from facemotion.frontend.sighting import Sighting, check_take, face_features, moves_now
from facemotion.media import load_clip

SAMPLE = Path(__file__).parents[1] / "src" / "facemotion" / "samples" / "anna-wink-pout-1.mp4"


@pytest.fixture(scope="module")
def frontend() -> Frontend:
    return Frontend.load(Settings())


@pytest.fixture(scope="module")
def clip():
    """The first second of a take."""
    whole = load_clip(SAMPLE)
    return replace(whole, frames=whole.frames[:26].copy(), times=whole.times[:26].copy())


def watch(frontend: Frontend, frames, times) -> Acquirer:
    acquirer = Acquirer(frontend)
    for frame, seconds in zip(frames, times, strict=True):
        acquirer.push(frame, seconds)
    return acquirer


@pytest.fixture(scope="module")
def sighting(frontend, clip) -> Sighting:
    return watch(frontend, clip.frames, clip.times).sighting()


@pytest.mark.parametrize(
    "frames",
    [np.r_[[0] * 6, 0:26, [25] * 6], np.array([0, 2, 5, 7, 9, 12, 15, 17, 20, 22, 25])],
    ids=["held", "left out"],
)
def test_frames_that_are_held_or_left_out_give_what_a_camera_would_have_shown(frontend, clip, sighting, frames):
    times = np.arange(len(frames)) / 12
    filmed = watch(frontend, clip.frames[frames], times)
    shown = sighting.select(frames, times)
    for name in ("times", "found", "rivals", "small", "used", "values", "points"):
        np.testing.assert_array_equal(getattr(shown, name), getattr(filmed.sighting(), name), err_msg=name)
    take, acquired = check_take(shown, frontend.extractor, frontend.settings), filmed.finish()
    np.testing.assert_array_equal(take.features.values, acquired.features.values)
    assert (take.rate, take.energy) == (acquired.quality.rate, acquired.quality.motion_energy)


def test_frames_without_a_face_stay_without_features(sighting):
    used = np.arange(26) % 5 > 0
    gaps = replace(sighting, used=used, values=sighting.values[used], points=sighting.points[used])
    shown = gaps.select(np.array([1, 1, 5, 6]), np.arange(4) / 2)
    assert shown.used.tolist() == [True, True, False, True]
    np.testing.assert_array_equal(shown.values, sighting.values[[1, 1, 6]])
    np.testing.assert_array_equal(face_features(shown, Settings()).times, [0, 0.5, 1.5])


def test_every_guard_names_what_is_wrong(frontend, sighting):
    def judge(seen: Sighting, settings: Settings = frontend.settings) -> None:
        check_take(seen, frontend.extractor, settings)

    judge(sighting)
    nobody = replace(sighting, found=np.zeros(26, bool))
    with pytest.raises(NoFaceError, match="No face was found"):
        judge(nobody)
    with pytest.raises(NoFaceError, match="come closer"):
        judge(replace(nobody, small=np.ones(26, bool)))
    with pytest.raises(SeveralFacesError):
        judge(replace(sighting, rivals=np.ones(26, bool)))
    with pytest.raises(TooShortError, match="0.21 s"):
        judge(sighting.select(np.arange(6), sighting.times[:6]))
    with pytest.raises(TooFewFramesError, match="4.8 frames a second"):
        judge(sighting.select(np.arange(0, 26, 5), sighting.times[::5]))
    with pytest.raises(NoMotionError, match="hardly moves"):
        judge(sighting.select(np.zeros(26, int), sighting.times))
    with pytest.raises(RigidMotionError, match="photograph"):
        judge(sighting, Settings(quality=QualitySettings(min_own_motion=100.0)))


def test_a_face_is_said_to_move_while_it_makes_its_motion_and_not_while_it_rests(frontend, clip, sighting):
    """At its beginning the face rests; after two seconds an eye winks."""
    whole = load_clip(SAMPLE)
    wink = watch(frontend, whole.frames[44:56], whole.times[44:56]).sighting()
    assert not moves_now(sighting.values[:10], frontend.extractor, Settings())
    assert moves_now(wink.values[-10:], frontend.extractor, Settings())
    no_limit = Settings(quality=QualitySettings(min_motion_energy=0.0))
    assert not moves_now(wink.values[-10:], frontend.extractor, no_limit)  # nobody said what counts as a motion
