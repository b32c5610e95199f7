"""How a stored picture is meant to be shown: turned, mirrored, and with pixels that needn't be square."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from facemotion.config import MediaSettings

SQUARE_WITHIN = 0.01
"""Pixels this near to square are square: encoders round odd sides, and no eye or network sees it."""
WIDEST_PIXEL = 10
"""Longest side of a pixel over its shorter one; beyond it the header is damaged, and pixels are taken for square."""


@dataclass(frozen=True)
class Orientation:
    """One of the eight ways to lay a rectangle down: transposed first, then mirrored, then turned over.

    Attributes:
        transpose: rows and columns change places, along the diagonal from the top left.
        mirror: left and right change places.
        flip: top and bottom change places.
    """

    transpose: bool = False
    mirror: bool = False
    flip: bool = False

    @classmethod
    def of_matrix(cls, matrix: bytes) -> Orientation:
        """The orientation nearest to a display matrix.

        Args:
            matrix: 9 int32 in this machine's byte order, a b u c d v x y w: what is stored at column p and row q is
                shown at column a p + c q + x and row b p + d q + y. What isn't such a matrix changes nothing.
        """
        if len(matrix) != 36:
            return UPRIGHT
        a, b, _, c, d, *_ = struct.unpack("=9i", matrix)
        if abs(a) + abs(d) >= abs(b) + abs(c):
            return cls(False, a < 0, d < 0)
        return cls(True, c < 0, b < 0)

    def show(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """(H, W, 3) or, transposed, (W, H, 3): the picture (H, W, 3) as it is meant to be seen."""
        if self == UPRIGHT:
            return picture
        if self.transpose:
            picture = picture.swapaxes(0, 1)
        return np.ascontiguousarray(picture[:: -1 if self.flip else 1, :: -1 if self.mirror else 1])


UPRIGHT = Orientation()


def square_size(width: int, height: int, pixel: Fraction | None) -> tuple[int, int]:
    """Width and height of a picture once its pixels are square; a side only grows, so that nothing seen is lost.

    Args:
        width, height: as stored, in pixels.
        pixel: width over height of one pixel; None or 0: unknown, which means square.
    """
    if not pixel or not 1 / WIDEST_PIXEL <= pixel <= WIDEST_PIXEL or abs(pixel - 1) <= SQUARE_WITHIN:
        return width, height
    if pixel > 1:
        return round(width * pixel), height
    return width, round(height / pixel)


def analysis_size(width: int, height: int, side: int) -> tuple[int, int]:
    """Width and height of a picture scaled down until no side is longer than `side`, in pixels, each at least 1."""
    scale = min(1.0, side / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def scale_to_analysis(picture: NDArray[np.uint8], settings: MediaSettings) -> NDArray[np.uint8]:
    """(H, W, 3) uint8: a frame in memory (H, W, 3), scaled down to the size of the analysis where it is larger."""
    import cv2

    height, width = picture.shape[:2]
    size = analysis_size(width, height, settings.analysis_side_px)
    picture = np.ascontiguousarray(picture)
    if size == (width, height):
        return picture
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
