"""How a thief may let a recording's picture drift, bend it and light it anew, so that it takes another course."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

DRIFT_RATES = (0.5, 0.35, 0.6, 0.4, 0.5, 0.5, 0.4)
DRIFT_PHASES = (0.3, 2.1, 4.4, 1.2, 5.0, 3.3, 0.9)
"""Hertz, and radians at the beginning, of roll, zoom, sway (two), shear and lean (two)."""
LIGHT_RATE, BAR_RATE = 0.8, 0.5
"""Turns a second of the light, and slides to and fro of the bar."""
BULGE_RATES, BEND_RATES = (0.7, 1.1), (0.45, 0.7, 0.55, 0.85)
"""Hertz, of a bulge across and down, and of the knots of a bend in turn."""
MOUTH, MOUTH_REACH = (0.48, 0.69), 0.1
"""Where the mouths of GRID's speakers lie, shares of width and height; sigma of a bulge, a share of the width."""
KNOTS = 4
"""Knots of a smooth bend along each side."""
BAR = 0.12
"""Width of the bar, a share of the picture's."""
FACE = 0.25
"""Width of a face, a share of the picture's."""


@dataclass(frozen=True)
class Drift:
    """How the whole picture moves slowly, each part to and fro in its own time of two to four seconds.

    Attributes:
        sway: share of width and height by which it moves.
        roll: degrees by which it turns.
        zoom: share by which it grows and shrinks.
        shear: by which its rows move, as a share of their distance from the middle.
        lean: by which it tilts away, as a share of its distance, at its borders.
        begin: seconds that it moves already.
    """

    sway: float = 0.0
    roll: float = 0.0
    zoom: float = 0.0
    shear: float = 0.0
    lean: float = 0.0
    begin: float = 0.0

    def moved(self, frame: NDArray[np.uint8], seconds: float) -> NDArray[np.uint8]:
        """A frame as it is at a moment, grown so that little of its borders is missing."""
        high, wide = frame.shape[:2]
        turn, size, x, y, slant, across, down = (
            float(np.sin(2 * np.pi * rate * (seconds + self.begin) + phase))
            for rate, phase in zip(DRIFT_RATES, DRIFT_PHASES, strict=True)
        )
        angle = np.radians(self.roll * turn)
        scale = 1.03 + self.sway + self.zoom * (1 + size) + 0.3 * np.radians(self.roll)
        middle = np.array([[1, 0, -wide / 2], [0, 1, -high / 2], [0, 0, 1]])
        sheared = np.array([[1, self.shear * slant, 0], [0, 1, 0], [0, 0, 1]])
        turned = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1 / scale]])
        tilted = np.array([[1, 0, 0], [0, 1, 0], [self.lean * across / wide, self.lean * down / high, 1]])
        away = np.array([[1, 0, self.sway * x * wide], [0, 1, self.sway * y * high], [0, 0, 1]])
        whole = away @ np.linalg.inv(middle) @ tilted @ turned @ sheared @ middle
        return np.asarray(cv2.warpPerspective(frame, whole, (wide, high), flags=cv2.INTER_CUBIC), np.uint8)


@dataclass(frozen=True)
class Bend:
    """What changes parts of the picture, slowly, each in its own time.

    Attributes:
        light: share by which light falls off over the width of a face, in a direction that turns round.
        bulge: share by which distances from the mouth grow and shrink near it.
        bend: share of the width by which each of KNOTS x KNOTS knots moves; smooth between them.
        bar: share by which an upright bar that slides to and fro darkens what lies behind it.
        begin: seconds that it goes on already.
    """

    light: float = 0.0
    bulge: float = 0.0
    bend: float = 0.0
    bar: float = 0.0
    begin: float = 0.0

    def bent(self, frame: NDArray[np.uint8], seconds: float) -> NDArray[np.uint8]:
        """A frame as it is at a moment."""
        high, wide = frame.shape[:2]
        moment = 2 * np.pi * (seconds + self.begin)
        x, y = np.meshgrid(np.arange(wide, dtype=np.float32), np.arange(high, dtype=np.float32))
        if self.bulge or self.bend:
            from_mouth = x - MOUTH[0] * wide, y - MOUTH[1] * high
            near = np.exp(-(np.square(from_mouth[0]) + np.square(from_mouth[1])) / (2 * (MOUTH_REACH * wide) ** 2))
            grown = [self.bulge * np.sin(rate * moment) * near for rate in BULGE_RATES]
            phases = np.random.default_rng(0).uniform(0, 2 * np.pi, (2, KNOTS, KNOTS))
            rates = np.resize(BEND_RATES, (KNOTS, KNOTS))
            knots = self.bend * wide * np.sin(rates * moment + phases)
            moved = [cv2.resize(one.astype(np.float32), (wide, high), interpolation=cv2.INTER_CUBIC) for one in knots]
            places = [
                (axis + part * away + shift).astype(np.float32)
                for axis, part, away, shift in zip((x, y), grown, from_mouth, moved, strict=True)
            ]
            frame = np.asarray(
                cv2.remap(frame, *places, interpolation=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE), np.uint8
            )
        turn = LIGHT_RATE * moment
        lit = 1 + self.light / FACE * (np.cos(turn) * (x / wide - 0.5) + np.sin(turn) * (y - high / 2) / wide)
        middle = wide * (MOUTH[0] + FACE / 2 * np.sin(BAR_RATE * moment))
        lit = lit * (1 - self.bar * (np.abs(x - middle) < BAR * wide / 2))
        return np.rint(frame * lit[..., None]).clip(0, 255).astype(np.uint8)
