"""Where the frames of a take come from: a camera that OpenCV opens, or a film in its place."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from facemotion.config import MediaSettings
from facemotion.data.take_folders import visible_files
from facemotion.errors import CameraLostError, NoCameraError, NoVideoError
from facemotion.media import read_frames
from facemotion.media.gate import Frame

MOST_DEVICES = 10
"""Numbers of cameras that are tried where the system has no list of them."""
SUFFIXES = (".avi", ".m4v", ".mkv", ".mov", ".mp4", ".webm")
"""Endings of the files of a folder that count as films."""
DEEPEST = 2
"""Folders of folders in which films are looked for: of people, and of their motions."""
_LINUX_LIST = Path("/sys/class/video4linux")


class Camera(Protocol):
    """Gives frames in the order in which they were filmed."""

    @property
    def name(self) -> str:
        """For messages."""

    @property
    def waits(self) -> bool:
        """Whether frames wait until somebody takes them, as those of a film do; a camera films on."""

    def frames(self) -> Iterator[tuple[Frame, float]]:
        """Frames (H, W, 3) uint8 RGB, unmirrored, and their seconds on any clock, rising; ends where the take ends.

        Raises:
            CameraError and its kinds: no frame can be had.
            MediaError and its kinds: the film can't be read.
        """


@dataclass(frozen=True)
class Film:
    """A film in the camera's place: one take, from its first frame to its last, with the film's own times.

    Args:
        path: of a video.
        settings: limits; frames keep the size in which they were filmed.
        called: what a plan calls it: the path below the folder that was given, with slashes. "": the file's name.
    """

    path: Path
    settings: MediaSettings
    waits: bool = True
    called: str = ""

    def __post_init__(self) -> None:
        if not self.called:
            object.__setattr__(self, "called", self.path.name)

    @property
    def name(self) -> str:
        """The path."""
        return str(self.path)

    def frames(self) -> Iterator[tuple[Frame, float]]:
        """See Camera."""
        return read_frames(self.path, replace(self.settings, analysis_side_px=self.settings.max_side_px))


def films_of(places: Iterable[Path], settings: MediaSettings) -> list[Film]:
    """Films in the order in which they are named; of a folder its videos in the order of their names, 2 before 10.

    A folder that holds no video itself stands for those in its folders and in theirs, such as SUBJECT/MOTION/TAKE.

    Raises:
        NoVideoError: a folder holds no video.
    """
    films = []
    for place in places:
        if not place.is_dir():
            films.append(Film(place, settings))
            continue
        found: list[Path] = []
        folders, depth = [place], 0
        while folders and not found and depth <= DEEPEST:
            inside = [path for folder in folders for path in visible_files(folder)]
            found = [path for path in inside if path.suffix.lower() in SUFFIXES and not path.is_dir()]
            folders, depth = [path for path in inside if path.is_dir()], depth + 1
        if not found:
            raise NoVideoError(f"The folder {place} holds no video ({', '.join(SUFFIXES)}); name the films.")
        films += [Film(path, settings, called=path.relative_to(place).as_posix()) for path in found]
    return films


@dataclass(frozen=True)
class Device:
    """A camera, opened by OpenCV while its frames are taken.

    Args:
        which: its number, from 0, or what else OpenCV opens: a device's path or a stream's address.
        size: wanted width and height, pixels; the camera takes the nearest that it has. None: its own.
    """

    which: int | str
    size: tuple[int, int] | None = None
    waits: bool = False

    @property
    def name(self) -> str:
        """Its number or path."""
        return f"camera {self.which}"

    def frames(self) -> Iterator[tuple[Frame, float]]:
        """See Camera; the time of a frame is the one at which it arrived, on the monotonic clock.

        Raises:
            NoCameraError: it can't be opened.
            CameraLostError: it stopped giving frames.
        """
        with _Quiet():
            capture = cv2.VideoCapture(self.which)
        try:
            if not capture.isOpened():
                raise NoCameraError(
                    f"The {self.name} can't be opened: plug it in, close other programs that use it, allow access, or "
                    "choose another one (`facemotion record --list`)."
                )
            if self.size is not None:
                capture.set(cv2.CAP_PROP_FRAME_WIDTH, self.size[0])
                capture.set(cv2.CAP_PROP_FRAME_HEIGHT, self.size[1])
            while capture.grab():
                seconds = time.monotonic()  # before the picture is decoded, which takes a while
                there, picture = capture.retrieve()
                if not there:
                    break
                yield np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8), seconds
        finally:
            capture.release()
        raise CameraLostError(f"The {self.name} stopped giving frames: plug it in again, and close what else uses it.")


@dataclass(frozen=True)
class FoundDevice:
    """A camera of this machine.

    Attributes:
        number: for `Device`.
        name: as the system calls it, "" where that can't be told.
        width, height: of its frames, pixels.
        rate: frames/s as the camera says, 0 where it says nothing.
    """

    number: int
    name: str
    width: int
    height: int
    rate: float


def list_devices() -> list[FoundDevice]:
    """The cameras that can be opened now. Each is opened for a moment: its lamp may light up."""
    found = []
    with _Quiet():
        for number in _numbers():
            capture = cv2.VideoCapture(number)
            if capture.isOpened():
                width, height = (
                    int(capture.get(side)) for side in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT)
                )
                found.append(FoundDevice(number, _name(number), width, height, float(capture.get(cv2.CAP_PROP_FPS))))
            capture.release()
    return found


def _numbers() -> list[int]:
    if os.name == "posix" and _LINUX_LIST.parent.is_dir():
        folders = _LINUX_LIST.iterdir() if _LINUX_LIST.is_dir() else ()
        return sorted(int(match[1]) for path in folders if (match := re.fullmatch(r"video(\d+)", path.name)))
    return list(range(MOST_DEVICES))


def _name(number: int) -> str:
    try:
        return (_LINUX_LIST / f"video{number}" / "name").read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""


class _Quiet:
    """Keeps OpenCV from writing to standard error about a camera that doesn't exist: the command reports it."""

    def __enter__(self) -> None:
        self._before = cv2.utils.logging.getLogLevel()
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)

    def __exit__(self, *details: object) -> None:
        cv2.utils.logging.setLogLevel(self._before)
