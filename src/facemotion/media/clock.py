"""When each frame of a video is shown: its time in the file, and what stands in for one that is missing or wrong."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from facemotion.media.gate import Frame

if TYPE_CHECKING:
    from av import Packet, VideoFrame
    from av.video.stream import VideoStream


IN_DECODING_ORDER = ("avi", "asf")
"""Containers whose packets have times of decoding alone, whatever FFmpeg makes of them."""
IN_PIECES = ("mpeg", "mpegts")
"""Containers that give times to pieces of the stream (PES packets), which needn't begin where frames do."""
DEEPEST_REORDERING = 16
"""Frames that may be decoded before the one that is shown first, in H.264 and HEVC; every thread holds one more."""
LONGEST_DOUBT = 8
"""Frames that wait until a time proves right or wrong. A wrong one is that of a frame which is decoded next to it."""


@dataclass(frozen=True, eq=False)
class Shot:
    """A frame whose conversion to RGB waits until it is known to be used.

    Attributes:
        seconds: its time by the file's own clock, which begins anywhere; not to be relied on of a damaged frame.
        make: gives (H, W, 3) uint8 RGB; None: the frame is damaged, and there is nothing to use.
    """

    seconds: float
    make: Callable[[], Frame] | None


class Clock:
    """Gives frames their times, in the order of showing.

    Where times belong to pieces of the stream, that of a piece is the time of the first frame that begins in it; others
    that begin there have none. If the bytes that mark a frame's beginning lie across two pieces, FFmpeg gives that
    frame the second piece's time, which is the next one's. So a time there is believed if it fits the rate, or else
    if the next frames' times don't contradict it.

    Args:
        video: the track.
        container: FFmpeg's name of the container's format.
        rate: frames/s where times are missing.
    """

    def __init__(self, video: VideoStream, container: str, rate: float) -> None:
        self._by_order = container in IN_DECODING_ORDER
        self._in_pieces = container in IN_PIECES
        self._unit = float(video.time_base or 0)
        self._step = 1 / rate
        self._deepest = DEEPEST_REORDERING + video.codec_context.thread_count
        self._decoded: deque[int] = deque()
        self._doubted: list[tuple[float | None, Callable[[], Frame] | None]] = []
        self._latest: float | None = None

    def expect(self, packet: Packet[Any]) -> None:
        """Take in the time of a packet whose frame may come later."""
        if self._in_pieces:
            return
        self._by_order |= packet.pts is None and packet.dts is not None
        if packet.dts is not None and not packet.is_discard:
            self._decoded.append(packet.dts)

    def place(self, frame: VideoFrame, make: Callable[[], Frame] | None) -> Iterator[Shot]:
        """Take in the next frame.

        Args:
            frame: what the decoder gives.
            make: see Shot.
        Yields:
            Those frames whose times are certain by now, none or several.
        """
        self._doubted.append((self._read(frame), make))
        yield from self._settle(LONGEST_DOUBT if self._in_pieces else 0)

    def finish(self) -> Iterator[Shot]:
        """The frames that are left when the last one was taken in."""
        yield from self._settle(0)

    def _read(self, frame: VideoFrame) -> float | None:
        """Seconds of a frame as the container gives them."""
        while len(self._decoded) > self._deepest:  # the first is of a frame that was lost on the way
            self._decoded.popleft()
        first = self._decoded.popleft() if self._decoded else None
        time = first if self._by_order and first is not None else frame.pts
        return None if time is None else time * self._unit

    def _settle(self, patience: int) -> Iterator[Shot]:
        """Give doubted frames times, up to one that is believed; and beyond, if more wait than patience allows."""
        while self._doubted:
            count = self._proven() or (self._likeliest() if len(self._doubted) > patience else 0)
            if count == 0:
                return
            times = self._up_to(count)
            for seconds, (_, make) in zip(times, self._doubted[:count], strict=True):
                yield Shot(seconds, make)
            del self._doubted[:count]
            self._latest = times[-1]

    def _proven(self) -> int:
        """How many doubted frames there are up to the first one whose time is believed; 0: none is."""
        if self._latest is None:
            return 0
        known = [(0, self._latest)]
        for count, (time, _) in enumerate(self._doubted, 1):
            if time is None:
                continue
            known.append((count, time))
            if abs(time - self._latest - count * self._step) <= self._step / 2:
                rising = all(before < after for (_, before), (_, after) in pairwise(known))
                return known[1][0] if rising else count
        return 0

    def _likeliest(self) -> int:
        """As `_proven`, where nothing fits the rate: up to the earliest time that lies ahead."""
        latest = -math.inf if self._latest is None else self._latest
        ahead = [time for time, _ in self._doubted if time is not None and time > latest]
        if ahead:  # of two that have the same time, the piece is the second's
            return max(count for count, (time, _) in enumerate(self._doubted, 1) if time == min(ahead))
        restarted = len(self._doubted) > LONGEST_DOUBT and all(time is not None for time, _ in self._doubted)
        if self._in_pieces and not restarted:
            self._doubted[0] = None, self._doubted[0][1]
        return 1

    def _up_to(self, count: int) -> list[float]:
        """Times of so many doubted frames, of which the last one's is believed, and no other."""
        end = self._doubted[count - 1][0]
        before = self._latest
        if before is None:
            before = -self._step if end is None else end - count * self._step
        if end is None:
            return [before + self._step]
        step = min(self._step, (end - before) / count)
        return [before + step * number for number in range(1, count)] + [end]
