"""Cutting a turned, scaled square out of a frame.

Convention: pixel centres at half integers, as in `types`. Outside the frame the crop is black.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from facemotion.media.gate import Frame

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
    return sample(frame, matrix, size).astype(np.uint8)


def sample(frame: Frame, matrix: Matrix, size: int) -> NDArray[np.float32]:
    """As `warp`, for a network: (size, size, 3) float32, still whole numbers from 0 to 255."""
    height, width = frame.shape[:2]
    corners = matrix @ np.array([[0, size, 0, size], [0, 0, size, size], [1, 1, 1, 1]], np.float64)
    factor = max(1, min(int(np.hypot(matrix[0, 0], matrix[1, 0])), height, width))
    # Only the part of the frame under the square is looked at: to make floats of a large frame costs more than that.
    lowest = np.floor(corners.min(axis=1)).astype(int) - 2 * factor
    highest = np.ceil(corners.max(axis=1)).astype(int) + 2 * factor
    left, top = np.maximum(lowest, 0)
    across, down = (np.minimum(highest, [width, height]) - [left, top]) // factor
    if across <= 0 or down <= 0:
        return np.zeros((size, size, 3), np.float32)
    part = frame[top : top + factor * down, left : left + factor * across]
    if factor > 1:
        part = np.asarray(cv2.resize(part, (int(across), int(down)), interpolation=cv2.INTER_AREA), np.uint8)
    local = (matrix - np.array([[0, 0, left], [0, 0, top]])) / factor
    centred = local.copy()  # OpenCV counts from pixel centres
    centred[:, 2] += local[:, :2] @ [0.5, 0.5] - 0.5
    # Floats are interpolated at the very place; of bytes OpenCV may take the nearest of 32 places between two pixels.
    # Pixels of four channels take half the time of pixels of three.
    padded = cv2.warpAffine(
        cv2.cvtColor(part, cv2.COLOR_RGB2RGBA).astype(np.float32),
        centred,
        (size, size),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    crop = cv2.cvtColor(padded, cv2.COLOR_RGBA2RGB)
    if min(lowest) < 0 or highest[0] > width or highest[1] > height:
        inside = cv2.warpAffine(
            np.full((down, across), 255, np.uint8),
            centred,
            (size, size),
            flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_CONSTANT,
        )
        crop = cv2.copyTo(crop, inside)  # black elsewhere
    # Cut off, not rounded: so were the pictures that the shipped encoder learned from, and half a level is seen.
    return np.asarray(np.floor(crop, out=crop), np.float32)


def apply(matrix: Matrix, points: NDArray[np.floating]) -> NDArray[np.float32]:
    """Map points (..., 2) from crop pixels to frame pixels.

    >>> apply(square_matrix((10.0, 20.0), 8.0, 0.0, 4), np.array([[2.0, 2.0]])).tolist()
    [[10.0, 20.0]]
    """
    return (points @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32)
