"""The chain frame by frame and by file, and what it says when no motion can be acquired."""

from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import facemotion as fm
from facemotion.config import FaceSettings, MediaSettings, QualitySettings, RuntimeSettings, Settings, VerifierSettings
from facemotion.errors import (
    MediaLimitError,
    NoFaceError,
    NoMotionError,
    RigidMotionError,
    SeveralFacesError,
    TimestampError,
    TooFewFramesError,
    TooShortError,
)
from facemotion.face import BlazeFace, Detections
from facemotion.frontend import Acquirer, Frontend, Guidance
from facemotion.media import FrameGate, load_clip, read_frames
from facemotion.media.clip import Clip
from facemotion.models import Models

ROOT = Path(__file__).parents[1]
SAMPLES = ROOT / "src" / "facemotion" / "samples"


@pytest.fixture(scope="module")
def frontend() -> Frontend:
    return Frontend.load(Settings())  # whatever other tests have put into the environment


def test_live_and_file_give_the_same_features(frontend, talking_frames, encode):
    data = encode(talking_frames)
    by_file = frontend.acquire(data)
    clip = load_clip(data)
    acquirer = Acquirer(frontend)
    answers = [acquirer.push(frame, 100 + seconds) for frame, seconds in zip(clip.frames, clip.times, strict=True)]
    by_frame = acquirer.finish()
    np.testing.assert_allclose(by_frame.features.values, by_file.features.values, atol=1e-6)
    np.testing.assert_allclose(by_frame.features.times, by_file.features.times, atol=1e-9)
    assert all(answer.guidance is Guidance.GO and answer.used for answer in answers)
    assert by_frame.quality.brightness == by_file.quality.brightness
    assert by_frame.quality.motion_energy == pytest.approx(by_file.quality.motion_energy)
    assert by_frame.quality.seconds == pytest.approx(by_file.quality.seconds)
    assert by_file.quality.frames == 30
    assert by_file.quality.face_share == 1
    assert by_file.quality.seconds == pytest.approx(29 / 25)
    assert set(by_file.milliseconds) == {"decode", "detect", "extract", "quality"}
    assert min(by_file.milliseconds.values()) > 0


@pytest.mark.parametrize("look_ahead", [1, 4])
def test_looking_ahead_in_a_second_thread_changes_nothing(frontend, talking_frames, encode, look_ahead):
    data = encode(talking_frames)
    one = Frontend(frontend.detector, frontend.extractor, Settings(runtime=RuntimeSettings(look_ahead=0)))
    two = Frontend(frontend.detector, frontend.extractor, Settings(runtime=RuntimeSettings(look_ahead=look_ahead)))
    by_one, by_two = one.acquire(data), two.acquire(data)
    np.testing.assert_array_equal(by_two.features.values, by_one.features.values)
    np.testing.assert_array_equal(by_two.features.times, by_one.features.times)
    np.testing.assert_array_equal(by_two.portraits, by_one.portraits)
    assert by_two.quality == by_one.quality
    assert min(by_two.milliseconds.values()) > 0
    for chain in (one, two):  # the reader's error comes once its frames were seen, with the clip's name
        acquirer = Acquirer(chain)
        with pytest.raises(TooShortError, match="0.20 s"):
            acquirer.push_all(read_frames(encode(talking_frames[:6]), MediaSettings()))
        assert len(acquirer.sighting()) == 6


class CountedDetector(BlazeFace):
    looks = 0

    def detect(self, frame):
        self.looks += 1
        return super().detect(frame)


def test_with_fewer_looks_of_the_detector_the_landmarks_carry_the_face(frontend, talking_frames):
    """30 frames in which the face drifts by 58 pixels: every third is looked at, and the landmarks stay within one."""
    drifting = np.stack([np.roll(frame, 2 * number, axis=1) for number, frame in enumerate(talking_frames)])
    settings = Settings(runtime=RuntimeSettings(detect_every=3))
    detector = CountedDetector(Models.of(settings.runtime))
    few, every = Acquirer(Frontend(detector, frontend.extractor, settings)), Acquirer(frontend)
    for number, frame in enumerate(drifting):
        boxes = [acquirer.push(frame, number / 25).box for acquirer in (few, every)]
        assert np.abs(boxes[0] - boxes[1]).max() < 0.1 * (boxes[1][2] - boxes[1][0])
    assert detector.looks == 10
    seen = few.sighting()
    assert seen.used.all()
    assert seen.found.all()
    assert np.linalg.norm(seen.points - every.sighting().points, axis=2).mean() < 1


def test_where_no_face_was_found_the_detector_looks_at_every_frame(frontend, talking_frames):
    settings = Settings(face=FaceSettings(max_fill_seconds=0), runtime=RuntimeSettings(detect_every=5))
    detector = CountedDetector(Models.of(settings.runtime))
    acquirer = Acquirer(Frontend(detector, frontend.extractor, settings))
    acquirer.push(talking_frames[0], 0.0)  # the next four rest on this one
    wall = np.zeros_like(talking_frames[0])
    answers = [acquirer.push(wall, 0.2 * number) for number in range(1, 8)]
    assert not any(answer.used for answer in answers)
    assert detector.looks >= 1 + 6  # the landmarks were asked for the first, and those for a face far away came on top


@pytest.mark.parametrize("extractor", ["face-mesh", "sfe-l"])
@pytest.mark.parametrize("after", [1, 5])
def test_whoever_leaves_the_picture_leaves_no_trace_in_the_features(talking_frames, extractor, after):
    """Landmarks were found on the wall for 0.4 s: one frame of it brought the alikeness of a motion from 1 to 0.6."""
    frontend = Frontend.load(Settings(verifier=VerifierSettings(extractor=extractor)))
    wall = np.full((after, *talking_frames.shape[1:]), 118, np.uint8)
    stayed, left = (
        frontend.features((frames, np.arange(len(frames)) / 25))
        for frames in (talking_frames, np.concatenate([talking_frames, wall]))
    )
    np.testing.assert_array_equal(left.values, stayed.values)


def _place(frontend, frame):
    found = frontend.detector.detect(frame)
    return found.boxes[0], found.keypoints[0]


@pytest.mark.parametrize("end", [0, -1], ids=["sits down first", "gets up at the end"])
def test_who_comes_into_the_picture_or_goes_out_of_it_leaves_no_trace_either(frontend, talking_frames, end):
    """The network guesses what the border cuts off: half a face was 0.7 of an eye distance from the whole one."""
    still, height = talking_frames[end], talking_frames.shape[1]
    tall = np.pad(still, ((0, height), (0, 0), (0, 0)))
    sinking = np.stack([np.roll(tall, down, axis=0)[:height] for down in range(0, 190, 27)])
    frames = np.concatenate([sinking[::-1], talking_frames] if end == 0 else [talking_frames, sinking])
    features = frontend.features((frames, np.arange(len(frames)) / 15))
    assert len(features.values) < len(frames) - 2
    assert np.linalg.norm(features.values[end] - frontend.extractor(still, *_place(frontend, still))) < 0.25


def test_frames_that_are_left_out_give_no_portrait(frontend, talking_frames):
    """Else one person would make the motion, and a photograph of another one, half out of the picture, be compared."""
    other = np.asarray(Image.fromarray(load_clip(SAMPLES / "ben-wink-pout-1.mp4").frames[0]).resize((320, 240)))
    shown = [
        np.roll(np.pad(other, ((0, 0), (0, 320), (0, 0))), 320 * share // 100, axis=1)[:, :320] for share in (36, 38)
    ]
    frames = np.concatenate([talking_frames, np.repeat(shown, 3, axis=0)])
    alone, joined = (frontend.acquire((clip, np.arange(len(clip)) / 25)) for clip in (talking_frames, frames))
    assert joined.quality.frames == len(frames)
    assert joined.quality.face_share > alone.quality.face_share - 0.1  # the detector saw the photograph
    np.testing.assert_array_equal(joined.portraits, alone.portraits)


def test_a_face_that_the_border_cuts_in_every_third_frame_has_a_portrait(frontend, talking_frames):
    """Every third frame is looked at for portraits, and those of cut faces aren't used."""
    frames, (_, y0, _, y1) = talking_frames.copy(), _place(frontend, talking_frames[0])[0].astype(int)
    frames[::3] = np.roll(np.pad(frames[::3], ((0, 0), (0, 240), (0, 0), (0, 0))), (y0 - y1) // 6 - y0, axis=1)[:, :240]
    acquired = frontend.acquire((frames, np.arange(len(frames)) / 25))
    assert len(acquired.features) == len(frames) * 2 // 3
    assert len(acquired.portraits)


def test_whoever_was_out_of_view_for_long_is_told_so(frontend, talking_frames):
    """Five such clips in a row had been errors of the server, and locked the user out."""
    frames, times = talking_frames.copy(), np.arange(len(talking_frames)) / 25
    times[15:] += 1.2
    with pytest.raises(TooFewFramesError, match="No frame came for 1.2 s; close"):
        frontend.acquire((frames, times))
    frames[14] = 0
    with pytest.raises(NoFaceError, match="out of view for 1.3 s; keep it in view"):
        frontend.acquire((frames, times))


def test_who_sits_so_near_that_the_border_always_cuts_the_face_keeps_all_frames(frontend, talking_frames):
    x0, _, x1, _ = _place(frontend, talking_frames[0])[0].astype(int)
    near = np.ascontiguousarray(talking_frames[:, :, (x0 + x1) // 2 - 60 :])
    assert len(frontend.features((near, np.arange(len(near)) / 25)).values) == len(near)


def test_a_hand_before_the_face_is_no_face_and_a_face_that_the_detector_missed_is_one(frontend, talking_frames):
    class Forgetful(BlazeFace):
        """Sees nothing in the third frame and in the sixth."""

        def detect(self, frame):
            found, self.looks = super().detect(frame), getattr(self, "looks", 0) + 1
            kept = slice(0 if self.looks in (3, 6) else None)
            return Detections(found.boxes[kept], found.keypoints[kept], found.scores[kept])

    frames = talking_frames.copy()
    x0, y0, x1, y1 = frontend.detector.detect(frames[5]).boxes[0].astype(int)
    frames[5, y0 - 20 : y1 + 20, x0 - 20 : x1 + 20] = (180, 140, 120)
    settings = Settings(runtime=RuntimeSettings(look_ahead=0))
    forgetful = Frontend(Forgetful(Models.of(settings.runtime)), frontend.extractor, settings)
    features = forgetful.features((frames, np.arange(len(frames)) / 25))
    kept = np.arange(len(frames)) != 5
    np.testing.assert_allclose(features.times, np.arange(len(frames))[kept] / 25)


def test_large_frames_of_a_camera_are_scaled_as_those_of_a_file(talking_frames):
    frontend = Frontend.load(Settings(media=MediaSettings(analysis_side_px=max(talking_frames.shape[1:3]))))
    large, times = talking_frames.repeat(2, axis=1).repeat(2, axis=2), np.arange(len(talking_frames)) / 25
    by_file = frontend.acquire((large, times))
    acquirer = Acquirer(frontend)
    answers = [acquirer.push(frame, seconds) for frame, seconds in zip(large, times, strict=True)]
    by_frame = acquirer.finish()
    np.testing.assert_array_equal(by_frame.features.values, by_file.features.values)
    assert by_frame.quality == by_file.quality
    # The box is one of the frame that was pushed, so that it can be drawn there.
    np.testing.assert_allclose(answers[0].box, 2 * frontend.detector.detect(talking_frames[0]).boxes[0])


def test_a_still_face_is_no_motion(frontend, talking_frames, encode):
    with pytest.raises(NoMotionError, match="hardly moves"):
        frontend.acquire(encode(np.repeat(talking_frames[:1], 25, axis=0)))
    assert len(frontend.features(encode(np.repeat(talking_frames[:1], 25, axis=0)))) == 25


@pytest.mark.parametrize(("way", "seed"), [("waved", 3), ("moved", 2)])
def test_a_photograph_that_is_waved_is_named(frontend, drawn_face, monkeypatch, way, seed):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    film = runpy.run_path(str(ROOT / "benchmarks" / "photographs.py"))["film"]
    clip = film(Image.fromarray(drawn_face), way, seed, 1.2)
    acquirer = Acquirer(frontend)
    for frame, seconds in read_frames(clip):
        acquirer.push(frame, seconds)
    values = acquirer.sequence().values
    assert frontend.extractor.motion_energy(values) > frontend.settings.quality.min_motion_energy
    with pytest.raises(RigidMotionError, match="as a photograph does"):
        acquirer.finish()


@pytest.fixture(scope="module")
def take() -> Clip:
    """Two seconds of a real clip, which has about 24 frames a second."""
    whole = load_clip(ROOT / "src" / "facemotion" / "samples" / "anna-wink-pout-1.mp4")
    within = whole.times <= 2
    return Clip(whole.frames[within], whole.times[within])


def thinned(take: Clip, rate: float) -> tuple[np.ndarray, np.ndarray]:
    """What a camera of so many frames a second would have seen of a take."""
    moments = np.arange(0, take.times[-1], 1 / rate)
    return take.frames[np.abs(take.times[:, None] - moments).argmin(axis=0)], moments


@pytest.mark.parametrize("rate", [25, 15, 10])
def test_a_camera_that_is_fast_enough_is_let_through_and_its_rate_is_told(frontend, take, rate):
    assert frontend.acquire(thinned(take, rate)).quality.rate == pytest.approx(rate)


@pytest.mark.parametrize("rate", [5, 4])
def test_a_camera_that_is_too_slow_is_named(frontend, take, rate):
    with pytest.raises(
        TooFewFramesError, match=rf"Only {rate}\.0 frames a second .* at least 6 are needed. Make more light"
    ):
        frontend.acquire(thinned(take, rate))
    patient = Frontend(frontend.detector, frontend.extractor, Settings(quality=QualitySettings(min_rate=0)))
    assert patient.acquire(thinned(take, rate)).quality.rate == pytest.approx(rate)


def test_no_face(frontend, talking_frames, encode):
    with pytest.raises(NoFaceError):
        frontend.acquire(encode(np.zeros((25, 120, 160, 3), np.uint8)))
    half = talking_frames.copy()
    half[::2] = 0
    with pytest.raises(NoFaceError, match="50%"):
        frontend.acquire(encode(half))


@pytest.fixture(scope="module")
def far_frames() -> np.ndarray:
    """(16, 480, 640, 3): a person three metres away, whose face is 5% of the picture; the detector finds none."""
    near = load_clip(ROOT / "src" / "facemotion" / "samples" / "anna-wink-pout-1.mp4").frames[:16]
    frames = np.full((16, 480, 640, 3), 120, np.uint8)
    for frame, picture in zip(frames, near, strict=True):
        frame[200:248, 400:464] = np.asarray(Image.fromarray(picture).resize((64, 48), Image.Resampling.BOX))
    return frames


def test_a_face_too_far_away_is_told_to_come_closer(frontend, far_frames):
    acquirer = Acquirer(frontend)
    said = [acquirer.push(frame, n / 25).guidance for n, frame in enumerate(far_frames)]
    assert Guidance.CLOSER in said[:8]  # at the latest once every part of the frame was looked at
    assert said[-1] is Guidance.CLOSER
    with pytest.raises(NoFaceError, match="too far away to be seen well; come closer"):
        acquirer.finish()


def test_whoever_comes_near_and_goes_again_is_not_told_that_they_were_too_far(frontend, talking_frames):
    acquirer = Acquirer(frontend)
    absent = np.zeros_like(talking_frames[0])
    for number in range(12):
        acquirer.push(talking_frames[number] if number < 6 else absent, number / 8)
    with pytest.raises(NoFaceError, match="50% of the frames; keep it in view"):
        acquirer.finish()


def test_two_faces(frontend, talking_frames, encode):
    with pytest.raises(SeveralFacesError):
        frontend.acquire(encode(np.concatenate([talking_frames, talking_frames], axis=2)))


def test_a_face_that_is_in_view_too_briefly(talking_frames, encode):
    frontend = Frontend.load(Settings(face=FaceSettings(min_face_share=0.05, max_fill_seconds=0.0)))
    frames = np.zeros_like(talking_frames)
    frames[:8] = talking_frames[:8]
    with pytest.raises(TooShortError, match="in view"):
        frontend.acquire(encode(frames))


def test_guidance(frontend, talking_frames):
    def first(frames, step=0):
        acquirer = Acquirer(frontend)
        return [acquirer.push(np.roll(f, step * n, axis=1), n / 25).guidance for n, f in enumerate(frames)][-1]

    assert first(np.zeros((3, 240, 320, 3), np.uint8)) is Guidance.NO_FACE
    assert first(talking_frames[:3] // 5) is Guidance.TOO_DARK
    assert first(talking_frames[:6], step=12) is Guidance.HOLD_STILL
    assert first(np.concatenate([talking_frames[:2]] * 2, axis=2)) is Guidance.SEVERAL_FACES
    near = Frontend.load(Settings(quality=QualitySettings(near_face=0.5)))
    assert Acquirer(near).push(talking_frames[0], 0.0).guidance is Guidance.CLOSER
    assert first(talking_frames[:3]) is Guidance.GO


def test_a_frame_beyond_the_highest_rate_repeats_the_last_guidance(frontend, talking_frames):
    acquirer = Acquirer(frontend)
    crowd = np.concatenate([talking_frames[0]] * 2, axis=1)
    first = acquirer.push(crowd, 0.0)
    again = acquirer.push(crowd, 0.005)
    assert (again.guidance, again.used) == (Guidance.SEVERAL_FACES, False)
    np.testing.assert_array_equal(again.box, first.box)


def test_a_live_session_holds_to_the_limits(talking_frames):
    frontend = Frontend.load(Settings(media=MediaSettings(max_seconds=0.6)))
    acquirer = Acquirer(frontend)
    acquirer.push(talking_frames[0], 1.0)
    assert not acquirer.push(talking_frames[1], 1.001).used  # beyond the highest rate
    with pytest.raises(TimestampError):
        acquirer.push(talking_frames[1], 0.5)
    with pytest.raises(MediaLimitError):
        acquirer.push(talking_frames[1], 1.7)


def test_a_clip_passes_one_gate_and_a_camera_its_own(frontend, talking_frames, monkeypatch):
    asked = []
    admit = FrameGate.admit
    monkeypatch.setattr(FrameGate, "admit", lambda gate, seconds: asked.append(seconds) or admit(gate, seconds))
    times = np.arange(30) / 48  # every other one beyond the highest rate
    features = frontend.features((talking_frames, times))
    np.testing.assert_allclose(features.times, times[::2])
    assert asked == pytest.approx(times)
    asked.clear()
    acquirer = Acquirer(frontend)
    assert [acquirer.push(frame, t).used for frame, t in zip(talking_frames[:4], times[:4], strict=True)] == [
        1,
        0,
        1,
        0,
    ]
    assert asked == pytest.approx(times[:4])


def test_the_earlier_name_of_the_acquirer_still_works():
    assert fm.LiveSession is fm.Acquirer is Acquirer
    assert "LiveSession" in dir(fm)
