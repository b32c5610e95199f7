"""Steps that somebody is asked for unforeseen, and whether they are shown: by the places of a few landmarks alone.

A recording of a motion doesn't hold the step that is drawn after it began to play. Nothing is trained: the tip of the
nose goes to where the head turns, and lips part.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from facemotion.errors import SettingsError
from facemotion.features import MESH
from facemotion.features.mesh import POINTS
from facemotion.types import FloatArray

Floats = NDArray[np.float64]


class Step(StrEnum):
    """What may be asked for; the value is its name in messages."""

    LEFT = "look-left"
    RIGHT = "look-right"
    UP = "look-up"
    MOUTH = "open-mouth"


WORDS = {
    Step.LEFT: "Turn your head to your left.",
    Step.RIGHT: "Turn your head to your right.",
    Step.UP: "Lift your chin and look up.",
    Step.MOUTH: "Open your mouth wide.",
}
LEAST = {Step.LEFT: 0.17, Step.RIGHT: 0.17, Step.UP: 0.10, Step.MOUTH: 0.14}
"""Least change from the face at rest that shows a step, in distances between the outer eye corners: the tip of the nose
lies 0.42 before them, so 0.17 is a turn by 22 degrees, and 0.10 of looking up one by some 15."""
HELD_SECONDS = 0.2
"""A step is shown for so long."""
LONGEST_GAP_SECONDS = 3.0
LARGEST_GROWTH = 1.5
"""From the last frames of a motion to the first of a step: how much time may pass, how much larger or smaller the face
may be, in both directions."""
ENDS = 5
"""Frames at the end of the motion, and at the begin of the step, that are held to each other."""

_CORNERS = (len(POINTS), len(POINTS) + 1)  # the subject's right one first
_TIP, _UPPER_LIP, _LOWER_LIP = (int(np.flatnonzero(point == POINTS)[0]) for point in (4, 13, 14))


@dataclass(frozen=True, eq=False)
class Seen:
    """Landmarks of a part of a live session.

    Attributes:
        points: (T, N, 2) float32 pixels, as FaceMesh.observe gives them.
        times: (T,) float64 seconds, on the session's own clock.
    """

    points: FloatArray
    times: NDArray[np.float64]


def check_extractor(name: str) -> None:
    """Check that an extractor has the landmarks that steps are told by.

    Raises:
        SettingsError: it has others.
    """
    if name != MESH:
        raise SettingsError(
            f"Steps are told by the landmarks of {MESH}, and the extractor is {name}; set when under [challenge] to "
            f"off, or extractor under [verifier] to {MESH}."
        )


def step_is_shown(step: Step, motion: Seen, after: Seen) -> bool:
    """Whether a step was shown, by a face of that size and place at once after its motion, and more of it than of any
    other step.

    Args:
        step: that was asked for.
        motion: at its end the face is at rest.
        after: what followed.
    """
    if min(len(motion.times), len(after.times)) < ENDS or not _follows(motion, after):
        return False
    rest = np.median(_places(motion.points[-ENDS:]), axis=0)
    right, down, gape = (_places(after.points) - rest).T
    ways = {Step.LEFT: right, Step.RIGHT: -right, Step.UP: -down, Step.MOUTH: gape}
    shown = {name: _held(way, after.times) / LEAST[name] for name, way in ways.items()}
    return shown[step] >= 1 and shown[step] >= max(shown.values())


def _places(points: FloatArray) -> Floats:
    """(T, 3) the tip of the nose to the subject's left and down from between the outer eye corners, and the gap between
    the lips, in distances between these corners."""
    places = points.astype(np.float64)
    right, left = (places[:, corner] for corner in _CORNERS)
    line, tip = left - right, places[:, _TIP] - (left + right) / 2
    size = np.maximum(np.square(line).sum(axis=1), 1e-9)
    along = (tip * line).sum(axis=1) / size
    down = (tip[:, 1] * line[:, 0] - tip[:, 0] * line[:, 1]) / size
    gape = np.linalg.norm(places[:, _LOWER_LIP] - places[:, _UPPER_LIP], axis=1) / np.sqrt(size)
    return np.stack([along, down, gape], axis=1)


def _held(way: Floats, times: NDArray[np.float64]) -> float:
    """The farthest that is kept up for HELD_SECONDS: the largest of the least in spans of that length."""
    ends = np.searchsorted(times, times + HELD_SECONDS - 1e-6)
    spans = [way[begin : end + 1].min() for begin, end in enumerate(ends) if end < len(times)]
    return float(max(spans, default=-np.inf))


def _follows(motion: Seen, after: Seen) -> bool:
    """Whether the step follows its motion at once, with a face of about the same size in about the same place."""
    if not 0 < after.times[0] - motion.times[-1] <= LONGEST_GAP_SECONDS:
        return False
    sizes, middles = [], []
    for points in (motion.points[-ENDS:], after.points[:ENDS]):
        corners = np.median(points[:, list(_CORNERS)].astype(np.float64), axis=0)
        sizes.append(max(float(np.linalg.norm(corners[1] - corners[0])), 1e-6))
        middles.append(corners.mean(axis=0))
    apart = float(np.linalg.norm(middles[1] - middles[0]))
    return max(sizes) / min(sizes) <= LARGEST_GROWTH and apart <= 1.5 * max(sizes)
