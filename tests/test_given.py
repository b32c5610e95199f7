"""What callers have of a clip is taken in every form; anything else is told what is."""

from __future__ import annotations

import io
import os

import numpy as np
import pytest

import facemotion as fm
from facemotion.config import MediaSettings, Settings, load_settings
from facemotion.errors import (
    EnrolmentError,
    MediaLimitError,
    ModelMismatchError,
    NoFaceError,
    TimestampError,
    TooShortError,
    UnreadableMediaError,
    UsageError,
)
from facemotion.media import HeldFrames, footage_of
from facemotion.types import Clip, Embedding


@pytest.fixture(scope="module")
def verifier() -> fm.Verifier:
    return fm.Verifier.load(Settings())


@pytest.fixture(scope="module")
def film(talking_frames, encode, tmp_path_factory):
    """A clip as a file."""
    path = tmp_path_factory.mktemp("given") / "talk.mp4"
    path.write_bytes(encode(talking_frames))
    return path


@pytest.fixture(scope="module")
def clip(film) -> Clip:
    return fm.load_clip(film)


@pytest.fixture(scope="module")
def by_path(verifier, film) -> Embedding:
    """What the file becomes."""
    return verifier.embed(film)


FORMS = {
    "path as text": lambda film, clip: str(film),
    "bytes": lambda film, clip: film.read_bytes(),
    "memoryview": lambda film, clip: memoryview(film.read_bytes()),
    "file in memory": lambda film, clip: io.BytesIO(film.read_bytes()),
    "Clip": lambda film, clip: clip,
    "array and seconds": lambda film, clip: (clip.frames, clip.times),
    "list and rate": lambda film, clip: (list(clip.frames), 25),
    "list of pairs": lambda film, clip: [(f, 7 + s) for f, s in zip(clip.frames, clip.times, strict=True)],
}


@pytest.mark.parametrize("form", FORMS)
def test_a_clip_is_taken_in_every_form(verifier, film, clip, by_path, form):
    assert verifier.embed(FORMS[form](film, clip)).cosine(by_path) == pytest.approx(1, abs=1e-4)


def test_verify_enrol_and_check_take_different_forms_together(verifier, clips, tmp_path):
    one, two = clips / "talk1.mp4", clips / "talk2.mp4"
    with one.open("rb") as file:
        assert verifier.verify(file, fm.load_clip(two)).accepted
    session = verifier.live()
    for frame, seconds in zip(fm.load_clip(two).frames, fm.load_clip(two).times, strict=True):
        session.push(frame, seconds)
    live = session.finish()
    with fm.open_store(tmp_path / "store.db") as store, one.open("rb") as file:
        verifier.enrol(store, "alice", (take for take in (file, live)))
        assert verifier.check(store, "alice", two.read_bytes()).accepted


ONES = np.ones((30, 48, 64, 3), np.uint8)


class NumberedPath(os.PathLike):
    def __fspath__(self) -> int:
        return 3


class ReadsWhole:
    def read(self) -> bytes:
        return b""


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (None, "A clip is a path, bytes, an open binary file, a facemotion.Clip, or frames with their times"),
        (7, "got int"),
        ({}, "got dict"),
        (ONES, "Frames need their times, and this ndarray has none"),
        (list(ONES), "Frames need their times, and this list has none"),
        ([], "Frames need their times"),
        ((ONES.astype(np.float32), 25), r"Frame 0 is \(48, 64, 3\) float32; a frame is \(height, width, 3\) uint8 RGB"),
        ((ONES[..., 0], 25), r"Frame 0 is \(48, 64\) uint8"),
        ((ONES.transpose(0, 3, 1, 2), 25), r"Frame 0 is \(3, 48, 64\) uint8"),
        (([ONES[0], ONES[0, 1:]], 25), "Frame 1 is .* the first one .* one size"),
        ((["a.png", "b.png"], 25), "Frame 0 is"),
        ((ONES[:0], 25), "There is no frame"),
        ((7, 25), "Frames are an array or a list; got int"),
        ((ONES, np.arange(29)), r"30 frames, but times of shape \(29,\)"),
        ((ONES, 0), "rate must be 1 to 240 frames/s, got 0"),
        ((ONES, True), "seconds or frames/s, as numbers; got bool"),
        ((ONES, np.True_), "seconds or frames/s"),
        ((ONES, "25"), "seconds or frames/s"),
        ((ONES, np.arange(30).astype(str)), "seconds or frames/s"),
        ((ONES, np.arange(30) * 1j), "seconds or frames/s"),
        ((ONES, np.arange(30).astype("datetime64[s]")), "seconds or frames/s"),
        ((ONES, np.arange(30) > 3), "seconds or frames/s"),
        ((ONES, [10**400] * 30), "seconds or frames/s"),
        ((np.array([None, 1]), 25), "Frame 0 is NoneType"),
        (([[[1], [1, 2]]], 25), "A frame is"),
        (io.BytesIO, "got type"),
        (NumberedPath(), "got NumberedPath"),
        (ReadsWhole(), "takes no number of bytes"),
        ((ONES, "fast"), "seconds or frames/s"),
        ((ONES, None), "rate must be"),
        ("", "The path of the clip is empty; give a path, bytes"),
        (io.StringIO("text"), "The file gives str, not bytes; open it with mode 'rb'"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_anything_else_is_told_what_is_taken(verifier, given, words):
    for call in (verifier.embed, lambda one: verifier.verify("absent.mp4", one)):
        with pytest.raises(UsageError, match=words):
            call(given)
        if isinstance(given, io.StringIO):
            given.seek(0)


@pytest.mark.parametrize("given", ["one.mp4", b"one", None, ONES, Clip(ONES, np.arange(30) / 25)], ids=str)
def test_one_clip_in_place_of_several_takes_is_told_so(verifier, tmp_path, given):
    with fm.open_store(tmp_path / "store.db") as store, pytest.raises(UsageError, match="Give several takes as a list"):
        verifier.enrol(store, "alice", given)


def test_an_open_file_that_gives_nothing_is_told_why(film, tmp_path):
    with film.open("rb") as file:
        file.read()
        with pytest.raises(UnreadableMediaError, match=r"^Nothing is left to read in the open file; .* seek\(0\)\.$"):
            footage_of(file, MediaSettings())
    with (tmp_path / "new.mp4").open("wb") as file, pytest.raises(UnreadableMediaError, match="isn't open for reading"):
        footage_of(file, MediaSettings())


def test_a_video_opened_as_text_is_told_the_mode(film):
    with film.open(encoding="utf-8") as file, pytest.raises(UsageError, match="mode 'rb'"):
        footage_of(file, MediaSettings())


def test_a_memoryview_that_was_released_is_told_so():
    view = memoryview(b"clip")
    view.release()
    with pytest.raises(UsageError, match="released"):
        footage_of(view, MediaSettings())


def test_times_in_milliseconds_are_told_to_be_seconds(verifier):
    with pytest.raises(MediaLimitError, match="Times are in seconds"):
        verifier.embed((ONES, 1000 * np.arange(30)))


def test_of_several_takes_without_a_name_the_one_meant_is_numbered(verifier, clip, tmp_path):
    with fm.open_store(tmp_path / "store.db") as store:
        with pytest.raises(UsageError, match="^Take 2: A clip is"):
            verifier.enrol(store, "alice", [clip, None])
        with pytest.raises(NoFaceError, match="^Take 2: No face"):
            verifier.enrol(store, "alice", [clip, (ONES, 25)])
        with pytest.raises(EnrolmentError, match="got 1"):
            verifier.enrol(store, "alice", [clip])


def test_an_open_file_is_read_no_further_than_the_settings_allow(tmp_path):
    with open(os.devnull, "rb") as nothing:
        pass
    with pytest.raises(UnreadableMediaError, match="closed"):
        footage_of(nothing, MediaSettings())
    endless = io.BytesIO(bytes(2**20))
    with pytest.raises(MediaLimitError, match=r"more than 0\.5 MiB"):
        footage_of(endless, MediaSettings(max_mebibytes=0.5))
    assert endless.tell() == 2**19 + 1


def test_frames_in_memory_are_held_to_the_limits_of_files():
    def read(times, **limits) -> list[np.ndarray]:
        return [frame for frame, _ in HeldFrames(ONES, np.asarray(times)).read(MediaSettings(**limits))]

    rising = np.arange(30) / 25
    assert read(rising, analysis_side_px=128)[0].shape == (48, 64, 3)
    assert len(read(rising / 2)) == 15  # 50 frames/s
    large = HeldFrames(ONES.repeat(4, axis=1).repeat(4, axis=2), rising)
    assert next(large.read(MediaSettings(analysis_side_px=128)))[0].shape == (96, 128, 3)
    with pytest.raises(MediaLimitError, match="longest side"):
        next(large.read(MediaSettings(max_side_px=200)))
    for times, error in ((1000 * rising, MediaLimitError), (-rising, TimestampError), (rising / 10, TooShortError)):
        with pytest.raises(error):
            read(times)
    square = HeldFrames(np.ones((2, 1100, 1100, 3), np.uint8), rising[:2])
    with pytest.raises(MediaLimitError, match="million pixels"):
        list(square.read(MediaSettings(max_decoded_megapixels=1)))


def test_the_frames_of_a_caller_stay_theirs(verifier, clip):
    frames, times = clip.frames.copy(), clip.times.copy()
    verifier.embed((frames, times))
    frames[0], times[0] = 0, -1  # a Clip would have frozen them


def test_a_camera_that_gives_blue_first_is_turned_by_us(verifier, clip):
    session = verifier.live("BGR")
    for frame, seconds in zip(clip.frames, clip.times, strict=True):
        session.push(frame[:, :, ::-1], seconds)
    assert verifier.embed(session.finish()).cosine(verifier.embed(clip)) == pytest.approx(1, abs=1e-5)
    with pytest.raises(UsageError, match="RGB or BGR, got 'GBR'"):
        verifier.live("GBR")


def test_embeddings_compare_by_cosine():
    one, other = (Embedding(np.array(v, np.float32), "a@1") for v in ([1, 0], [0.6, 0.8]))
    assert one.cosine(other) == pytest.approx(0.6)
    assert fm.cosine(other, one) == one.cosine(other)
    with pytest.raises(ModelMismatchError):
        one.cosine(Embedding(np.array([1, 0], np.float32), "b@1"))
    for call in (lambda: one.cosine(other.vector), lambda: fm.cosine(one.vector, other)):
        with pytest.raises(UsageError, match="compared with another one, got ndarray"):
            call()


def test_no_settings_mean_those_of_this_machine_to_verifier_and_frontend_alike(tmp_path, monkeypatch):
    path = tmp_path / "mine.toml"
    path.write_text("[media]\nmax_seconds = 4.5\n")
    monkeypatch.setenv("FACEMOTION_CONFIG", str(path))
    assert fm.Frontend.load().settings == fm.Verifier.load(None).settings == load_settings()
    assert fm.Frontend.load(None).settings.media.max_seconds == 4.5
    monkeypatch.delenv("FACEMOTION_CONFIG")
    assert fm.Frontend.load().settings == fm.Verifier.load().settings == Settings()
