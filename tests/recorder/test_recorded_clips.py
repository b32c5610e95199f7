"""The folder of a recording: numbers go on, nothing is overwritten, the manifest is whole."""

from __future__ import annotations

import pytest

from facemotion.data.manifest import read_manifest
from facemotion.errors import ManifestError, RecordingBusyError, RecordingPlanError, WriteError
from facemotion.recorder.recorded_clips import RecordedClips, forget_clips, recording_alone
from facemotion.recorder.recording_plan import PlannedMotion
from facemotion.types import ClipKind

WINK = PlannedMotion("anna", "wink")


def keep(clips: RecordedClips, motion: PlannedMotion = WINK, content: bytes = b"film"):
    clips.draft.write_bytes(content)
    return clips.keep(motion)


def test_takes_are_numbered_on_and_sessions_too(tmp_path):
    first = RecordedClips(tmp_path)
    kept = [keep(first), keep(first), keep(first, PlannedMotion("anna", "pout"))]
    second = RecordedClips(first.folder)
    kept.append(keep(second))
    assert [(r.motion, r.repetition, r.session) for r in kept] == [
        ("wink", 0, 1),
        ("wink", 1, 1),
        ("pout", 0, 1),
        ("wink", 2, 2),
    ]
    assert read_manifest(first.manifest).records == tuple(kept)
    assert kept[3].path == "anna/wink/session-2-take-2.mp4"
    assert (first.folder / kept[3].path).read_bytes() == b"film"


def test_a_clip_that_no_row_names_is_not_overwritten(tmp_path):
    clips = RecordedClips(tmp_path)
    lost = tmp_path / "anna" / "wink" / "session-1-take-0.mp4"
    lost.parent.mkdir(parents=True)
    lost.write_bytes(b"somebody's")
    assert keep(clips).repetition == 1
    assert lost.read_bytes() == b"somebody's"


def test_rows_and_columns_of_a_manifest_stay_as_they_are(tmp_path):
    before = "onset,path,subject,motion,kind,repetition,session,offset,mood\n0.5,a.mp4,anna,wink,facial,4,2,1.5,good"
    (tmp_path / "manifest.csv").write_text(before, "utf-8")
    record = keep(RecordedClips(tmp_path))
    assert (record.repetition, record.session) == (5, 3)
    assert (tmp_path / "manifest.csv").read_text("utf-8") == (
        f"{before}\n,anna/wink/session-3-take-5.mp4,anna,wink,facial,5,3,,\n"
    )


def test_rows_of_somebody_are_found_in_a_manifest_that_was_edited_by_hand(tmp_path):
    clips = RecordedClips(tmp_path)
    for who in ("anna", "bela"):
        keep(clips, PlannedMotion(who, "wink"))
    text = clips.manifest.read_text()
    clips.manifest.write_text(text.replace(",anna,", ", anna ,").rstrip() + ",a note without a column\n\n")
    assert forget_clips(tmp_path, "anna") == 1
    assert "anna" not in clips.manifest.read_text()
    assert [record.subject for record in read_manifest(clips.manifest).records] == ["bela"]


def test_a_manifest_that_cannot_be_written_costs_the_take_and_no_other(tmp_path):
    clips = RecordedClips(tmp_path)
    keep(clips)
    before = clips.manifest.read_bytes()
    (tmp_path / "manifest.csv.part").mkdir()  # where the new one would be written
    with pytest.raises(WriteError, match="Can't write"):
        keep(clips)
    assert clips.manifest.read_bytes() == before
    assert [path.name for path in tmp_path.rglob("*.mp4")] == ["session-1-take-0.mp4"]


def test_a_broken_manifest_is_not_appended_to(tmp_path):
    (tmp_path / "manifest.csv").write_text("path,subject\na.mp4,anna\n")
    with pytest.raises(ManifestError, match="lacks the column"):
        RecordedClips(tmp_path)


def test_a_plan_is_held_to_what_the_manifest_says_before_anybody_is_filmed(tmp_path):
    clips = RecordedClips(tmp_path)
    keep(clips)
    clips.check_plan([PlannedMotion("anna", "wink~left", 2, ClipKind.NEAR_MISS), PlannedMotion("ben", "wink")])
    clips.check_plan([PlannedMotion("ben", "wink", 1, ClipKind.MIMIC)])
    for motion, sentence in (
        (PlannedMotion("anna", "wink", 2, ClipKind.LIP), "clips of several kinds"),
        (PlannedMotion("ben", "pout", 2, ClipKind.MIMIC), "must be a motion of exactly one other subject"),
        (PlannedMotion("ben", "pout~left", 2, ClipKind.NEAR_MISS), "near miss of no motion"),
    ):
        with pytest.raises(RecordingPlanError, match=sentence):
            clips.check_plan([motion])


def test_two_do_not_record_into_one_folder_at_once(tmp_path):
    folder = tmp_path / "new" / "set"
    busy = pytest.raises(RecordingBusyError, match="wait until it ends")
    with recording_alone(folder), busy, recording_alone(folder):
        raise AssertionError
    with recording_alone(folder):
        pass
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(WriteError), recording_alone(tmp_path / "file" / "set"):
        raise AssertionError
