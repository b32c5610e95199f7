"""Frames of the live socket: a capture time, then a JPEG."""

from __future__ import annotations

import struct

import numpy as np
from numpy.typing import NDArray

from facemotion.config import MediaSettings
from facemotion.errors import FormError
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
