"""Does anything move but the picture as a whole, as of a photograph that is waved before a camera?

However a plane is moved, tilted and brought near, its pictures are related by homographies, eight numbers each. They
are fitted to the landmarks of every frame and taken away; what a face has moved by itself is left, of a photograph only
the noise of the landmarks. Reference: Hartley and Zisserman, Multiple View Geometry in Computer Vision, section 4.1.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facemotion.signals import median_face

ROUNDS = 3
"""Times that the resting face is taken anew from the frames laid over it."""
LIVELIEST_SECONDS = 1.0
"""A clip is looked at in spans of this length, each with its own middle: rest before and after a motion counts for
nothing. A motion lasts for most of such a span, and blur is shorter."""
SPAN_STEP = 0.2
"""Seconds from the begin of one span to that of the next."""
MOVED_PERCENTILE = 80
"""Over the frames of a span: what a fifth of it is beyond."""
TURNED = 1.5
"""Change of the plane's own picture, in percent of the distance between the eyes, from which on it counts against what
is left. Of a photograph that is tilted landmarks err the more the further it is; a head turned so far isn't flat, and
far more is left of it."""
SMOOTHED_SECONDS = 0.05
"""Frames that are no further away are averaged: the noise of landmarks changes from frame to frame, a motion lasts
longer. Three frames at 25 a second; none at 15, of which three would be a motion long."""

Points = NDArray[np.float64]


@dataclass(frozen=True)
class Part:
    """A part of a face.

    Attributes:
        points: (n,) numbers of its landmarks.
        photographed: how far it seems to move in a photograph, next to other parts; its motion counts so many times
            less. Landmarks that lie on no edge, such as those of the jaw, follow a photograph that is tilted worse.
    """

    points: NDArray[np.intp]
    photographed: float = 1.0


def own_motion(
    points: NDArray[np.floating], times: NDArray[np.floating], parts: Sequence[Part], eyes: tuple[int, int]
) -> float:
    """How far the part of a face that moves most gets from where it would be on a plane.

    Args:
        points: (T, N, 2) landmarks in pixels of the frame, N >= 8.
        times: (T,) seconds of the frames.
        parts: of the face.
        eyes: numbers of the outer eye corners.
    Returns:
        MOVED_PERCENTILE over the liveliest LIVELIEST_SECONDS, in percent of the distance between the outer eye corners;
        less where a plane would have been turned, see TURNED.
    """
    places = points.astype(np.float64)
    # First laid over the frame that is seen largest, then over the middle of all.
    rest = places[int(np.argmax(np.linalg.norm(places[:, eyes[0]] - places[:, eyes[1]], axis=1)))]
    for _ in range(ROUNDS):
        laid = _lay_over(places, rest)
        rest = median_face(laid)
    size = max(float(np.linalg.norm(rest[eyes[0]] - rest[eyes[1]])), 1e-9)
    plane = _similar(places, rest) - laid
    smooth, plane = (_smoothed(part, times) / size for part in (laid, plane))
    spans = _spans(times)
    moved = (_moved(smooth[span], parts) / math.hypot(1, _turned(plane[span]) / TURNED) for span in spans)
    return max(moved, default=0.0)


def _smoothed(places: Points, times: NDArray[np.floating]) -> Points:
    """(T, N, 2) each frame's mean with those within SMOOTHED_SECONDS of it."""
    first = np.searchsorted(times, times - SMOOTHED_SECONDS, side="left")
    last = np.searchsorted(times, times + SMOOTHED_SECONDS, side="right")
    sums = np.concatenate([np.zeros((1, *places.shape[1:])), np.cumsum(places, axis=0)])
    return np.asarray((sums[last] - sums[first]) / (last - first)[:, None, None], np.float64)


def _spans(times: NDArray[np.floating]) -> Iterator[slice]:
    """The frames of each span of LIVELIEST_SECONDS, or of the whole clip where it is shorter; the last ends with it.
    A span within which nothing moves, since it has fewer than two frames, is left out."""
    latest = max(float(times[0]), float(times[-1]) - LIVELIEST_SECONDS)
    for begin in [*np.arange(times[0], latest, SPAN_STEP), latest]:
        first = int(np.searchsorted(times, begin - 1e-6, side="left"))
        end = int(np.searchsorted(times, begin + LIVELIEST_SECONDS + 1e-6, side="right"))
        if end - first > 1:
            yield slice(first, end)


def _moved(places: Points, parts: Sequence[Part]) -> float:
    """How far the part that moves most gets from its middle within one span (T, N, 2), in percent."""
    away = _lengths(places - median_face(places))
    shares = [away[:, part.points].mean(axis=1) / part.photographed for part in parts]
    return float(100 * np.percentile(shares, MOVED_PERCENTILE, axis=1).max())


def _turned(plane: Points) -> float:
    """How far the points of a plane are moved by its change of shape within one span (T, N, 2), in percent."""
    away = _lengths(plane - median_face(plane))
    return float(100 * np.percentile(away.mean(axis=1), MOVED_PERCENTILE))


def _lengths(moves: Points) -> NDArray[np.float64]:
    """(T, N) of moves (T, N, 2); an eighth of the time of NumPy's norm."""
    return np.asarray(np.sqrt(np.square(moves[..., 0]) + np.square(moves[..., 1])), np.float64)


def _similar(places: Points, rest: Points) -> Points:
    """(T, N, 2) the points of each frame moved, turned in the picture and scaled to be nearest to `rest` (N, 2)."""
    source, target = (one[..., 0] + 1j * one[..., 1] for one in (places, rest))
    source -= source.mean(axis=1, keepdims=True)
    centre = target.mean()
    size = np.maximum(np.square(np.abs(source)).sum(axis=1), 1e-9)
    turns = (source.conj() * (target - centre)).sum(axis=1) / size
    laid = source * turns[:, None] + centre
    return np.stack([laid.real, laid.imag], axis=-1)


def _lay_over(places: Points, rest: Points) -> Points:
    """(T, N, 2) the points of each frame after the homography that brings them nearest to `rest` (N, 2): least squares
    in its linear form, which is exact where a homography relates them.
    """
    source, target = _normalised(places), _normalised(rest[None])[0]
    found = np.linalg.solve(*_normal_equations(source, target))[..., 0]
    maps = np.concatenate([found, np.ones((len(found), 1))], axis=1).reshape(-1, 3, 3)
    flat = source @ maps[:, :, :2].transpose(0, 2, 1) + maps[:, None, :, 2]
    depth = flat[..., 2:]
    laid = flat[..., :2] / np.where(np.abs(depth) < 1e-6, 1e-6, depth)
    centre = rest.mean(axis=0)
    return np.asarray(laid * np.abs(rest - centre).mean() + centre, np.float64)


def _normal_equations(source: Points, target: Points) -> tuple[Points, Points]:
    """(T, 8, 8) and (T, 8, 1) of the least squares that map points (T, N, 2) to (N, 2).

    Each point gives two rows, (x, y, 1, 0, 0, 0, -ux, -uy) for u and (0, 0, 0, x, y, 1, -vx, -vy) for v. All that the
    products of these rows sum up to are products of x, y, 1 weighted by 1, u, v and u^2 + v^2: summed once a frame,
    they cost a tenth of the rows themselves. One product for all frames would be large enough for the library of
    matrices to start further threads, which cost many times as much where other work has the processors.
    """
    x, y = source[..., 0], source[..., 1]
    u, v = target[:, 0], target[:, 1]
    products = np.stack([x * x, x * y, y * y, x, y, np.ones_like(x)], axis=1)
    weights = np.stack([np.ones_like(u), u, v, u * u + v * v], axis=1)
    sums = (products @ weights).transpose(0, 2, 1)
    # The (3, 3) sums of products of (x, y, 1), under each of the four weights.
    plain, by_u, by_v, by_both = sums[..., [0, 1, 3, 1, 2, 4, 3, 4, 5]].reshape(-1, 4, 3, 3).transpose(1, 0, 2, 3)
    system = np.zeros((len(source), 8, 8))
    system[:, 0:3, 0:3] = system[:, 3:6, 3:6] = plain
    system[:, 0:3, 6:8], system[:, 3:6, 6:8] = -by_u[:, :, :2], -by_v[:, :, :2]
    system[:, 6:8, 0:3], system[:, 6:8, 3:6] = -by_u[:, :2], -by_v[:, :2]
    # A trace of ridge: frames of points on one line have no homography of their own.
    system[:, 6:8, 6:8] = by_both[:, :2, :2]
    system += 1e-9 * np.eye(8)
    wanted = np.concatenate([by_u[:, :, 2], by_v[:, :, 2], -by_both[:, :2, 2]], axis=1)
    return system, wanted[..., None]


def _normalised(places: Points) -> Points:
    """Moved and scaled so that coordinates are near 1, without which the system is badly conditioned."""
    away = places - places.mean(axis=1, keepdims=True)
    return np.asarray(away / np.maximum(np.abs(away).mean(axis=(1, 2), keepdims=True), 1e-9), np.float64)
