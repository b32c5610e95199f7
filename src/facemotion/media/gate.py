"""What a frame and its time must be, for a file and for a camera alike."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from facemotion.config import MediaSettings
from facemotion.errors import MediaError, MediaLimitError, TimestampError, TooShortError

Frame = NDArray[np.uint8]
FASTEST = 240.0
"""Frames/s of the quickest cameras; no clip within the limits has more."""


class Allowance:
    """What reading one clip may cost. Every frame counts that is decoded, at the size that it is stored in, used
    afterwards or not: a few bytes may stand for sixteen million pixels.

    Args:
        settings: limits of the whole clip.
        seconds: wall time that reading may take, from now, with whatever is done with the frames in between; None: any.
    """

    def __init__(self, settings: MediaSettings, seconds: float | None = None) -> None:
        self._most_pixels = settings.max_decoded_megapixels
        self._most_frames = int(settings.max_seconds * FASTEST) + 1
        self._seconds = seconds
        self._end = math.inf if seconds is None else time.monotonic() + seconds
        self._asked = self._made = 0.0
        self._asked_frames = self._made_frames = 0

    @property
    def seconds_left(self) -> float | None:
        """How much of the time is left; None where there is no limit."""
        return None if self._seconds is None else max(0.001, self._end - time.monotonic())

    def ask(self, width: int, height: int, passes: int = 1) -> None:
        """Count a packet before it is decoded, as one frame of that many pixels a side, which may come out later or not
        at all.

        Args:
            width, height: of the frame.
            passes: over the picture that it takes, as those of a progressive JPEG.
        Raises:
            MediaLimitError: past a limit, or past the end of the time.
        """
        self._asked += width * height * passes / 1e6
        self._asked_frames += 1
        self._check()

    def spend(self, width: int, height: int) -> None:
        """Count a frame that came out of a decoder; see ask."""
        self._made += width * height / 1e6
        self._made_frames += 1
        self._check()

    def _check(self) -> None:
        if max(self._asked, self._made) > self._most_pixels:
            raise MediaLimitError(
                f"The clip has more than {self._most_pixels:g} million pixels; record a smaller one, or fewer frames a "
                "second."
            )
        if max(self._asked_frames, self._made_frames) > self._most_frames:
            raise MediaLimitError(
                f"The clip has more than {self._most_frames} frames; record a shorter one, or fewer frames a second."
            )
        self.check_time()

    def check_time(self) -> None:
        """
        Raises:
            MediaLimitError: the time is over.
        """
        if time.monotonic() > self._end:
            raise MediaLimitError(f"The clip takes longer than {self._seconds:g} s to read; record a smaller one.")


class FrameGate:
    """Admits the frames of one clip, in order, by their times.

    Frames beyond the highest rate are skipped, so that a 120 frames/s camera costs no more than one of 30, and repeated
    times (some recorders write them after a pause) are skipped too.
    """

    def __init__(self, settings: MediaSettings) -> None:
        self._max_seconds = settings.max_seconds
        # Cameras jitter: 8% under the spacing still passes, or a 30 frames/s stream would lose every other frame.
        self._spacing = 0.92 / settings.max_rate
        self._first = math.nan
        self._latest = math.nan
        self._admitted = -math.inf

    def admit(self, seconds: float) -> bool:
        """Whether the frame taken at `seconds` is to be used.

        Raises:
            TimestampError: the time isn't a number or lies before the last one.
            MediaLimitError: the clip is longer than the settings allow.
        """
        if not math.isfinite(seconds):
            raise TimestampError("A frame has no valid time stamp; record the clip again.")
        if math.isnan(self._first):
            self._first = seconds
        elif seconds < self._latest - 1e-6:
            raise TimestampError(
                f"The clip's clock runs backwards (from {self._latest:.3f} to {seconds:.3f} s); record the clip again."
            )
        self._latest = seconds
        if seconds - self._first > self._max_seconds:
            raise MediaLimitError(
                f"The clip is longer than {self._max_seconds:g} s; record a shorter one. Times are in seconds."
            )
        if seconds - self._admitted < self._spacing:
            return False
        self._admitted = seconds
        return True


def admit_frames(
    shots: Iterable[tuple[float, Callable[[], Frame]]], settings: MediaSettings
) -> Iterator[tuple[Frame, float]]:
    """The frames of a whole clip that are to be used, held to the limits of one.

    Args:
        shots: of each frame its seconds on any clock, and a call that makes its picture; only what is used is made.
        settings: limits.
    Returns:
        Iterator of (H, W, 3) uint8 RGB and the seconds since the first.
    Raises:
        TimestampError, MediaLimitError: see `FrameGate.admit`.
        TooShortError: shorter than `min_seconds`, once the end is reached.
    """
    gate, start, latest = FrameGate(settings), math.nan, 0.0
    for seconds, make in shots:
        start = seconds if math.isnan(start) else start
        if not gate.admit(seconds - start):
            continue
        latest = seconds - start
        yield make(), latest
    if latest < settings.min_seconds:
        raise TooShortError(f"The clip lasts {latest:.2f} s; at least {settings.min_seconds:g} s are needed.")


def check_frame(frame: Frame, settings: MediaSettings) -> None:
    """Hold a frame that comes from outside to (H, W, 3) uint8 and to the size limits.

    Raises:
        MediaError: another shape or type.
        MediaLimitError: a side is too long.
    """
    if not isinstance(frame, np.ndarray):
        raise MediaError(f"A frame must be a (height, width, 3) uint8 RGB array, got {type(frame).__name__}.")
    if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3 or min(frame.shape) == 0:
        raise MediaError(f"A frame must be (height, width, 3) uint8 RGB, got {frame.shape} {frame.dtype}.")
    check_size(frame.shape[1], frame.shape[0], settings)


def check_size(width: int, height: int, settings: MediaSettings) -> None:
    """Raise MediaLimitError if a side is longer than the settings allow."""
    if max(width, height) > settings.max_side_px:
        raise MediaLimitError(
            f"The picture is {width} x {height} pixels; "
            f"the longest side allowed is {settings.max_side_px}. Record it smaller."
        )
