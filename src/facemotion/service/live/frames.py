"""Frames of the live socket: a capture time, then a JPEG."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from itertools import takewhile

import numpy as np
from numpy.typing import NDArray

from facemotion.config import MediaSettings
from facemotion.errors import BodyTooLargeError, FormError
from facemotion.media import read_jpeg

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
    if len(data) < TIME.size:
        raise FormError("A frame is the capture time as a float64, then a JPEG.")
    (seconds,) = TIME.unpack_from(data)
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

    Args:
        messages: binary ones, in their order.
        settings: sizes of pictures.
    Raises:
        FormError, UnreadableMediaError, MediaLimitError: see read_frame.
    """
    last = read_frame(messages[-1], settings)[0].shape
    sizes = takewhile(lambda message: read_frame(message, settings)[0].shape == last, reversed(messages))
    begin, latest = None, -1.0
    for message in messages[len(messages) - sum(1 for _ in sizes) :]:
        frame, seconds = read_frame(message, settings)
        begin = seconds if begin is None else begin
        if seconds - begin > latest:
            latest = seconds - begin
            yield frame, latest
