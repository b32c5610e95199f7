"""One take filmed: somebody finds their place, holds still, makes the motion and rests, while the clip is written."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from facemotion.errors import MediaLimitError
from facemotion.frontend import Acquirer, FrameAnswer, Frontend, Guidance
from facemotion.media.write import write_video
from facemotion.recorder.frame_reader import CameraReader, TimedFrame

STEADY_SECONDS = 0.6
"""How long the guidance must be good before "go", as on the page."""
LEAST_SECONDS = 3.0
"""A take before a camera lasts at least this long. It goes on while the face still moves: a motion that is cut off is
another motion."""
LONGEST_SECONDS = 6.0
"""A take before a camera lasts no longer than this, unless the user asks for more."""
LOOK_SECONDS = 1 / 15
"""Least time between two frames that are looked at: guidance needs no more, and the camera and the file come first."""
READY = "Good: hold still."


@dataclass(frozen=True)
class View:
    """What somebody before the camera should know now.

    Attributes:
        sentence: what to do.
        going: whether the take is being filmed.
        face: whether a face is seen.
        rate: frames/s that the camera gives.
    """

    sentence: str
    going: bool
    face: bool
    rate: float


@dataclass(frozen=True)
class FilmedTake:
    """A clip that was written.

    Attributes:
        frames: in it.
        dropped: frames of the camera that couldn't be written in time.
    """

    frames: int
    dropped: int


class Placing:
    """Tells when somebody has found their place: the guidance was good for STEADY_SECONDS, without a break."""

    def __init__(self) -> None:
        self._since: float | None = None

    def push(self, guidance: Guidance, seconds: float) -> bool:
        """Take in the guidance of one frame.

        Returns:
            Whether the take may begin.
        """
        if guidance is not Guidance.GO:
            self._since = None
            return False
        self._since = seconds if self._since is None else self._since
        return seconds - self._since >= STEADY_SECONDS


class Ending:
    """Tells when a take before a camera is over.

    Args:
        longest: seconds of a take at most.
    """

    def __init__(self, longest: float) -> None:
        self._longest = longest
        self._first: float | None = None

    def push(self, answer: FrameAnswer, seconds: float) -> bool:
        """Take in the answer to one frame of the take.

        Returns:
            Whether it ends here: the face rests after LEAST_SECONDS, or the longest time is over.
        """
        self._first = seconds if self._first is None else self._first
        elapsed = seconds - self._first
        return elapsed >= self._longest or (elapsed >= LEAST_SECONDS and answer.resting)


def film_take(
    reader: CameraReader,
    path: Path,
    frontend: Frontend,
    show: Callable[[View], object],
    longest: float = LONGEST_SECONDS,
) -> FilmedTake:
    """Film one take and write its clip: whole, or not at all.

    Before a camera the take begins once somebody has found their place and ends when the face rests. A film is one
    take from its first frame to its last; nobody is guided, so no frame of it is looked at here.

    Args:
        reader: of the camera or film.
        path: of the clip, which ends in .mp4.
        frontend: looks at the newest frame, again and again. No frame is left out of the clip if it can't keep up.
        show: called with what to tell the user after each look.
        longest: seconds of a take before a camera.
    Raises:
        WriteError: the disk is full, or the place can't be written to.
        CameraError and its kinds, MediaError and its kinds: see Camera.
    """
    if not reader.camera.waits:
        _find_place(reader, frontend, show)
    buffer = reader.record()
    with ThreadPoolExecutor(1, "writer") as pool:
        writing = pool.submit(write_video, buffer.taken(), path)
        writing.add_done_callback(lambda _: buffer.end())  # a film would wait for room in the buffer for ever
        try:
            _follow(reader, writing, frontend, show, longest)
            buffer.end()
            return FilmedTake(writing.result(), buffer.dropped)
        except BaseException:  # Ctrl-C too: the writer removes what it has begun
            buffer.abort()
            raise


def _find_place(reader: CameraReader, frontend: Frontend, show: Callable[[View], object]) -> None:
    acquirer, placing = Acquirer(frontend), Placing()
    for frame, seconds in _looked_at(reader):
        try:
            answer = acquirer.push(frame, seconds)
        except MediaLimitError:
            if _first_frame(acquirer):
                raise  # the frame is too large; the next one will be, too
            acquirer = Acquirer(frontend)  # nobody found their place in time
            continue
        sentence = READY if answer.guidance is Guidance.GO else answer.guidance.value
        show(View(sentence, False, answer.box is not None, reader.rate))
        if placing.push(answer.guidance, seconds):
            return


def _first_frame(acquirer: Acquirer) -> bool:
    return len(acquirer.sighting()) == 0


def _follow(
    reader: CameraReader,
    writing: Future[int],
    frontend: Frontend,
    show: Callable[[View], object],
    longest: float,
) -> None:
    """Look at frames until the take ends. Returns early if the writer has given up; its future then holds the error."""
    acquirer, ending = Acquirer(frontend), Ending(longest)
    show(View(Guidance.GO.value, True, True, reader.rate))
    for frame, seconds in _looked_at(reader):
        if writing.done():
            return
        if reader.camera.waits:
            continue
        answer = acquirer.push(frame, seconds)
        show(View(answer.guidance.value, True, answer.box is not None, reader.rate))
        if ending.push(answer, seconds):
            return


def _looked_at(reader: CameraReader) -> Iterator[TimedFrame]:
    """The newest frame again and again, at most one every LOOK_SECONDS, to the end of a film."""
    latest = -math.inf
    while (shot := reader.newest()) is not None:
        if shot[1] - latest >= LOOK_SECONDS:
            latest = shot[1]
            yield shot
