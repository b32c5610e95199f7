"""Where the landmarks of a recording lie in the picture, along a few directions.

In these, performances differ most, compared with what coding does to landmarks.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facemotion.features.mesh import POINTS
from facemotion.models.cards import SHIPPED_FOLDER
from facemotion.signals import resample
from facemotion.system.threads import product
from facemotion.types import FloatArray

PACKAGED = SHIPPED_FOLDER / "replay_directions.npz"
"""Made by tools/replay_directions.py."""
CORNERS = (len(POINTS), len(POINTS) + 1)
"""Where the outer eye corners are among the landmarks of a sighting, the subject's right one first."""
SMOOTHED = 3
"""Frames at RATE whose mean is taken."""
NOTHING_MOVES = 1e-9


@dataclass(frozen=True, eq=False)
class Directions:
    """Along which the landmarks of one front end are compared.

    Attributes:
        id: digest of the matrix.
        matrix: (2N, K) float32 for N landmarks; what coding does to a course along each has a variance of 1 or less.
        mirrored: (2N, K) float32, the same of a picture whose left and right change places.
    """

    id: str
    matrix: FloatArray
    mirrored: FloatArray

    @classmethod
    def packaged(cls, frontend_id: str) -> Directions | None:
        """Those for a front end; None for another one than the default."""
        return _read(PACKAGED, frontend_id)

    def courses(self, points: FloatArray, times: NDArray[np.float64]) -> tuple[FloatArray, FloatArray]:
        """The courses of a recording, as its picture is, and as it was before it was mirrored.

        Args:
            points: (T, N, 2) float32 landmarks in pixels, T >= 2.
            times: (T,) seconds.
        Returns:
            (L, K) float32 at RATE each, about their means, noise of single frames smoothed: see filtered.
        """
        values = resample(placed(points), times)
        return filtered(product(values, self.matrix)), filtered(product(values, self.mirrored))


def mirror(matrix: FloatArray, places: FloatArray) -> FloatArray:
    """Directions of mirrored pictures.

    Args:
        matrix: (2N, K) directions.
        places: (N, 2) means of what `placed` gives.
    Returns:
        (2N, K): each landmark takes the part of the one that lies nearest to its mirror image.
    """
    apart = np.linalg.norm(places[:, None] * (-1, 1) - places[None], axis=2)
    turned = np.zeros((len(places), 2, matrix.shape[1]), np.float32)
    np.add.at(turned, apart.argmin(axis=1), matrix.reshape(turned.shape) * np.array([[-1], [1]], np.float32))
    return turned.reshape(matrix.shape)


def filtered(course: FloatArray) -> FloatArray:
    """A course (L, K) at RATE about its mean, each frame the mean of SMOOTHED frames round it, fewer at the ends.

    The error that a hard compression causes changes from frame to frame; heads and faces move more slowly.
    """
    sums = np.concatenate([np.zeros((1, course.shape[1])), np.cumsum(course, axis=0, dtype=np.float64)])
    middle = np.arange(len(course))
    first, last = np.maximum(0, middle - SMOOTHED // 2), np.minimum(len(course), middle + SMOOTHED // 2 + 1)
    smooth = (sums[last] - sums[first]) / (last - first)[:, None]
    return np.asarray(smooth - smooth.mean(axis=0), np.float32)


@cache
def _read(path: Path, frontend_id: str) -> Directions | None:
    with np.load(path) as stored:
        if str(stored["frontend_id"]) != frontend_id:
            return None
        matrix, mirrored = (stored[name].astype(np.float32) for name in ("directions", "mirrored"))
    return Directions(hashlib.sha256(matrix.tobytes()).hexdigest()[:16], matrix, mirrored)


def placed(points: FloatArray) -> FloatArray:
    """Landmarks where they lie in the picture, whatever its size, crop and tilt.

    Args:
        points: (T, N, 2) pixels, outer eye corners at CORNERS.
    Returns:
        (T, 2N) float32 in distances between the outer eye corners, x along their line, the origin between them; place,
        distance and line are means over the recording, so that the head's own movement stays.
    """
    right, left = (points[:, corner].astype(np.float64) for corner in CORNERS)
    line = (left - right).mean(axis=0)
    distance = max(float(np.linalg.norm(line)), NOTHING_MOVES)
    turn = np.array([line, [-line[1], line[0]]]) / distance**2
    moved = (points - ((right + left) / 2).mean(axis=0)) @ turn.T
    return np.asarray(moved.reshape(len(points), -1), np.float32)
