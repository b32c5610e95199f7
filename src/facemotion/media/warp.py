"""Cutting a turned, scaled square out of a frame.

Convention: pixel centres at half integers, as in `types`. Outside the frame the crop is black.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Frame = NDArray[np.uint8]
Matrix = NDArray[np.float64]

CROP_MARGIN = 1.1  # side of a face's crop over the longer side of its box
CROP_SHIFT_UP = 0.05  # of that side, so that brows that rise stay inside


def square_matrix(centre: tuple[float, float], side: float, angle: float, size: int) -> Matrix:
    """The map from crop pixels to frame pixels of a square.

    Args:
        centre: x, y of the square's centre in the frame, pixels.
        side: of the square in the frame, pixels, > 0.
        angle: radians by which the square's x axis is turned from the frame's, positive clockwise as seen.
        size: side of the crop, pixels.
    Returns:
        (2, 3) float64: frame = M @ (x, y, 1).
    """
    scale = side / size
    cosine, sine = np.cos(angle) * scale, np.sin(angle) * scale
    half = size / 2
    x = centre[0] - cosine * half + sine * half
    y = centre[1] - sine * half - cosine * half
    return np.array([[cosine, -sine, x], [sine, cosine, y]], np.float64)


def crop_matrix(box: NDArray[np.float32], size: int) -> Matrix:
    """(2, 3) map from crop pixels to frame pixels of the square round one box (4,): side 1.1 x its longer side, moved
    up by 5% of it."""
    side = float(max(box[2] - box[0], box[3] - box[1]))
    centre = float(box[0] + box[2]) / 2, float(box[1] + box[3]) / 2 - CROP_SHIFT_UP * side
    return square_matrix(centre, CROP_MARGIN * side, 0.0, size)


def warp(frame: Frame, matrix: Matrix, size: int) -> Frame:
    """Cut the square that `matrix` describes, bilinear, averaged first where it is shrunk by two or more.

    Args:
        frame: (H, W, 3) uint8.
        matrix: (2, 3) from crop pixels to frame pixels.
        size: side of the crop, pixels.
    Returns:
        (size, size, 3) uint8.
    """
    height, width = frame.shape[:2]
    corners = matrix @ np.array([[0, size, 0, size], [0, 0, size, size], [1, 1, 1, 1]], np.float64)
    factor = max(1, int(np.hypot(matrix[0, 0], matrix[1, 0])))
    # Only the part of the frame under the square is handed over: copying a whole large frame costs more than the warp.
    left, top = np.maximum(np.floor(corners.min(axis=1)).astype(int) - 2 * factor, 0)
    right, bottom = np.minimum(np.ceil(corners.max(axis=1)).astype(int) + 2 * factor, [width, height])
    if left >= right or top >= bottom:
        return np.zeros((size, size, 3), np.uint8)
    image = Image.fromarray(np.ascontiguousarray(frame[top:bottom, left:right]))
    if factor > 1:
        image = image.reduce(factor)
    local = (matrix - np.array([[0, 0, left], [0, 0, top]])) / factor
    turned = image.transform((size, size), Image.Transform.AFFINE, tuple(local.ravel()), Image.Resampling.BILINEAR)
    return np.asarray(turned)


def apply(matrix: Matrix, points: NDArray[np.floating]) -> NDArray[np.float32]:
    """Map points (..., 2) from crop pixels to frame pixels.

    >>> apply(square_matrix((10.0, 20.0), 8.0, 0.0, 4), np.array([[2.0, 2.0]])).tolist()
    [[10.0, 20.0]]
    """
    return (points @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32)
