"""A session of recording: every take is judged as the verifier would, and whatever happens, what was kept stays."""

from __future__ import annotations

import resource
import signal

import pytest
from tests.full_disks import make_full, needs_full_device

from facemotion.config import MediaSettings
from facemotion.data.manifest import read_manifest
from facemotion.errors import CameraLostError, NoCameraError, WriteError
from facemotion.recorder.cameras import Device, Film
from facemotion.recorder.consent import Consents, ConsentText
from facemotion.recorder.recorded_clips import RecordedClips
from facemotion.recorder.recording_plan import PlannedMotion
from facemotion.recorder.sitting import Choice, Sitting

from .stand_ins import Answers, PacedCamera, vanish

pytestmark = pytest.mark.long  # films that are decoded and looked at
TEXT = ConsentText("You are filmed.")


def sit(folder, frontend, attendant) -> tuple[Sitting, RecordedClips]:
    clips = RecordedClips(folder)
    return Sitting(clips, Consents(folder), TEXT, frontend, attendant), clips


def films(folder, *names: str) -> list[Film]:
    return [Film(folder / f"{name}.mp4", MediaSettings()) for name in names]


@pytest.fixture
def begun(tmp_path):
    """A folder with one kept take, and all that is in it."""
    (tmp_path / "set").mkdir()
    clips = RecordedClips(tmp_path / "set")
    clips.draft.write_bytes(b"the take before")
    clips.keep(PlannedMotion("anna", "wink"))
    Consents(clips.folder).add("anna", TEXT, "asked")
    return clips.folder, lambda: {path: path.read_bytes() for path in clips.folder.rglob("*") if path.is_file()}


def test_films_become_clips_of_their_take_and_unusable_ones_are_left_out_by_name(short_films, frontend, tmp_path):
    answers = Answers(agreed=("anna",))
    sitting, set_ = sit(tmp_path, frontend, answers)
    planned = [PlannedMotion("anna", "wink", 2), PlannedMotion("ben", "wink", 1), PlannedMotion("anna", "talk", 2)]
    outcome = sitting.record(planned, films(short_films, "nobody", "slow", "talk", "absent", "talk"))
    assert [reason.partition(": ")[0].rpartition("/")[2] for reason in outcome.refused] == [
        "nobody.mp4",
        "slow.mp4",
        "absent.mp4",
    ]
    assert [reason.partition(": ")[0] for reason in answers.refused] == [
        "NoFaceError",
        "TooFewFramesError",
        "UnreadableMediaError",
    ]
    (kept,) = read_manifest(set_.manifest).records
    assert (kept.subject, kept.motion, kept.repetition) == ("anna", "talk", 0)
    assert outcome.kept == [kept]
    assert outcome.without_consent == ["ben"]  # and the film of ben's take isn't taken for another one
    assert answers.asked == ["anna", "ben"]
    frontend.acquire(tmp_path / kept.path)


def test_a_take_can_be_left_out_and_the_session_stopped(short_films, frontend, tmp_path):
    answers = Answers(agreed=("anna",), choices=[Choice.REPEAT, Choice.STOP])
    sitting, set_ = sit(tmp_path, frontend, answers)
    outcome = sitting.record([PlannedMotion("anna", "talk", 3)], films(short_films, "talk", "talk", "talk"))
    assert outcome.kept == []
    assert len(outcome.left_out) == 2
    assert not set_.manifest.exists()
    assert list(tmp_path.rglob("*.mp4")) == []


def test_a_take_before_a_camera_that_cannot_be_used_is_made_again(talking_frames, frontend, tmp_path):
    answers = Answers(agreed=("anna",))
    camera = PacedCamera(talking_frames[:1])  # nothing moves
    answers.going = lambda: len(answers.refused) == 1 and camera.stopped.set()

    camera.then = vanish
    sitting, _ = sit(tmp_path, frontend, answers)
    with pytest.raises(CameraLostError, match="That was in take 1 of talk by anna; takes kept before it stay"):
        sitting.record([PlannedMotion("anna", "talk", 3)], [camera], longest=0.7)
    assert len(answers.refused) == 1
    assert answers.refused[0].split(":")[0] in ("NoMotionError", "TooFewFramesError", "TooShortError")


def test_a_camera_that_vanishes_in_mid_take_costs_that_take_alone(begun, talking_frames, frontend):
    folder, content = begun
    before = content()

    camera = PacedCamera(talking_frames[:3], then=vanish)
    sitting, _ = sit(folder, frontend, Answers(going=camera.stopped.set))
    with pytest.raises(CameraLostError):
        sitting.record([PlannedMotion("anna", "talk", 1)], [camera])
    assert content() == before


@pytest.mark.slow  # on a busy machine the signal may come while PyAV closes the file, which swallows it
def test_ctrl_c_in_mid_take_keeps_what_was_recorded(begun, talking_frames, frontend):
    folder, content = begun
    before = content()
    camera = PacedCamera(talking_frames[:3], then=lambda: signal.raise_signal(signal.SIGINT))
    sitting, _ = sit(folder, frontend, Answers(going=camera.stopped.set))
    with pytest.raises(KeyboardInterrupt):
        sitting.record([PlannedMotion("anna", "talk", 1)], [camera])
    assert content() == before


def test_a_disk_that_fills_costs_the_take_at_hand_alone(begun, short_films, frontend):
    folder, content = begun
    before = content()
    sitting, _ = sit(folder, frontend, Answers())
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5_000, limit[1]))
    try:
        with pytest.raises(WriteError, match="make room and run the same command again"):
            sitting.record([PlannedMotion("anna", "talk", 1)], films(short_films, "talk"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert content() == before


@needs_full_device
@pytest.mark.parametrize("full", [".take.mp4.part", "manifest.csv.part"], ids=["for the clip", "for its row"])
def test_a_disk_without_room_costs_the_take_at_hand_alone(begun, short_films, frontend, full):
    folder, content = begun
    before = content()
    make_full(folder / full)
    sitting, _ = sit(folder, frontend, Answers())
    with pytest.raises(WriteError, match="No space left on device; make room and run the same command again"):
        sitting.record([PlannedMotion("anna", "talk", 1)], films(short_films, "talk"))
    assert content() == before


def test_a_camera_that_is_not_there_costs_nothing(begun, frontend):
    folder, content = begun
    before = content()
    sitting, _ = sit(folder, frontend, Answers())
    with pytest.raises(NoCameraError):
        sitting.record([PlannedMotion("anna", "talk", 1)], [Device(str(folder / "video7"))])
    assert content() == before
