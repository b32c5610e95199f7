"""Frames of a clip with the faces in them, before one face is chosen."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from facemotion.config import Settings
from facemotion.errors import UsageError
from facemotion.face import Detections
from facemotion.media import Footage, HeldFrames, read_frames


@dataclass(frozen=True, eq=False)
class Look:
    """One frame, and what the detector found in it.

    Attributes:
        frame: (H, W, 3) uint8 RGB.
        seconds: its time.
        detections: all faces; None: the detector wasn't asked.
        decode_ms: wall time until the frame was there, milliseconds.
        detect_ms: wall time of the detector, milliseconds.
    """

    frame: NDArray[np.uint8]
    seconds: float
    detections: Detections | None
    decode_ms: float
    detect_ms: float


def look_at_frames(
    frames: Iterator[tuple[NDArray[np.uint8], float]], detect: Callable[[NDArray[np.uint8]], Detections] | None
) -> Generator[Look, None, None]:
    """Frames with what is found in them.

    Args:
        frames: (H, W, 3) uint8 RGB with their seconds.
        detect: the detector; None where the caller detects faces.
    Raises:
        What `frames` raises.
    """
    while True:
        start = perf_counter()
        pair = next(frames, None)
        decoded = perf_counter()
        if pair is None:
            return
        detections = None if detect is None else detect(pair[0])
        spent = decoded - start, perf_counter() - decoded
        yield Look(*pair, detections, 1000 * spent[0], 1000 * spent[1])


def frames_of(footage: Footage, settings: Settings, rate: float | None) -> Iterator[tuple[NDArray[np.uint8], float]]:
    """The frames (H, W, 3) uint8 RGB of a clip with their seconds; see facemotion.media.read_frames.

    Raises:
        UsageError: a rate, for frames that have their own times.
    """
    if not isinstance(footage.source, HeldFrames):
        return read_frames(footage.source, settings.media, rate)
    if rate is not None:
        raise UsageError("A rate goes with files that have no times; these frames have their own.")
    return footage.source.read(settings.media)
