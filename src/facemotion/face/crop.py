"""The square that a spatial feature extractor sees."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from facemotion.media.warp import crop_matrix, warp


def crop_face(frame: NDArray[np.uint8], box: NDArray[np.float32], size: int = 112) -> NDArray[np.uint8]:
    """Cut one square face, upright as in the frame; black where the square passes the border.

    Args:
        frame: (H, W, 3) uint8 RGB.
        box: (4,) x0 y0 x1 y1, pixels.
        size: side of the crop, pixels.
    Returns:
        (size, size, 3) uint8 RGB.
    Reference: crop of section 2 of the paper; the margin is ours.
    """
    return warp(frame, crop_matrix(box, size), size)
