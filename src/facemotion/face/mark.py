"""Drawing what was found on a frame, for people to look at."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

SHORTEST = 360  # frames with a shorter side are enlarged: a point is then told from its neighbour
INK = (64, 255, 96)
SHADOW = (0, 0, 0)
BOX = (255, 190, 0)


def mark_face(
    frame: NDArray[np.uint8],
    box: NDArray[np.floating] | None,
    points: NDArray[np.floating] | None,
    radius: float = 2.0,
) -> NDArray[np.uint8]:
    """Draw a face's box and points.

    Args:
        frame: (H, W, 3) uint8 RGB.
        box: (4,) x0 y0 x1 y1 pixels, or None.
        points: (P, 2) pixels, or None.
        radius: of a point's dot, pixels of the result.
    Returns:
        (H * k, W * k, 3) uint8, k the least whole number that brings the shorter side to 360 pixels.
    """
    factor = max(1, -(-SHORTEST // min(frame.shape[:2])))
    size = frame.shape[1] * factor, frame.shape[0] * factor
    image = Image.fromarray(frame).resize(size, Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(image)
    if box is not None:
        draw.rectangle([float(v) * factor for v in box], outline=BOX)
    if points is not None:
        for x, y in np.asarray(points, np.float64) * factor:
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=INK, outline=SHADOW)
    return np.asarray(image)
