"""What FFmpeg says of frames, and what is made of it: damage, times, tracks and shapes."""

from __future__ import annotations

import gc
import io
import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from transformations import LAID, Film, damage, encode, rewrap, with_durations, with_matrix

import facemotion
from facemotion.config import MediaSettings
from facemotion.errors import MediaError, MediaLimitError, NoVideoError, UnreadableMediaError
from facemotion.media import load_clip, read_frames
from facemotion.media.display import Orientation, analysis_size, square_size

SAMPLE = Path(facemotion.__file__).parent / "samples" / "anna-wink-pout-1.mp4"


@pytest.fixture(scope="module")
def film() -> Film:
    """(60, 64, 96, 3) noise that drifts, so that every frame is predicted from the one before; 25 frames/s."""
    noise = np.random.default_rng(0).integers(0, 256, (64, 96, 3), np.uint8)
    return Film(np.stack([np.roll(noise, number, axis=1) for number in range(60)]), np.arange(60) / 25)


@pytest.mark.parametrize("container", ["mp4", "matroska"])
def test_damaged_frames_and_those_predicted_from_them_are_left_out(film, container):
    whole = encode(film, container, options={"g": "10"})
    reader = read_frames(damage(whole, 28), MediaSettings(max_damaged_share=0.05))
    pairs = list(reader)
    kept = [number for number in range(60) if number not in (28, 29)]  # 30 is predicted from no other
    np.testing.assert_allclose([seconds for _, seconds in pairs], film.times[kept], atol=1e-3)
    assert all(np.array_equal(frame, film.frames[number]) for (frame, _), number in zip(pairs, kept, strict=True))
    assert reader.damaged_share == pytest.approx(2 / 60)


def test_too_much_damage_is_refused_though_the_decoder_marks_one_frame(film):
    whole = encode(film, options={"g": "250"})
    with pytest.raises(UnreadableMediaError, match="53% of the frames are damaged"):
        load_clip(damage(whole, 28))


def test_packets_that_the_decoder_refuses_count_as_damaged(film):
    whole = encode(film, "webm", "libvpx-vp9", options={"deadline": "realtime", "cpu-used": "8", "g": "1"})
    with av.open(io.BytesIO(whole)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
    spoilt = bytearray(whole)
    for packet in packets[10:12]:
        place = whole.index(bytes(packet))
        spoilt[place : place + 8] = bytes(8)
    reader = read_frames(bytes(spoilt))
    assert len(list(reader)) == 58
    assert reader.damaged_share == pytest.approx(2 / 60)
    for packet in packets:
        place = whole.index(bytes(packet))
        spoilt[place : place + 8] = bytes(8)
    with pytest.raises(UnreadableMediaError, match="100%"):
        load_clip(bytes(spoilt))


def test_the_frames_own_times_decide_how_long_a_clip_is(film):
    with pytest.raises(MediaLimitError, match="longer than 10 s"):
        load_clip(with_durations(encode(Film(film.frames, film.times * 5)), 0.01))
    assert len(load_clip(with_durations(encode(film), 1000))) == 60


def test_a_stream_without_a_container_is_read_at_the_rate_that_it_names_or_is_given(film):
    half = Film(film.frames, np.arange(60) / 50)
    data = encode(half, "h264", base=Fraction(1, 50))
    np.testing.assert_allclose(load_clip(data).times[:3], np.arange(3) * 2 / 50)  # of 50 frames/s every other one
    np.testing.assert_allclose(load_clip(data, rate=10, settings=MediaSettings()).times[:3], np.arange(3) / 10)
    unnamed = rewrap(encode(film), "h264", "h264_mp4toannexb")  # its clock has 1000 units a second, and that is all
    with pytest.raises(MediaError, match="container.*rate"):
        load_clip(unnamed)
    assert load_clip(unnamed, rate=25).seconds == pytest.approx(59 / 25)
    with pytest.raises(MediaError, match="its own times"):
        load_clip(encode(film), rate=25)
    with pytest.raises(MediaError, match="1 to 240"):
        load_clip(unnamed, rate=0.5)


def test_a_cover_alone_is_no_video(film):
    stream = io.BytesIO()
    with av.open(stream, "w", format="mp4") as out:
        cover = out.add_stream("png", rate=1)
        cover.width, cover.height, cover.pix_fmt, cover.disposition = 96, 64, "rgb24", 0x400
        sound = out.add_stream("aac", rate=16000, layout="mono")
        out.mux(cover.encode(av.VideoFrame.from_ndarray(film.frames[0], format="rgb24")))
        wave = av.AudioFrame.from_ndarray(np.zeros((1, 16000), np.float32), format="fltp", layout="mono")
        wave.sample_rate = 16000
        out.mux(sound.encode(wave))
        out.mux(sound.encode(None))
    with pytest.raises(NoVideoError, match="only sound"):
        load_clip(stream.getvalue())


def test_one_track_whose_disposition_says_nothing_is_shown(film):
    data = encode(film)
    place = data.index(b"tkhd") + 4
    unmarked = data[:place] + b"\0\0\0\2" + data[place + 4 :]
    assert len(load_clip(unmarked)) == 60


def test_frames_that_turn_within_a_clip_are_refused(film):
    """Two films joined in MPEG-TS, of which the second is to be turned by a quarter."""
    filters = "h264_mp4toannexb,h264_metadata=display_orientation=insert:rotate={}"
    first, second = (
        rewrap(encode(Film(film.frames, film.times + start)), "mpegts", filters.format(turn))
        for start, turn in ((0.0, 0), (3.0, 90))
    )
    assert load_clip(first).frames.shape[1:3] == (64, 96)
    assert load_clip(second).frames.shape[1:3] == (96, 64)
    with pytest.raises(UnreadableMediaError, match="changes its shape"):
        load_clip(first + second)


@pytest.mark.parametrize("way", LAID)
def test_a_matrix_lays_a_picture_back(film, way):
    laid, matrix, _ = LAID[way]
    clip = load_clip(with_matrix(encode(film.relaid(*laid)), *matrix))
    assert np.array_equal(clip.frames, film.frames)


def test_a_matrix_between_two_orientations_is_the_nearer_one_and_none_changes_nothing():
    def nearest(*values: float) -> Orientation:
        return Orientation.of_matrix(np.array(values, np.float64).astype(np.int32).tobytes())

    a, b = 65536 * np.cos(np.radians(30)), 65536 * np.sin(np.radians(30))
    assert nearest(a, b, 0, -b, a, 0, 0, 0, 1 << 30) == Orientation()
    assert nearest(b, a, 0, -a, b, 0, 0, 0, 1 << 30) == Orientation(transpose=True, mirror=True)
    assert nearest(*[0] * 9) == Orientation()
    assert Orientation.of_matrix(b"short") == Orientation()


def test_pixels_are_made_square_by_growing_and_odd_headers_are_not_believed():
    assert square_size(240, 240, Fraction(4, 3)) == (320, 240)
    assert square_size(320, 180, Fraction(3, 4)) == (320, 240)
    for pixel in (None, Fraction(0), Fraction(1), Fraction(1000, 1001), Fraction(11), Fraction(1, 11)):
        assert square_size(320, 240, pixel) == (320, 240)
    assert analysis_size(*square_size(1440, 1080, Fraction(4, 3)), 960) == (960, 540)
    assert analysis_size(3, 4000, 960) == (1, 960)


@pytest.mark.parametrize("distance", ["1", "3", "250"])
def test_frames_that_were_read_are_let_go_before_the_collector_comes_by(film, distance):
    """However far key frames are apart. PyAV's frames refer to themselves once their side data were looked at, and
    memory grew by each frame of a clip."""
    frames = read_frames(encode(film, options={"g": distance}))
    most = 0
    gc.collect()
    gc.disable()
    try:
        for number, _ in enumerate(frames):
            if number % 10 == 9:
                most = max(most, sum(issubclass(type(held), av.VideoFrame) for held in gc.get_objects()))
    finally:
        gc.enable()
    assert number == 59
    assert most <= 24  # some wait in the decoder itself, for others that may come late


THREADS_AFTER_TWO_FRAMES = """
import sys
from pathlib import Path
from facemotion.media import read_frames
frames = read_frames(sys.argv[1])
next(frames), next(frames)
print(len(list(Path("/proc/self/task").iterdir())))
"""


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="the system doesn't list a process's threads")
def test_reading_a_clip_starts_no_thread():
    """The conversion of colours started one for each processor, frame by frame, though `decoder_threads` is 1."""
    command = [sys.executable, "-c", THREADS_AFTER_TWO_FRAMES, str(SAMPLE)]
    alone = os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    assert int(subprocess.check_output(command, env=alone, text=True)) == 1


def test_a_film_of_mpeg_1_with_sound_keeps_its_25_frames_a_second():
    """The kind of file that the GRID corpus is published as."""
    stream = io.BytesIO()
    with av.open(stream, "w", format="mpeg") as out:
        video, sound = out.add_stream("mpeg1video", rate=25), out.add_stream("mp2", rate=44100)
        video.width, video.height, video.pix_fmt = 360, 288, "yuv420p"
        for number in range(75):
            grey = np.full((288, 360, 3), 3 * number, np.uint8)
            out.mux(video.encode(av.VideoFrame.from_ndarray(grey, format="rgb24")))
            silence = av.AudioFrame.from_ndarray(np.zeros((1, 2 * 1764), np.int16), format="s16", layout="stereo")
            silence.sample_rate = 44100
            out.mux(sound.encode(silence))
        out.mux(video.encode(None))
        out.mux(sound.encode(None))
    clip = load_clip(stream.getvalue())
    assert clip.frames.shape == (75, 288, 360, 3)
    np.testing.assert_allclose(np.diff(clip.times), 0.04, atol=1e-6)
    np.testing.assert_allclose(clip.frames[:, 100, 100, 0], 3 * np.arange(75), atol=4)
