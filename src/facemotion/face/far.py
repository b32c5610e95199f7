"""A face too far away for the detector, which sees the whole frame at 128 x 128: found in enlarged parts of it."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from facemotion.face.blazeface import BlazeFace

PARTS = (0.375, 0.25)
"""Sides of the parts over the frame's longer side; parts overlap by half, so that a face lies whole in one of them. The
detector finds faces down to a tenth of what it sees: 4% of the frame, then 3%."""
AT_ONCE = 3
"""Parts looked at in one frame: with them, a frame without a face costs no more than one with a face."""
SURE = 0.75
"""Lowest confidence: a far face comes near 0.9, patterns without a face to 0.68, which nobody may be called by."""
REMEMBERED_SECONDS = 2.0
"""How long a far face counts after it was seen; all parts have had their turn by then."""


class FarLook:
    """Looks for a small face while frames without a face go by, a few parts of each in turn, from the middle outwards.

    Args:
        detector: shared.
    """

    def __init__(self, detector: BlazeFace) -> None:
        self._detector = detector
        self._turn = 0
        self._seen = -math.inf

    def look(self, frame: NDArray[np.uint8], seconds: float, largest: float) -> bool:
        """Look at the next parts of a frame in which the detector found no face.

        Args:
            frame: (H, W, 3) uint8 RGB.
            seconds: its time.
            largest: side of a face box that counts as small, pixels.
        Returns:
            Whether a small face was seen, now or within REMEMBERED_SECONDS.
        """
        places = parts(frame.shape[1], frame.shape[0])
        for _ in range(min(AT_ONCE, len(places))):
            x, y, side = places[self._turn % len(places)]
            found = self._detector.detect(np.ascontiguousarray(frame[y : y + side, x : x + side]))
            sides = (found.boxes[:, 2:] - found.boxes[:, :2]).max(axis=1)
            if bool(((found.scores >= SURE) & (sides < largest)).any()):
                self._seen = seconds  # and the next look begins here
                break
            self._turn += 1
        return seconds - self._seen <= REMEMBERED_SECONDS


def parts(width: int, height: int) -> list[tuple[int, int, int]]:
    """Squares that cover a frame, as left, top and side in pixels: large ones first, from the middle outwards."""
    found: list[tuple[int, int, int]] = []
    for share in PARTS:
        side = max(1, min(round(share * max(width, height)), width, height))
        lefts, tops = _steps(width, side), _steps(height, side)
        middle = (width - side) / 2, (height - side) / 2
        places = sorted(((x, y) for x in lefts for y in tops), key=lambda place: math.dist(place, middle))
        found += [(x, y, side) for x, y in places]
    return found


def _steps(length: int, side: int) -> list[int]:
    """Where parts of one side begin along a frame's side, half a part or less apart."""
    count = math.ceil((length - side) / (side / 2)) + 1
    return [round(step * (length - side) / max(1, count - 1)) for step in range(count)]
