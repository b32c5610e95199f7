"""Frames of the live socket: a capture time, then a JPEG."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from facemotion.config import MediaSettings
from facemotion.errors import BodyTooLargeError, FormError
from facemotion.media import read_jpeg
from facemotion.media.gate import Allowance, FrameGate, admit_frames

TIME = struct.Struct("<d")
"""Capture time before each JPEG: seconds as float64, little-endian."""


def read_frame(data: bytes, settings: MediaSettings) -> tuple[NDArray[np.uint8], float]:
    """The picture and the capture time of a binary message.

    Args:
        data: the whole message.
        settings: sizes of pictures.
    Returns:
        (H, W, 3) uint8 RGB, and its time in seconds.
    Raises:
        FormError: the message is too short to hold a time.
        UnreadableMediaError, MediaLimitError: see read_jpeg.
    """
    seconds = _time_of(data)
    return read_jpeg(data[TIME.size :], settings), seconds


class WholeClip:
    """All frames of a take whose clip is kept, also those that nobody has time to look at.

    Args:
        most_mebibytes: of all frames together.

    Attributes:
        messages: binary ones, in their order.
    """

    def __init__(self, most_mebibytes: float) -> None:
        self._most = most_mebibytes * 2**20
        self.clear()

    def push(self, message: bytes) -> None:
        """Take in a frame.

        Raises:
            BodyTooLargeError: it is one too many.
        """
        self.messages.append(message)
        self._bytes += len(message)
        if self._bytes > self._most:
            raise BodyTooLargeError("The take is too long to be kept; send done after some seconds.")

    def clear(self) -> None:
        """Forget the frames so far."""
        self.messages: list[bytes] = []
        self._bytes = 0


def read_clip(messages: Sequence[bytes], settings: MediaSettings) -> Iterator[tuple[NDArray[np.uint8], float]]:
    """The frames of a take, from second 0 on. Of a take in which the camera was turned, those since then.

    Frames that nobody had time to look at are held to the limits of a clip here.

    Args:
        messages: binary ones, in their order.
        settings: limits of clips.
    Raises:
        FormError, UnreadableMediaError: see read_frame.
        TimestampError: a time isn't a number or lies before the last one.
        MediaLimitError: the take is too long, or has too many pixels.
        TooShortError: it is shorter than `min_seconds`.
    """
    gate = FrameGate(replace(settings, max_seconds=math.inf))  # what was before a turn doesn't count
    shots = [(message, seconds) for message in messages if gate.admit(seconds := _time_of(message))]
    allowance, last, of_one_size = Allowance(settings), None, 0
    for message, seconds in reversed(shots):
        height, width, _ = read_frame(message, settings)[0].shape
        last = last or (height, width, seconds)
        if (height, width) != last[:2]:
            break
        allowance.spend(width, height)
        of_one_size += 1
        if last[2] - seconds > settings.max_seconds:
            break  # admit_frames says so, and nothing before is read
    for_clip = ((seconds, _picture(message, settings)) for message, seconds in shots[len(shots) - of_one_size :])
    yield from admit_frames(for_clip, settings)


def _picture(message: bytes, settings: MediaSettings) -> Callable[[], NDArray[np.uint8]]:
    return lambda: read_frame(message, settings)[0]


def _time_of(message: bytes) -> float:
    if len(message) < TIME.size:
        raise FormError("A frame is the capture time as a float64, then a JPEG.")
    return float(TIME.unpack_from(message)[0])
