"""What callers have of a clip: a path, bytes, an open file, a Clip, or frames with their times."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from io import UnsupportedOperation
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facemotion.config import MediaSettings
from facemotion.errors import MediaLimitError, UnreadableMediaError, UsageError
from facemotion.media.display import scale_to_analysis
from facemotion.media.gate import FASTEST, Allowance, admit_frames, check_size
from facemotion.media.video import SLOWEST
from facemotion.types import Clip

Passed = TypeVar("Passed")
Frames = NDArray[np.uint8] | Sequence[NDArray[np.uint8]]
ClipLike = (
    str
    | os.PathLike[str]
    | bytes
    | bytearray
    | memoryview
    | BinaryIO
    | Clip
    | tuple[Frames, ArrayLike]
    | list[tuple[NDArray[np.uint8], float]]
)
"""What `footage_of` takes."""

TAKEN = (
    "a path, bytes, an open binary file, a facemotion.Clip, or frames with their times: (frames, seconds of each), "
    "(frames, frames/s) or a list of (frame, seconds), each frame (height, width, 3) uint8 RGB"
)


@dataclass(frozen=True, eq=False)
class HeldFrames:
    """Frames in memory, not yet held to any limit.

    Attributes:
        frames: T of them, (H, W, 3) uint8 RGB, of one size.
        times: (T,) float64 seconds on any clock.
    """

    frames: Frames
    times: NDArray[np.float64]

    def read(self, settings: MediaSettings) -> Iterator[tuple[NDArray[np.uint8], float]]:
        """The frames with their seconds since the first, as `read_frames` gives those of a file.

        Raises:
            MediaLimitError: too long, or frames too large.
            TimestampError: times run backwards, or aren't numbers.
            TooShortError: shorter than `min_seconds`, once the end is reached.
        """
        height, width = np.shape(self.frames[0])[:2]
        check_size(width, height, settings)
        pairs = zip(self.frames, self.times, strict=True)
        shots = ((float(seconds), partial(scale_to_analysis, frame, settings)) for frame, seconds in pairs)
        allowance = Allowance(settings)
        for pair in admit_frames(shots, settings):
            allowance.spend(width, height)
            yield pair


@dataclass(frozen=True, eq=False)
class Footage:
    """A clip as a caller gave it, ready to be read.

    Attributes:
        source: where its frames come from.
        name: for messages; "" where it has none.
    """

    source: Path | bytes | HeldFrames
    name: str = ""


def footage_of(given: ClipLike | Footage, settings: MediaSettings) -> Footage:
    """Make one thing of all that a caller may have; see TAKEN.

    Args:
        given: frames are RGB, unmirrored; an open file is read from where it stands to its end.
        settings: limits; no more of a file is read than they allow.
    Raises:
        UsageError: something else; says what is taken.
        UnreadableMediaError: an open file can't be read.
        MediaLimitError: an open file holds more than the settings allow.
    """
    if isinstance(given, Footage):
        return given
    if isinstance(given, str | os.PathLike):
        try:
            path_text = os.fsdecode(given)
        except TypeError as error:  # its __fspath__ gives something else
            raise UsageError(f"A clip is {TAKEN}; got {type(given).__name__}.") from error
        if not path_text:
            raise UsageError(f"The path of the clip is empty; give {TAKEN}.")
        path = Path(path_text)
        return Footage(path, str(path))
    if isinstance(given, bytes | bytearray | memoryview):
        try:
            return Footage(bytes(given))
        except ValueError as error:
            raise UsageError("The memoryview of the clip was released; give it before that.") from error
    if isinstance(given, Clip):
        return Footage(HeldFrames(given.frames, given.times))
    if isinstance(given, tuple) and len(given) == 2:
        return Footage(_hold(given[0], given[1]))
    if isinstance(given, list) and given and all(isinstance(one, tuple) and len(one) == 2 for one in given):
        return Footage(_hold([frame for frame, _ in given], [seconds for _, seconds in given]))
    if callable(getattr(given, "read", None)) and not isinstance(given, type):
        return _read_file(given, settings)
    what = type(given).__name__
    if isinstance(given, list | tuple | np.ndarray):
        raise UsageError(f"Frames need their times, and this {what} has none: give {TAKEN}.")
    raise UsageError(f"A clip is {TAKEN}; got {what}.")


def footage_of_several(given: Any, settings: MediaSettings, passed: type[Passed]) -> list[Footage | Passed]:
    """Several takes, each as `footage_of` takes it; those without a name are named by their number, from 1.

    Args:
        given: iterable.
        passed: a type whose instances are left as they are.
    Raises:
        UsageError: one clip in place of several, or one that isn't taken. The others: see footage_of.
    """
    one = isinstance(given, str | bytes | bytearray | memoryview | os.PathLike | Clip | Footage | np.ndarray)
    if one or callable(getattr(given, "read", None)) or not hasattr(given, "__iter__"):
        raise UsageError(f"Give several takes as a list, each {TAKEN}; got {type(given).__name__}.")
    found: list[Footage | Passed] = []
    for number, clip in enumerate(given, 1):
        if isinstance(clip, passed):
            found.append(clip)
            continue
        try:
            footage = footage_of(clip, settings)
        except UsageError as error:
            raise type(error)(f"Take {number}: {error}") from error
        found.append(footage if footage.name else Footage(footage.source, f"Take {number}"))
    return found


def _read_file(file: Any, settings: MediaSettings) -> Footage:
    """All of an open file, and one byte more than is allowed at most."""
    name = getattr(file, "name", "")
    most = int(settings.max_mebibytes * 2**20)
    parts: list[bytes] = []
    size = 0
    try:
        while size <= most and (part := file.read(most + 1 - size)):
            if not isinstance(part, bytes):
                raise UsageError(f"The file gives {type(part).__name__}, not bytes; open it with mode 'rb'.")
            parts.append(part)
            size += len(part)
    except UnicodeDecodeError as error:  # a video that was opened as text
        raise UsageError("The file was opened as text; open it with mode 'rb'.") from error
    except UnsupportedOperation as error:  # which says no more than "read"
        raise UnreadableMediaError("The open file isn't open for reading; open it with mode 'rb'.") from error
    except TypeError as error:
        raise UsageError("The file's read() takes no number of bytes; give the bytes themselves.") from error
    except (OSError, ValueError) as error:  # ValueError: it is closed
        raise UnreadableMediaError(f"Can't read the open file: {error}.") from error
    if size == 0 and _stands_behind_something(file):
        raise UnreadableMediaError("Nothing is left to read in the open file; put it back to its start with seek(0).")
    if size > most:
        raise MediaLimitError(f"The file has more than {settings.max_mebibytes:g} MiB, the most that is allowed.")
    return Footage(b"".join(parts), name if isinstance(name, str) else "")


def _stands_behind_something(file: Any) -> bool:
    """Whether a file of which nothing could be read was read before."""
    try:
        return bool(file.tell())
    except (AttributeError, OSError, ValueError):  # a pipe, or an object that only reads
        return False


def _hold(frames: Any, times: Any) -> HeldFrames:
    if isinstance(frames, list | tuple):
        try:
            frames = [np.asarray(frame) for frame in frames]
        except (TypeError, ValueError) as error:  # nested lists of several lengths
            raise UsageError(f"A frame is (height, width, 3) uint8 RGB; got {type(frames[0]).__name__}.") from error
    elif not isinstance(frames, np.ndarray) or frames.ndim == 0:
        raise UsageError(f"Frames are an array or a list; got {type(frames).__name__}. Give {TAKEN}.")
    if len(frames) == 0:
        raise UsageError(f"There is no frame. Give {TAKEN}.")
    first = np.shape(frames[0])
    for number, frame in enumerate(frames):
        if not isinstance(frame, np.ndarray):
            raise UsageError(f"Frame {number} is {type(frame).__name__}; a frame is (height, width, 3) uint8 RGB.")
        kind = f"{np.shape(frame)} {frame.dtype}"
        if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3 or min(frame.shape) == 0:
            raise UsageError(f"Frame {number} is {kind}; a frame is (height, width, 3) uint8 RGB.")
        if frame.shape != first:
            raise UsageError(f"Frame {number} is {kind}, the first one {first}; all have one size.")
    return HeldFrames(frames, _seconds(times, len(frames)))


def _seconds(times: Any, count: int) -> NDArray[np.float64]:
    """(count,) seconds, from those of each frame or from frames/s."""
    try:
        given = np.asarray(times)
        if given.dtype.kind not in "iufO":  # text, truth values, dates and complex numbers pass for floats
            raise TypeError(given.dtype.name)
        found = given.astype(np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise UsageError(f"Times are seconds or frames/s, as numbers; got {type(times).__name__}.") from error
    if found.ndim == 0:
        if not SLOWEST <= found <= FASTEST:
            raise UsageError(f"The rate must be {SLOWEST:g} to {FASTEST:g} frames/s, got {times}.")
        return np.arange(count) / found
    if found.shape != (count,):
        raise UsageError(f"There are {count} frames, but times of shape {found.shape}; give the seconds of each.")
    return found
