"""Decoding: real containers and codecs, the limits, and files that aren't what they say."""

from __future__ import annotations

import dataclasses
import io
import os
import struct
import time
import tracemalloc
from fractions import Fraction
from itertools import pairwise

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from facemotion.config import MediaSettings
from facemotion.errors import (
    MediaError,
    MediaLimitError,
    NoVideoError,
    TimestampError,
    TooShortError,
    UnreadableMediaError,
)
from facemotion.media import FrameGate, check_frame, load_clip, read_frames
from facemotion.media.gate import admit_frames


@pytest.fixture(autouse=True)
def usual_priority():
    """SVT-AV1 gives the thread that encodes, where it may, real-time priority and leaves it with it."""
    yield
    if hasattr(os, "sched_setscheduler") and os.sched_getscheduler(0) != os.SCHED_OTHER:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


@pytest.mark.parametrize(
    ("container", "codec"),
    [
        ("webm", "libvpx"),
        ("webm", "libvpx-vp9"),
        ("webm", "libsvtav1"),
        ("mp4", "libx264"),
        ("mp4", "libsvtav1"),
        ("matroska", "libx264"),
        ("avi", "mpeg4"),
    ],
)
def test_containers_and_codecs_of_browsers_and_cameras(talking_frames, encode, container, codec):
    clip = load_clip(encode(talking_frames, container=container, codec=codec))
    assert clip.frames.shape == talking_frames.shape
    np.testing.assert_allclose(np.diff(clip.times), 0.04, atol=2e-3)
    # Colours arrive in RGB order and unmirrored: the error against the source is small, against its mirror large.
    error = np.abs(clip.frames[10].astype(int) - talking_frames[10]).mean()
    assert error < 6
    assert np.abs(clip.frames[10].astype(int) - talking_frames[10][..., ::-1]).mean() > 3 * error


def test_variable_rate_and_gaps_keep_their_times(talking_frames, encode):
    times = np.cumsum([0.0, *np.tile([0.033, 0.04, 0.05, 0.4, 0.035], 6)])[:30]
    clip = load_clip(encode(talking_frames, times, "webm", "libvpx"))
    np.testing.assert_allclose(clip.times, times, atol=1.5e-3)


def test_a_live_webm_has_no_duration_and_is_read(talking_frames):
    """MediaRecorder writes a stream that it can't seek back in, so the header holds no duration."""

    class Pipe(io.RawIOBase):
        def __init__(self) -> None:
            self.parts: list[bytes] = []

        def writable(self) -> bool:
            return True

        def write(self, data) -> int:
            self.parts.append(bytes(data))
            return len(data)

    pipe = Pipe()
    with av.open(pipe, "w", format="webm", options={"live": "1"}) as out:
        video = out.add_stream("libvpx", rate=25)
        video.width, video.height, video.pix_fmt = 320, 240, "yuv420p"
        for number, array in enumerate(talking_frames):
            frame = av.VideoFrame.from_ndarray(array, format="rgb24").reformat(format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            out.mux(video.encode(frame))
        out.mux(video.encode(None))
    data = b"".join(pipe.parts)
    with av.open(io.BytesIO(data)) as container:
        assert container.duration is None
    assert len(load_clip(data)) == 30


def test_rotation_metadata_is_honoured(encode):
    """A phone held upright stores a lying picture and a matrix that turns it a quarter clockwise."""
    frames = np.zeros((20, 64, 96, 3), np.uint8)
    frames[:, :, :20] = 255  # white band on the left of the stored picture
    data = encode(frames)
    identity = struct.pack(">9i", 65536, 0, 0, 0, 65536, 0, 0, 0, 1 << 30)
    quarter = struct.pack(">9i", 0, 65536, 0, -65536, 0, 0, 64 << 16, 0, 1 << 30)
    place = data.index(identity, data.index(b"tkhd"))
    turned = load_clip(data[:place] + quarter + data[place + 36 :])
    assert turned.frames.shape == (20, 96, 64, 3)
    # Turned clockwise, the left edge becomes the top one.
    assert turned.frames[5, :15].mean() > 200
    assert turned.frames[5, 40:].mean() < 50


def test_high_rates_are_thinned_and_large_frames_scaled(encode):
    frames = np.zeros((100, 64, 128, 3), np.uint8)
    clip = load_clip(encode(frames, np.arange(100) / 100), MediaSettings(analysis_side_px=128))
    assert 25 <= (len(clip) - 1) / clip.seconds <= 34
    small = load_clip(encode(frames[:30]), MediaSettings(analysis_side_px=128, max_side_px=128))
    assert small.frames.shape[1:] == (64, 128, 3)
    scaled = load_clip(encode(np.zeros((20, 320, 640, 3), np.uint8)), MediaSettings(analysis_side_px=128))
    assert scaled.frames.shape[1:] == (64, 128, 3)


def test_memory_does_not_grow_with_the_clip(encode):
    data = encode(np.zeros((240, 240, 320, 3), np.uint8))
    tracemalloc.start()
    count = sum(1 for _ in read_frames(data))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 240
    assert peak < 8 * 240 * 320 * 3


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"max_seconds": 0.5}, MediaLimitError),
        ({"min_seconds": 5.0}, TooShortError),
        ({"max_mebibytes": 0.01}, MediaLimitError),
        ({"max_side_px": 100}, MediaLimitError),
        ({"max_decoded_megapixels": 1.0}, MediaLimitError),
    ],
)
def test_limits(talking_frames, encode, change, error):
    with pytest.raises(error):
        load_clip(encode(talking_frames), MediaSettings(**change))


def test_named_errors_for_files_that_are_no_clips(tmp_path, talking_frames, encode):
    good = encode(talking_frames)
    text = tmp_path / "text.mp4"
    text.write_text("this is not a video\n" * 100)
    (tmp_path / "cut.mp4").write_bytes(good[: len(good) // 2])
    for source in (b"", text, tmp_path / "cut.mp4", tmp_path / "absent.mp4", "nul\0character.mp4"):
        with pytest.raises(UnreadableMediaError):
            load_clip(source)
    with pytest.raises(UnreadableMediaError, match=r"give a video file \(MP4, WebM"):
        load_clip(text)
    with pytest.raises(MediaError, match=r"is a folder: .*, from Python: load_clip\(folder, rate=25\)\.$"):
        load_clip(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    holder = os.open(tmp_path / "pipe", os.O_RDWR)  # else opening it would wait for a writer
    try:
        with pytest.raises(UnreadableMediaError, match="regular"):
            load_clip(tmp_path / "pipe")
    finally:
        os.close(holder)


def test_a_file_that_is_not_there_is_looked_for_in_a_named_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UnreadableMediaError) as caught:
        load_clip("5")
    assert str(caught.value) == f"There is no file 5 in {tmp_path}; check the path."


def test_sound_alone_is_no_video():
    stream = io.BytesIO()
    with av.open(stream, "w", format="mp4") as out:
        sound = out.add_stream("aac", rate=16000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 16000), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 16000
        out.mux(sound.encode(frame))
        out.mux(sound.encode(None))
    with pytest.raises(NoVideoError):
        load_clip(stream.getvalue())


def test_a_single_frame_or_picture_is_too_short(tmp_path, talking_frames, encode):
    with pytest.raises(TooShortError):
        load_clip(encode(talking_frames[:1]))
    Image.fromarray(talking_frames[0]).save(tmp_path / "one.png")
    with pytest.raises(TooShortError, match="single picture"):
        load_clip(tmp_path / "one.png")


def test_a_huge_image_is_refused_by_its_header(tmp_path):
    Image.new("L", (20000, 20000)).save(tmp_path / "huge.png")
    with pytest.raises(MediaLimitError, match="too large"):
        load_clip(tmp_path / "huge.png")
    for number in range(3):
        Image.new("L", (5000, 10)).save(tmp_path / f"wide{number}.jpg")
    (tmp_path / "huge.png").unlink()
    with pytest.raises(MediaLimitError):
        load_clip(tmp_path, rate=25)


def test_a_playlist_opens_nothing(tmp_path, talking_frames, encode):
    (tmp_path / "secret.mp4").write_bytes(encode(talking_frames))
    playlist = f"#EXTM3U\n#EXTINF:1,\n{tmp_path}/secret.mp4\n#EXT-X-ENDLIST\n"
    script = f"ffconcat version 1.0\nfile {tmp_path}/secret.mp4\n"
    for text in (playlist, script):
        with pytest.raises(UnreadableMediaError):
            load_clip(text.encode())


def test_a_folder_of_images_is_a_clip_in_natural_order(tmp_path):
    for number in range(12):
        Image.new("RGB", (40, 30), (20 * number, 0, 0)).save(tmp_path / f"frame{number}.png")
    clip = load_clip(tmp_path, rate=10)
    np.testing.assert_allclose(clip.times, np.arange(12) / 10)
    assert [int(frame[0, 0, 0]) for frame in clip.frames] == [20 * number for number in range(12)]
    with pytest.raises(MediaError, match="rate"):
        load_clip(tmp_path, rate=0.1)
    (tmp_path / "frame3.png").write_bytes(b"broken")
    with pytest.raises(UnreadableMediaError, match="frame3"):
        load_clip(tmp_path, rate=10)
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(NoVideoError):
        load_clip(empty, rate=10)


@pytest.mark.parametrize("kind", ["png", "jpg", "bmp", "gif", "webp", "tiff"])
def test_every_kind_of_image_that_the_page_names_is_taken_from_a_folder(tmp_path, kind):
    for number in range(8):
        Image.new("RGB", (40, 30), (0, 30 * number, 0)).save(tmp_path / f"{number}.{kind}")
    frames = load_clip(tmp_path, rate=10).frames
    np.testing.assert_allclose(frames[:, 0, 0, 1], 30 * np.arange(8), atol=3)


def test_images_of_a_folder_take_the_size_of_the_first(tmp_path):
    for number in range(10):
        Image.new("RGB", (40, 30)).save(tmp_path / f"{number}.png")
    Image.new("RGB", (80, 60)).save(tmp_path / "5.png")
    assert load_clip(tmp_path, rate=10).frames.shape == (10, 30, 40, 3)


def test_the_gate_refuses_clocks_that_run_backwards_and_skips_repeats():
    gate = FrameGate(MediaSettings())
    assert gate.admit(5.0)
    assert not gate.admit(5.0)
    assert gate.admit(5.04)
    with pytest.raises(TimestampError, match="backwards"):
        gate.admit(4.0)
    for value in (float("nan"), float("inf")):
        with pytest.raises(TimestampError):
            FrameGate(MediaSettings()).admit(value)


@settings(max_examples=60)
@given(st.lists(st.floats(0, 0.5), min_size=1, max_size=200), st.floats(5, 60))
def test_admitted_times_rise_and_keep_the_rate(steps, rate):
    gate = FrameGate(MediaSettings(max_rate=rate, max_seconds=1000))
    times = np.cumsum(steps)
    admitted = [float(t) for t in times if gate.admit(float(t))]
    assert admitted[0] == times[0]
    assert all(later - earlier > 0.9 / rate for earlier, later in pairwise(admitted))


@pytest.mark.parametrize("rate", [8, 15, 24, 25, 29.97, 30, 32, 48, 50, 60, 90, 120])
@pytest.mark.parametrize("jitter", [0.0, 0.1, 0.5])
def test_a_second_gate_would_let_all_of_the_first_pass(rate, jitter):
    """So one is enough, where a clip is read; and what it lets pass is what two did, one behind the other."""
    limits = MediaSettings()
    random = np.random.default_rng(round(10 * rate))
    times = 7.3 + (np.arange(3 * rate) + random.uniform(-jitter, jitter, len(np.arange(3 * rate)))) / rate
    times = np.maximum.accumulate(times)
    first, second = FrameGate(limits), FrameGate(limits)
    passed = [t for t in (times - times[0]).tolist() if first.admit(t)]
    twice = [t for t in passed if second.admit(t)]
    picture = np.zeros((2, 2, 3), np.uint8)
    once = [seconds for _, seconds in admit_frames(((t, lambda: picture) for t in times.tolist()), limits)]
    assert once == twice == passed
    assert 0.6 * min(rate, limits.max_rate) < len(once) / 3 < limits.max_rate / 0.92


def test_a_frame_that_the_gate_skips_is_not_made():
    made = []

    def shot(seconds: float):
        return seconds, lambda: made.append(seconds) or np.zeros((2, 2, 3), np.uint8)

    list(admit_frames([shot(n / 120) for n in range(121)], MediaSettings()))
    assert len(made) == 31


def test_frames_from_outside_are_checked():
    check_frame(np.zeros((4, 4, 3), np.uint8), MediaSettings())
    for bad in (np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3), np.float32), np.zeros((0, 4, 3), np.uint8)):
        with pytest.raises(MediaError):
            check_frame(bad, MediaSettings())
    with pytest.raises(MediaLimitError):
        check_frame(np.zeros((1, 5000, 3), np.uint8), MediaSettings())


@settings(max_examples=40)
@given(data=st.data())
def test_damaged_clips_give_named_errors_or_a_clip(data, talking_frames, encode):
    good = bytearray(encode(talking_frames[:20]))
    for _ in range(data.draw(st.integers(1, 30))):
        good[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    try:
        clip = load_clip(bytes(good))
    except (MediaError, TooShortError):
        return
    assert clip.frames.dtype == np.uint8


def test_a_title_that_is_not_utf8_is_no_obstacle(encode, talking_frames):
    """PyAV until 18 needs an option for that, which PyAV 19 refuses: each is given what it takes."""
    data = encode(talking_frames).replace(b"Lavf", b"\xff\xfe\xff\xfe")
    assert b"\xff\xfe\xff\xfe" in data
    assert len(load_clip(data)) == len(talking_frames)


def test_a_codec_that_nobody_knows(encode, talking_frames):
    clip = encode(talking_frames).replace(b"avc1", b"zzzz")
    with pytest.raises(UnreadableMediaError, match="unknown kind"):
        load_clip(clip)


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow warns of what it skips in a TIFF
@pytest.mark.parametrize("kind", ["gif", "png", "jpeg", "webp", "tiff"])
def test_pictures_cut_and_flipped_anywhere_are_named_errors(kind, tmp_path):
    """Pillow's parsers let more than OSError out on made-up headers."""
    stream = io.BytesIO()
    frames = [Image.new("RGB", (20, 20), (number * 40, 0, 0)) for number in range(4)]
    frames[0].save(stream, kind, **({"save_all": True, "append_images": frames[1:]} if kind in ("gif", "webp") else {}))
    data, random = stream.getvalue(), np.random.default_rng(0)
    for number in range(150):
        bad = bytearray(data[: random.integers(1, len(data) + 1)]) if number % 2 else bytearray(data)
        for _ in range(int(random.integers(0, 8))):
            bad[random.integers(0, len(bad))] = random.integers(0, 256)
        try:
            load_clip(bytes(bad), MediaSettings(min_seconds=0))
        except (MediaError, TooShortError):
            continue


def packets_again(data: bytes, count: int) -> bytes:
    """A film whose last frame, of a few bytes, is repeated so often, 1 ms apart; decoded, each is as large as ever."""
    out = io.BytesIO()
    with av.open(io.BytesIO(data)) as source, av.open(out, "w", format="matroska") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        packets = [packet for packet in source.demux(source.streams.video[0]) if packet.dts is not None]
        for number in range(count):
            packet = av.Packet(bytes(packets[min(number, len(packets) - 1)]))
            packet.pts = packet.dts = number
            packet.time_base = Fraction(1, 1000)
            packet.is_keyframe = number == 0
            packet.stream = stream
            target.mux(packet)
    return out.getvalue()


def test_every_decoded_frame_counts_at_its_stored_size_though_it_is_skipped(encode):
    """Half a second of 100 frames, of which fifteen are used, scaled down to 128 pixels."""
    film = encode(np.full((2, 512, 512, 3), 90, np.uint8))
    bomb = packets_again(film, 500)
    assert len(bomb) < 40_000
    small = MediaSettings(analysis_side_px=128, min_seconds=0.1)
    with pytest.raises(MediaLimitError, match="more than 60 million pixels"):
        load_clip(bomb, dataclasses.replace(small, max_decoded_megapixels=60))
    with pytest.raises(MediaLimitError, match="more than 241 frames"):
        load_clip(bomb, dataclasses.replace(small, max_seconds=1))


def test_reading_a_clip_ends_at_its_deadline(encode):
    reader = read_frames(encode(np.zeros((20, 64, 64, 3), np.uint8)), max_wall_seconds=0.2)
    next(reader)
    time.sleep(0.3)  # what an analysis does with the frame
    with pytest.raises(MediaLimitError, match=r"longer than 0\.2 s to read"):
        list(reader)
