"""A camera is read in a thread of its own: writing never holds it up, and its silence has a name."""

from __future__ import annotations

import os
import threading
import time
from contextlib import suppress

import numpy as np
import pytest

from facemotion.config import MediaSettings
from facemotion.errors import CameraLostError, CameraSilentError, NoCameraError, UnreadableMediaError
from facemotion.recorder.cameras import Device, Film
from facemotion.recorder.frame_reader import CameraReader, FrameBuffer, TakeStoppedError

FRAME = np.zeros((4, 4, 3), np.uint8)


def read_all(reader: CameraReader) -> int:
    count = 0
    while reader.newest() is not None:
        count += 1
    return count


def test_a_full_buffer_drops_frames_and_never_waits():
    buffer = FrameBuffer(most_bytes=2 * FRAME.nbytes)
    assert [buffer.offer(FRAME, number) for number in range(4)] == [True, True, False, False]
    assert buffer.dropped == 2
    buffer.end()
    assert not buffer.offer(FRAME, 5)
    assert buffer.dropped == 2  # after the take nothing is missing
    assert [seconds for _, seconds in buffer.taken()] == [0, 1]


def test_the_times_of_a_take_begin_at_its_first_frame():
    buffer = FrameBuffer()
    for seconds in (1000.0, 1000.04, 1000.11):
        buffer.offer(FRAME, seconds)
    buffer.end()
    assert [seconds for _, seconds in buffer.taken()] == pytest.approx([0, 0.04, 0.11])


def test_a_film_waits_for_room_and_loses_nothing(short_films):
    film = Film(short_films / "nobody.mp4", MediaSettings())
    reader = CameraReader(film, most_bytes=1)  # room for one frame
    taken: list[float] = []
    writer = threading.Thread(target=lambda: taken.extend(seconds for _, seconds in reader.record().taken()))
    writer.start()
    assert read_all(reader) >= 1
    writer.join()
    reader.close()
    assert taken == pytest.approx(np.arange(25) / 25, abs=1e-3)


def test_a_take_that_is_given_up_stops_its_writer():
    buffer = FrameBuffer()
    buffer.offer(FRAME, 0)
    buffer.abort()
    with pytest.raises(TakeStoppedError):
        list(buffer.taken())


def test_a_camera_that_is_not_there_is_named(tmp_path):
    reader = CameraReader(Device(str(tmp_path / "video7")))
    with pytest.raises(NoCameraError, match=r"video7 can't be opened: plug it in.*`facemotion record --list`"):
        reader.newest()


def test_a_camera_that_stops_is_named_once_its_last_frame_was_seen(short_films):
    reader = CameraReader(Device(str(short_films / "nobody.mp4")))  # opened as a camera, it vanishes after 25 frames
    with pytest.raises(CameraLostError, match="stopped giving frames: plug it in again"):
        read_all(reader)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs a named pipe")
def test_a_camera_that_gives_no_frame_is_named_after_some_seconds(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    reader = CameraReader(Device(str(tmp_path / "pipe")), first_frame_seconds=0.2)
    with pytest.raises(CameraSilentError, match=r"gives no frame within 0\.2 s"):
        reader.newest()
    with suppress(OSError):  # let the thread end, if it waits for a writer
        os.close(os.open(tmp_path / "pipe", os.O_WRONLY | os.O_NONBLOCK))


def test_a_camera_that_pauses_for_too_long_is_lost(monkeypatch):
    class Pausing:
        name, waits = "camera of a test", False

        def frames(self):
            yield FRAME, 0.0
            time.sleep(0.5)

    monkeypatch.setattr("facemotion.recorder.frame_reader.SILENCE_SECONDS", 0.1)
    reader = CameraReader(Pausing())
    assert reader.newest() is not None
    with pytest.raises(CameraLostError, match=r"gave no frame for 0\.1 s"):
        reader.newest()


def test_a_film_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UnreadableMediaError, match="There is no file"):
        CameraReader(Film(tmp_path / "absent.mp4", MediaSettings())).newest()
