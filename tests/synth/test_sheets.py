"""Contact sheets; needs the assets."""

from __future__ import annotations

import resource

import numpy as np
import pytest
from PIL import Image

from facemotion.errors import MotionProgramError, SettingsError, WriteError
from facemotion.synth.filming.scene import SceneSettings
from facemotion.synth.people import cast
from facemotion.synth.sets.contact_sheets import Preview, as_motion, grid, save_picture
from facemotion.synth.sets.documents import cameras_sheet, near_miss_sheet


@pytest.fixture
def preview(monkeypatch, head, fits, builder):
    monkeypatch.setattr(cast, "parents", lambda: {part: tuple(fits) for part in cast.PARTS})
    return Preview(head, builder, SceneSettings(width=64, height=64), 0)


def test_one_take_under_four_cameras_differs_by_row(preview):
    sheet = cameras_sheet(preview)
    assert sheet.shape == (4 * 64, 8 * 64, 3)
    rows = np.split(sheet.astype(np.float64), 4)
    assert min(np.abs(rows[0] - row).mean() for row in rows[1:]) > 3


def test_a_near_miss_stands_beside_its_original(preview):
    sheet = near_miss_sheet(preview)
    assert sheet.shape == (4 * 64, 8 * 64, 3)
    original, _, _, mimic = np.split(sheet.astype(np.float64), 4)
    assert np.abs(original - mimic).mean() > 10  # somebody else


def test_a_grid_fills_up_with_white():
    sheet = grid([np.zeros((4, 4, 3), np.uint8)] * 3, 2)
    assert sheet.shape == (8, 8, 3)
    assert (sheet[4:, 4:] == 255).all()
    assert (sheet[4:, :4] == 0).all()


def test_words_and_programs_are_told_apart():
    assert as_motion("Blue moon") == "Blue moon"
    assert str(as_motion("smile")) == "smile"
    with pytest.raises(MotionProgramError, match="dictionary"):
        as_motion("blue xylophone")
    with pytest.raises(MotionProgramError, match="smile"):
        as_motion("smille")


def test_pictures_are_written_by_suffix_or_the_place_is_named(tmp_path):
    picture = np.full((8, 8, 3), 77, np.uint8)
    for name, kind in (("a.jpg", "JPEG"), ("b.png", "PNG")):
        save_picture(picture, tmp_path / name)
        with Image.open(tmp_path / name) as image:
            assert image.format == kind
    with pytest.raises(WriteError):
        save_picture(picture, tmp_path / "a.jpg" / "c.png")
    with pytest.raises(SettingsError, match=r"d.tga must end in .jpg, .jpeg, .png"):
        save_picture(picture, tmp_path / "d.tga")


def test_a_picture_whose_last_byte_has_no_room_is_named(tmp_path):
    picture = np.random.default_rng(0).integers(0, 256, (96, 96, 3), dtype=np.uint8)
    save_picture(picture, tmp_path / "a.jpg")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, ((tmp_path / "a.jpg").stat().st_size - 1, before[1]))
    try:
        with pytest.raises(WriteError, match="File too large"):
            save_picture(picture, tmp_path / "b.jpg")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
