"""Large pictures made small: Lanczos of three lobes, as Pillow defines it, in single precision and compiled.

A box filter of 1.5 pixels blurs and aliases, so renders could be distinguished from photographs. Pillow's own filter
took a tenth of the time of a frame and rounds to whole grey levels between its two passes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from facemotion.synth.drawing.compiled import compiled
from facemotion.synth.drawing.raster import FloatArray

LOBES = 3.0


class Shrinker:
    """Brings pictures of one size down to another."""

    def __init__(self, size: tuple[int, int], wanted: tuple[int, int]) -> None:
        """Prepare the weights.

        Args:
            size: height and width of the pictures given.
            wanted: height and width of the pictures made, neither of them larger.
        """
        self._rows, self._columns = weights(size[0], wanted[0]), weights(size[1], wanted[1])

    def __call__(self, picture: FloatArray) -> FloatArray:
        """Bring one picture down.

        Args:
            picture: (H, W, 3) float32.
        Returns:
            (h, w, 3) float32, whole grey levels 0..255.
        """
        return _shrink(picture, *self._rows, *self._columns)


def weights(size: int, wanted: int) -> tuple[NDArray[np.int64], FloatArray]:
    """Weights of a filter along one axis.

    Args:
        size: pixels given.
        wanted: pixels made.
    Returns:
        The first pixel that each pixel made takes from, (wanted,) int64, and the weights of this pixel and those that
        follow, (wanted, taps) float32, which sum to 1.
    """
    scale = size / wanted
    reach = LOBES * max(scale, 1.0)
    centre = (np.arange(wanted) + 0.5) * scale
    low = np.maximum((centre - reach + 0.5).astype(np.int64), 0)
    high = np.minimum((centre + reach + 0.5).astype(np.int64), size)
    taps = int((high - low).max())
    # Near the end a window of full length would run out of the picture: it begins earlier, with weights of 0.
    first = np.minimum(low, size - taps)
    pixel = first[:, None] + np.arange(taps)
    offset = (pixel + 0.5 - centre[:, None]) / max(scale, 1.0)
    table = np.sinc(offset) * np.sinc(offset / LOBES) * ((pixel >= low[:, None]) & (pixel < high[:, None]))
    return first, (table / table.sum(axis=1, keepdims=True)).astype(np.float32)


@compiled
def _shrink(
    picture: FloatArray,
    top: NDArray[np.int64],
    down: FloatArray,
    left: NDArray[np.int64],
    across: FloatArray,
) -> FloatArray:
    black, white, half = np.float32(0), np.float32(255), np.float32(0.5)
    tall, wide = picture.shape[0], picture.shape[1]
    height, width = len(top), len(left)
    levels = np.empty((tall, wide * 3), np.float32)
    flat = picture.reshape(tall, wide * 3)
    for y in range(tall):
        for x in range(wide * 3):
            levels[y, x] = min(max(flat[y, x], black), white)
    low = _fewer_rows(levels, top, down)
    turned = np.empty((wide, height * 3), np.float32)
    for y in range(height):
        for x in range(wide):
            for k in range(3):
                turned[x, 3 * y + k] = low[y, 3 * x + k]
    small = _fewer_rows(turned, left, across)
    out = np.empty((height, width, 3), np.float32)
    for y in range(height):
        for x in range(width):
            for k in range(3):
                out[y, x, k] = np.floor(min(max(small[x, 3 * y + k] + half, black), white))
    return out


@compiled
def _fewer_rows(picture: FloatArray, first: NDArray[np.int64], table: FloatArray) -> FloatArray:
    """Each row out (n, L) is a weighted sum of rows in (N, L).

    The inner loop runs along memory, so that it takes eight numbers at a time. Columns are made fewer the same way, on
    the picture turned over.
    """
    out = np.zeros((len(first), picture.shape[1]), np.float32)
    for y in range(len(first)):
        row = out[y]
        for tap in range(table.shape[1]):
            w, source = table[y, tap], picture[first[y] + tap]
            for x in range(len(row)):
                row[x] += w * source[x]
    return out
