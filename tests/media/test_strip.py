"""Rows of frames for people to look at."""

from __future__ import annotations

import numpy as np

from facemotion.media.strip import contact_sheet, frame_strip
from facemotion.types import Clip


def test_a_strip_shows_the_clip_from_first_to_last_frame():
    frames = np.zeros((11, 40, 60, 3), np.uint8)
    frames[:] = (np.arange(11) * 20)[:, None, None, None]
    strip = frame_strip(Clip(frames, np.arange(11) / 10), count=6, height=40)
    assert strip.shape == (40, 360, 3)
    assert [int(strip[2, 60 * place + 30, 0]) for place in range(6)] == [0, 40, 80, 120, 160, 200]


def test_a_clip_shorter_than_the_strip_repeats_frames():
    assert frame_strip(Clip(np.zeros((2, 20, 20, 3), np.uint8), np.arange(2) / 10), 5, 20).shape == (20, 100, 3)


def test_a_sheet_holds_all_rows():
    strip = np.full((30, 100, 3), 255, np.uint8)
    page = contact_sheet([("first", strip), ("second", strip[:, :50])])
    pixels = np.asarray(page)
    assert (pixels == 255).all(axis=2).sum() >= 30 * 150
