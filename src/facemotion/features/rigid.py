"""Does anything move but the picture as a whole, as of a photograph that is waved before a camera?

However a plane is moved, tilted and brought near, its pictures are related by homographies, eight numbers each. They
are fitted to the landmarks of every frame and taken away; what a face has moved by itself is left, of a photograph only
the noise of the landmarks. Reference: Hartley and Zisserman, Multiple View Geometry in Computer Vision, section 4.1.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

ROUNDS = 3
"""Times that the resting face is taken anew from the frames laid over it."""
SMOOTHED_SECONDS = 0.05
"""Frames that are no further away are averaged: the noise of landmarks changes from frame to frame, a motion lasts
longer. Three frames at 25 a second; none at 15, of which three would be a motion long."""

Points = NDArray[np.float64]


def own_motion(
    points: NDArray[np.floating],
    times: NDArray[np.floating],
    groups: Sequence[NDArray[np.intp]],
    eyes: tuple[int, int],
) -> float:
    """How far the part of a face that moves most gets from where it would be on a plane.

    Args:
        points: (T, N, 2) landmarks in pixels of the frame, N >= 8. times: (T,) seconds of the frames.
        groups: numbers of the points of each part.
        eyes: numbers of the outer eye corners.
    Returns:
        The 95th percentile over time, in percent of the distance between the outer eye corners.
    """
    places = points.astype(np.float64)
    # First laid over the frame that is seen largest, then over the middle of all.
    rest = places[int(np.argmax(np.linalg.norm(places[:, eyes[0]] - places[:, eyes[1]], axis=1)))]
    for _ in range(ROUNDS):
        laid = _lay_over(places, rest)
        rest = np.median(laid, axis=0)
    size = max(float(np.linalg.norm(rest[eyes[0]] - rest[eyes[1]])), 1e-9)
    moved = laid - rest
    near = (np.abs(times[:, None] - times[None]) <= SMOOTHED_SECONDS).astype(np.float64)
    moved = np.einsum("st,tnd->snd", near / near.sum(axis=1, keepdims=True), moved)
    lengths = np.linalg.norm(moved, axis=2) / size
    return max(float(100 * np.percentile(lengths[:, group].mean(axis=1), 95)) for group in groups)


def _lay_over(places: Points, rest: Points) -> Points:
    """(T, N, 2) the points of each frame after the homography that brings them nearest to `rest` (N, 2): least squares
    in its linear form, which is exact where a homography relates them.
    """
    source, target = _normalised(places), _normalised(rest[None])[0]
    x, y = source[..., 0], source[..., 1]
    u, v = np.broadcast_to(target[:, 0], x.shape), np.broadcast_to(target[:, 1], x.shape)
    one, none = np.ones_like(x), np.zeros_like(x)
    upper = np.stack([x, y, one, none, none, none, -u * x, -u * y], axis=-1)
    lower = np.stack([none, none, none, x, y, one, -v * x, -v * y], axis=-1)
    system, wanted = np.concatenate([upper, lower], axis=1), np.concatenate([u, v], axis=1)
    transposed = system.transpose(0, 2, 1)
    # A trace of ridge: frames of points on one line have no homography of their own.
    found = np.linalg.solve(transposed @ system + 1e-9 * np.eye(8), (transposed @ wanted[..., None]))[..., 0]
    maps = np.concatenate([found, np.ones((len(found), 1))], axis=1).reshape(-1, 3, 3)
    flat = np.concatenate([source, one[..., None]], axis=-1) @ maps.transpose(0, 2, 1)
    depth = flat[..., 2:]
    laid = flat[..., :2] / np.where(np.abs(depth) < 1e-6, 1e-6, depth)
    centre = rest.mean(axis=0)
    return np.asarray(laid * np.abs(rest - centre).mean() + centre, np.float64)


def _normalised(places: Points) -> Points:
    """Moved and scaled so that coordinates are near 1, without which the system is badly conditioned."""
    away = places - places.mean(axis=1, keepdims=True)
    return np.asarray(away / np.maximum(np.abs(away).mean(axis=(1, 2), keepdims=True), 1e-9), np.float64)
