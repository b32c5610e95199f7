from __future__ import annotations

import numpy as np
import pytest

from facemotion.errors import UsageError, WriteError
from facemotion.face.mark import mark_face
from facemotion.media import load_clip
from facemotion.media.write import write_video


def test_what_is_written_is_read_at_its_times(tmp_path, talking_frames):
    times = np.cumsum([0.0, *np.random.default_rng(0).uniform(0.03, 0.09, 29)]).round(3)
    path = tmp_path / "clip.mp4"
    assert write_video(zip(talking_frames, times, strict=True), path) == 30
    clip = load_clip(path)
    np.testing.assert_allclose(clip.times - clip.times[0], times, atol=1.5e-3)
    assert np.abs(clip.frames.astype(int) - talking_frames).mean() < 5
    assert [p.name for p in tmp_path.iterdir()] == ["clip.mp4"]


def test_odd_sides_lose_a_pixel(tmp_path):
    frames = np.full((20, 65, 99, 3), 90, np.uint8)
    write_video(((frame, n / 20) for n, frame in enumerate(frames)), tmp_path / "odd.mp4")
    assert load_clip(tmp_path / "odd.mp4").frames.shape[1:3] == (64, 98)


def test_nowhere_to_write_and_a_source_that_fails(tmp_path):
    frames = np.full((5, 64, 64, 3), 90, np.uint8)
    with pytest.raises(WriteError, match="Can't write"):
        write_video(((frame, n / 20) for n, frame in enumerate(frames)), tmp_path / "none" / "a.mp4")

    def broken():
        yield frames[0], 0.0
        raise KeyError("gone")

    with pytest.raises(KeyError):
        write_video(broken(), tmp_path / "b.mp4")
    assert not list(tmp_path.iterdir())


def test_no_frames_make_no_video(tmp_path):
    with pytest.raises(UsageError, match="There are no frames to write to .*none.mp4"):
        write_video([], tmp_path / "none.mp4")
    assert not list(tmp_path.iterdir())


def test_marks_are_where_they_are_said_to_be():
    frame = np.zeros((120, 200, 3), np.uint8)
    marked = mark_face(frame, np.array([20, 10, 90, 80]), np.array([[50.0, 40.0]]))
    assert marked.shape == (360, 600, 3)
    assert marked[120, 150, 1] > 200
    assert marked[30:33, 150].max() > 200  # upper edge of the box
    assert marked[200:, 400:].max() == 0
    assert not mark_face(frame, None, None).any()
