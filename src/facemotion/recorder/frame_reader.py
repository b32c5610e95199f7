"""A camera read in a thread of its own, so that neither looking at frames nor writing them holds it up."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from threading import Condition, Thread

from facemotion.errors import CameraLostError, CameraSilentError
from facemotion.media.gate import Frame
from facemotion.recorder.cameras import Camera

TimedFrame = tuple[Frame, float]
"""A frame and its seconds on the camera's clock."""
MOST_BYTES = 256 * 2**20
"""Frames that wait to be written: nine seconds of 640 x 480 at 30 frames/s, one of 1920 x 1080."""
FIRST_FRAME_SECONDS = 10.0
"""How long a camera may take to give its first frame: some open slowly."""
SILENCE_SECONDS = 3.0
"""How long a camera may pause afterwards."""
RATE_SECONDS = 1.0
"""The time over which the rate of frames is counted."""


class TakeStoppedError(Exception):
    """Raised in the thread that writes a take, so that the half clip is removed."""


class FrameBuffer:
    """Frames of one take between the camera and the file, at most so many bytes.

    Args:
        most_bytes: of frames that wait; one frame always may.

    Attributes:
        dropped: frames that came while it was full.
    """

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self.dropped = 0
        self._most = most_bytes
        self._held = 0
        self._shots: deque[TimedFrame] = deque()
        self._changed = Condition()
        self._ended = self._aborted = False

    def offer(self, frame: Frame, seconds: float) -> bool:
        """Add a frame, unless the buffer is full or closed; never waits.

        Returns:
            Whether it was added.
        """
        with self._changed:
            if self._ended:
                return False
            if self._full(frame):
                self.dropped += 1
                return False
            self._add(frame, seconds)
            return True

    def put(self, frame: Frame, seconds: float) -> None:
        """Add a frame once there is room for it; of a closed buffer nothing is kept."""
        with self._changed:
            self._changed.wait_for(lambda: self._ended or not self._full(frame))
            if not self._ended:
                self._add(frame, seconds)

    def end(self) -> None:
        """No further frames come; those there are will be taken."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def abort(self) -> None:
        """Nothing is wanted of this take any more."""
        with self._changed:
            self._aborted = True
        self.end()

    def taken(self) -> Iterator[TimedFrame]:
        """The frames in their order, as they come, with their seconds since the first.

        Raises:
            TakeStoppedError: by `abort`.
        """
        first: float | None = None
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._ended or self._shots)
                if self._aborted:
                    raise TakeStoppedError
                if not self._shots:
                    return
                frame, seconds = self._shots.popleft()
                self._held -= frame.nbytes
                self._changed.notify_all()
            first = seconds if first is None else first
            yield frame, seconds - first

    def _full(self, frame: Frame) -> bool:
        return bool(self._shots) and self._held + frame.nbytes > self._most

    def _add(self, frame: Frame, seconds: float) -> None:
        self._shots.append((frame, seconds))
        self._held += frame.nbytes
        self._changed.notify_all()


class CameraReader:
    """Reads a camera until it is closed: the newest frame can be looked at, and all go into a buffer while one is set.

    Args:
        camera: read by the thread alone. Frames of one that waits go into the buffer from the first on.
        first_frame_seconds: how long to wait for the first frame.
        most_bytes: of a buffer.
    """

    def __init__(
        self, camera: Camera, *, first_frame_seconds: float = FIRST_FRAME_SECONDS, most_bytes: int = MOST_BYTES
    ) -> None:
        self.camera = camera
        self._patience = first_frame_seconds
        self._most_bytes = most_bytes
        self._changed = Condition()
        self._newest: TimedFrame | None = None
        self._buffer: FrameBuffer | None = FrameBuffer(most_bytes) if camera.waits else None
        self._recent: deque[float] = deque()
        self._error: BaseException | None = None
        self._ended = self._closed = False
        self._heard = time.monotonic()
        self._thread = Thread(target=self._read, name="camera", daemon=True)
        self._thread.start()

    def record(self) -> FrameBuffer:
        """Keep every frame from now on; of a film, from its first one.

        Returns:
            The buffer, until `end` is called on it.
        """
        with self._changed:
            if self._buffer is None or not self.camera.waits:
                self._buffer = FrameBuffer(self._most_bytes)
            return self._buffer

    def newest(self) -> TimedFrame | None:
        """The newest frame that wasn't given before, waited for.

        Returns:
            None where the film has ended.
        Raises:
            CameraSilentError: the camera gives no frame.
            CameraLostError: it gave some, and no more.
            Whatever the camera raises.
        """
        with self._changed:
            while self._newest is None and not self._ended:
                self._changed.wait(0.1)  # awake now and then, so that Ctrl-C is heard on every system
                if not self.camera.waits and time.monotonic() - self._heard > self._patience:
                    raise self._silence()
            if self._newest is None and self._error is not None:
                raise self._error
            shot, self._newest = self._newest, None
            return shot

    @property
    def rate(self) -> float:
        """Frames/s over the last second."""
        with self._changed:
            if len(self._recent) < 2:
                return 0.0
            return (len(self._recent) - 1) / max(self._recent[-1] - self._recent[0], 1e-6)

    def close(self) -> None:
        """Stop reading. A camera that hangs is left to the end of the program."""
        with self._changed:
            self._closed = True
            buffer = self._buffer
        if buffer is not None:
            buffer.end()
        self._thread.join(1.0)

    def _silence(self) -> CameraSilentError | CameraLostError:
        name = self.camera.name
        if self._recent:
            return CameraLostError(
                f"The {name} gave no frame for {self._patience:g} s: plug it in again, and close what else uses it."
            )
        return CameraSilentError(
            f"The {name} gives no frame within {self._patience:g} s: close other programs that use it, open its "
            "shutter, or choose another one (`facemotion record --list`)."
        )

    def _read(self) -> None:
        try:
            for frame, seconds in self.camera.frames():
                if not self._pass_on(frame, seconds):
                    break
        except BaseException as error:  # noqa: BLE001 - it is raised where frames are asked for
            self._error = error
        with self._changed:
            self._ended = True
            if self._buffer is not None and self.camera.waits and self._error is None:
                self._buffer.end()
            self._changed.notify_all()

    def _pass_on(self, frame: Frame, seconds: float) -> bool:
        """Whether to read on."""
        with self._changed:
            if self._closed:
                return False
            self._newest = frame, seconds
            self._recent.append(seconds)
            while seconds - self._recent[0] > RATE_SECONDS:
                self._recent.popleft()
            self._heard, self._patience = time.monotonic(), min(self._patience, SILENCE_SECONDS)
            buffer = self._buffer
            self._changed.notify_all()
        if buffer is not None and self.camera.waits:
            buffer.put(frame, seconds)
        elif buffer is not None:
            buffer.offer(frame, seconds)
        return True
