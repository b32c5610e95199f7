"""Clips laid out in folders, or listed in a manifest."""

from __future__ import annotations

from pathlib import Path

import pytest

from facemotion.data.manifest import write_manifest
from facemotion.data.take_folders import read_clips
from facemotion.errors import ManifestError
from facemotion.types import ClipKind, ClipRecord


def test_folders_name_subject_and_motion_and_takes_are_numbered(tmp_path: Path):
    for name in ("ann/wink/take10.mp4", "ann/wink/take2.webm", "ann/pout/a.mp4", "ben/wink/1.mp4"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    for name in ("notes.txt", "ann/notes.txt", "ann/wink/.DS_Store"):
        (tmp_path / name).write_text("")
    found = read_clips(tmp_path)
    assert [(r.path, r.subject, r.motion, r.repetition) for r in found.records] == [
        ("ann/pout/a.mp4", "ann", "pout", 0),
        ("ann/wink/take2.webm", "ann", "wink", 0),
        ("ann/wink/take10.mp4", "ann", "wink", 1),
        ("ben/wink/1.mp4", "ben", "wink", 0),
    ]
    assert {r.kind for r in found.records} == {ClipKind.FACIAL}
    assert found.file(found.records[0]).read_text() == "ann/pout/a.mp4"


def test_a_manifest_goes_before_folders(tmp_path: Path):
    (tmp_path / "ann" / "wink").mkdir(parents=True)
    (tmp_path / "ann" / "wink" / "1.mp4").write_text("")
    record = ClipRecord("clip.mp4", "cy", "smile", ClipKind.LIP, 0, 1)
    write_manifest(tmp_path / "manifest.csv", [record])
    assert read_clips(tmp_path).records == (record,)
    assert read_clips(tmp_path / "manifest.csv").records == (record,)


def test_a_folder_without_takes_says_how_to_lay_them_out(tmp_path: Path):
    (tmp_path / "clip.mp4").write_text("")
    with pytest.raises(ManifestError, match="SUBJECT/MOTION/TAKE"):
        read_clips(tmp_path)
    with pytest.raises(ManifestError, match="Can't read the manifest"):
        read_clips(tmp_path / "nowhere")
