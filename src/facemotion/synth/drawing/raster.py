"""Triangles into pixels: a z-buffer rasteriser, compiled by numba.

Weak perspective makes every attribute affine on screen, so interpolation needs no division a pixel. Edges are
antialiased by drawing larger and averaging down (see `render`).
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from facemotion.synth.drawing.compiled import compiled

FloatArray = NDArray[np.float32]
IntArray = NDArray[np.int32]
Texture = NDArray[np.int64]

# Columns of the attributes of a textured vertex.
U, V, U2, V2, MIX, RED, GREEN, BLUE, ALPHA = range(9)
ATTRIBUTES = 9
# Columns of the attributes of a vertex of a sheet.
SHEET_U, SHEET_V, SHEET_RED, SHEET_GREEN, SHEET_BLUE = range(5)
SHEET_ATTRIBUTES = 5

# Single precision throughout: a number without a type would turn each pixel's sums into doubles.
_ZERO, _HALF, _ONE = np.float32(0), np.float32(0.5), np.float32(1)
_FAINT = np.float32(0.004)  # a share of a colour that is too small to change a grey level: less than 1/255
# How far outside a triangle, in its own coordinates, a pixel still counts: rounding must leave no gap between two.
_SLACK = np.float32(-1e-4)
# Pixels by which a row is lengthened at both ends, for the same reason; the slope below which an edge counts as level.
_REACH, _LEVEL = np.float32(1e-3), np.float32(1e-9)
# A texel is one integer with a colour in each 21 bits: one product then weighs red, green and blue at once. Weights
# are 4096ths that sum to 1, so that a weighted colour has 8 + 12 bits and never runs into the next one.
_FIELD = 21
_COLOUR = (1 << _FIELD) - 1
_BITS = 12
_PART = (1 << _BITS) - 1
_STEPS, _STEP = np.float32(1 << _BITS), np.float32(1 / (1 << _BITS))


class Ramp(NamedTuple):
    """A rise from 0 to 1.

    Attributes:
        start: value at which it is 0.
        width: from there to the value at which it is 1; below 0 for a fall.
    """

    start: float
    width: float

    def __call__(self, value: Any) -> NDArray[Any]:
        """Height 0..1 at a value or at values, of their shape and dtype."""
        return np.asarray(np.clip((value - self.start) / self.width, 0, 1))


class Canvas(NamedTuple):
    """What triangles are drawn into.

    Attributes:
        picture: (H, W, 3) float32, 0..255.
        depth: (H, W) float32, z of the nearest surface drawn so far.
    """

    picture: FloatArray
    depth: FloatArray


class Textures(NamedTuple):
    """Two pictures that a triangle takes its colour from, each made by `pack`.

    Attributes:
        first: (h, w) int64.
        second: (h, w) int64, shown by the share in the column MIX.
    """

    first: Texture
    second: Texture


class Place(NamedTuple):
    """Where a triangle lies on the canvas.

    Attributes:
        x, y: its first vertex, pixels.
        bx, by, cx, cy: the way from there to the second and to the third vertex, over twice the area: with them a pixel
            at (dx, dy) from the first vertex has the weight dx * cy - dy * cx of the second, and dy * bx - dx * by of
            the third.
        left, right, top, bottom: the pixels that it may cover, all of them included; left > right where there is none.
    """

    x: np.float32
    y: np.float32
    bx: np.float32
    by: np.float32
    cx: np.float32
    cy: np.float32
    left: int
    right: int
    top: int
    bottom: int


def pack(picture: NDArray[np.uint8]) -> Texture:
    """Make a texture of a picture.

    Args:
        picture: (h, w, 3) uint8, h and w at least 2.
    Returns:
        (h, w) int64.
    """
    wide = picture.astype(np.int64)
    return np.ascontiguousarray(wide[..., 0] | (wide[..., 1] << _FIELD) | (wide[..., 2] << (2 * _FIELD)))


def grid_triangles(rows: int, columns: int) -> IntArray:
    """Triangles (N, 3) int32 of a grid of points, two a cell; points are numbered row by row."""
    index = np.arange(rows * columns, dtype=np.int32).reshape(rows, columns)
    a, b, c, d = (part.ravel() for part in (index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]))
    return np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)])


@compiled
def _place(points: FloatArray, corners: tuple[int, int, int], cull: bool, width: int, height: int) -> Place:
    """Where the triangle of these vertices lies; nowhere, if it has no area or is culled."""
    a, b, c = corners
    x0, y0 = points[a, 0], points[a, 1]
    bx, by, cx, cy = points[b, 0] - x0, points[b, 1] - y0, points[c, 0] - x0, points[c, 1] - y0
    area = bx * cy - cx * by
    # y points down on screen, so a triangle that faces us turns the other way round there.
    if area == _ZERO or (cull and area > _ZERO):
        return Place(x0, y0, bx, by, cx, cy, 0, -1, 0, -1)
    left = max(0, math.ceil(x0 + min(_ZERO, bx, cx) - _HALF))
    right = min(width - 1, math.floor(x0 + max(_ZERO, bx, cx) - _HALF))
    top = max(0, math.ceil(y0 + min(_ZERO, by, cy) - _HALF))
    bottom = min(height - 1, math.floor(y0 + max(_ZERO, by, cy) - _HALF))
    inverse = _ONE / area
    return Place(x0, y0, bx * inverse, by * inverse, cx * inverse, cy * inverse, left, right, top, bottom)


@compiled
def draw_textured(
    triangles: IntArray,
    points: FloatArray,
    attributes: FloatArray,
    textures: Textures,
    cull: bool,
    canvas: Canvas,
) -> None:
    """Draw triangles that take their colour from pictures.

    Args:
        triangles: (N, 3) int32, vertices of each.
        points: (V, 3) float32, x and y in pixels of the canvas, z growing towards the camera.
        attributes: (V, 9) float32, columns as named above: place in the first and in the second texture (pixels), share
            of the second 0..1, factors for red, green and blue, opacity 0..1.
        textures: pictures that give the colours.
        cull: whether triangles seen from behind are left out.
        canvas: picture and depth, drawn into.
    """
    first, second = textures
    picture, depth = canvas
    height, width = depth.shape
    for n in range(triangles.shape[0]):
        a, b, c = triangles[n, 0], triangles[n, 1], triangles[n, 2]
        place = _place(points, (a, b, c), cull, width, height)
        if place.left > place.right or place.top > place.bottom:
            continue
        x0, y0, bx, by, cx, cy = place.x, place.y, place.bx, place.by, place.cx, place.cy
        z0, z1, z2 = points[a, 2], points[b, 2], points[c, 2]
        mixed = attributes[a, MIX] > _FAINT or attributes[b, MIX] > _FAINT or attributes[c, MIX] > _FAINT
        for j in range(place.top, place.bottom + 1):
            dy = np.float32(j) + _HALF - y0
            for i in range(place.left, place.right + 1):
                dx = np.float32(i) + _HALF - x0
                wb, wc = dx * cy - dy * cx, dy * bx - dx * by
                wa = _ONE - wb - wc
                if wa < _SLACK or wb < _SLACK or wc < _SLACK:
                    continue
                z = wa * z0 + wb * z1 + wc * z2
                if z <= depth[j, i]:
                    continue
                alpha = wa * attributes[a, ALPHA] + wb * attributes[b, ALPHA] + wc * attributes[c, ALPHA]
                if alpha <= _FAINT:
                    continue
                u = wa * attributes[a, U] + wb * attributes[b, U] + wc * attributes[c, U]
                v = wa * attributes[a, V] + wb * attributes[b, V] + wc * attributes[c, V]
                red, green, blue = _sample(first, u, v)
                if mixed:
                    mix = wa * attributes[a, MIX] + wb * attributes[b, MIX] + wc * attributes[c, MIX]
                    u = wa * attributes[a, U2] + wb * attributes[b, U2] + wc * attributes[c, U2]
                    v = wa * attributes[a, V2] + wb * attributes[b, V2] + wc * attributes[c, V2]
                    red2, green2, blue2 = _sample(second, u, v)
                    red += mix * (red2 - red)
                    green += mix * (green2 - green)
                    blue += mix * (blue2 - blue)
                red *= wa * attributes[a, RED] + wb * attributes[b, RED] + wc * attributes[c, RED]
                green *= wa * attributes[a, GREEN] + wb * attributes[b, GREEN] + wc * attributes[c, GREEN]
                blue *= wa * attributes[a, BLUE] + wb * attributes[b, BLUE] + wc * attributes[c, BLUE]
                if alpha > _HALF:
                    depth[j, i] = z
                picture[j, i, 0] += alpha * (red - picture[j, i, 0])
                picture[j, i, 1] += alpha * (green - picture[j, i, 1])
                picture[j, i, 2] += alpha * (blue - picture[j, i, 2])


@compiled
def _sample(texture: Texture, u: np.float32, v: np.float32) -> tuple[np.float32, np.float32, np.float32]:
    """Bilinear colour at (u, v) pixels; places outside take the nearest border."""
    height, width = texture.shape
    x = min(max(int((u - _HALF) * _STEPS), 0), ((width - 1) << _BITS) - 1)
    y = min(max(int((v - _HALF) * _STEPS), 0), ((height - 1) << _BITS) - 1)
    i, j, fx, fy = x >> _BITS, y >> _BITS, x & _PART, y & _PART
    # One weight is rounded down, and the others are differences: so the four sum to 1 exactly and none is below 0.
    w11 = (fx * fy) >> _BITS
    w10, w01 = fx - w11, fy - w11
    w00 = _PART + 1 - fx - w01
    upper, lower = texture[j], texture[j + 1]
    colour = w00 * upper[i] + w10 * upper[i + 1] + w01 * lower[i] + w11 * lower[i + 1]
    red, green, blue = colour & _COLOUR, (colour >> _FIELD) & _COLOUR, colour >> (2 * _FIELD)
    return np.float32(red) * _STEP, np.float32(green) * _STEP, np.float32(blue) * _STEP


@compiled
def draw_sheet(
    triangles: IntArray, points: FloatArray, attributes: FloatArray, texture: Texture, picture: FloatArray
) -> None:
    """Draw large opaque triangles without depth; the faster way for what fills the picture.

    Args:
        triangles: (N, 3) int32, vertices of each.
        points: (V, 2) float32, pixels of `picture`.
        attributes: (V, 5) float32, columns as named above: place in `texture` (pixels), factors for red, green and
            blue.
        texture: (h, w) int64, made by `pack`.
        picture: (H, W, 3) float32, drawn into.
    """
    height, width = picture.shape[0], picture.shape[1]
    for n in range(triangles.shape[0]):
        a, b, c = triangles[n, 0], triangles[n, 1], triangles[n, 2]
        place = _place(points, (a, b, c), False, width, height)
        if place.left > place.right or place.top > place.bottom:
            continue
        x0, y0, bx, by, cx, cy = place.x, place.y, place.bx, place.by, place.cx, place.cy
        corners = (a, b, c)
        du, dv = _slope(attributes, corners, SHEET_U, cy, by), _slope(attributes, corners, SHEET_V, cy, by)
        dr, dg = _slope(attributes, corners, SHEET_RED, cy, by), _slope(attributes, corners, SHEET_GREEN, cy, by)
        db = _slope(attributes, corners, SHEET_BLUE, cy, by)
        for j in range(place.top, place.bottom + 1):
            dx, dy = np.float32(place.left) + _HALF - x0, np.float32(j) + _HALF - y0
            wb, wc = dx * cy - dy * cx, dy * bx - dx * by
            # Which of the row's pixels lie inside, from where the row crosses the three edges.
            low, high = _span(_ZERO, np.float32(place.right - place.left), wb, cy)
            low, high = _span(low, high, wc, -by)
            low, high = _span(low, high, _ONE - wb - wc, by - cy)
            start, end = math.ceil(low), math.floor(high)
            if start > end:
                continue
            wa = _ONE - wb - wc
            u = wa * attributes[a, SHEET_U] + wb * attributes[b, SHEET_U] + wc * attributes[c, SHEET_U]
            v = wa * attributes[a, SHEET_V] + wb * attributes[b, SHEET_V] + wc * attributes[c, SHEET_V]
            r = wa * attributes[a, SHEET_RED] + wb * attributes[b, SHEET_RED] + wc * attributes[c, SHEET_RED]
            g = wa * attributes[a, SHEET_GREEN] + wb * attributes[b, SHEET_GREEN] + wc * attributes[c, SHEET_GREEN]
            blueness = wa * attributes[a, SHEET_BLUE] + wb * attributes[b, SHEET_BLUE] + wc * attributes[c, SHEET_BLUE]
            for i in range(start, end + 1):
                t = np.float32(i)
                red, green, blue = _sample(texture, u + t * du, v + t * dv)
                picture[j, place.left + i, 0] = red * (r + t * dr)
                picture[j, place.left + i, 1] = green * (g + t * dg)
                picture[j, place.left + i, 2] = blue * (blueness + t * db)


@compiled
def _slope(
    attributes: FloatArray, corners: tuple[int, int, int], column: int, cy: np.float32, by: np.float32
) -> np.float32:
    """How an attribute changes from one pixel of a row to the next."""
    a, b, c = corners
    start = attributes[a, column]
    return np.float32(cy * (attributes[b, column] - start) - by * (attributes[c, column] - start))


@compiled
def _span(low: np.float32, high: np.float32, start: np.float32, step: np.float32) -> tuple[np.float32, np.float32]:
    """The part of low..high where start + t * step isn't below 0; a little more, so that rounding leaves no gap."""
    if abs(step) < _LEVEL:
        return (low, high) if start >= _SLACK else (_ONE, _ZERO)
    edge = -start / step
    if step > _ZERO:
        edge -= _REACH
        return (edge, high) if edge > low else (low, high)
    edge += _REACH
    return (low, edge) if edge < high else (low, high)


@compiled
def draw_coloured(triangles: IntArray, points: FloatArray, colours: FloatArray, cull: bool, canvas: Canvas) -> None:
    """Draw opaque triangles with a colour a vertex.

    Args:
        triangles: (N, 3) int32, vertices of each.
        points: (V, 3) float32, as in `draw_textured`.
        colours: (V, 3) float32, 0..255.
        cull: whether triangles seen from behind are left out.
        canvas: picture and depth, drawn into.
    """
    picture, depth = canvas
    height, width = depth.shape
    for n in range(triangles.shape[0]):
        a, b, c = triangles[n, 0], triangles[n, 1], triangles[n, 2]
        place = _place(points, (a, b, c), cull, width, height)
        if place.left > place.right or place.top > place.bottom:
            continue
        x0, y0, bx, by, cx, cy = place.x, place.y, place.bx, place.by, place.cx, place.cy
        for j in range(place.top, place.bottom + 1):
            dy = np.float32(j) + _HALF - y0
            for i in range(place.left, place.right + 1):
                dx = np.float32(i) + _HALF - x0
                wb, wc = dx * cy - dy * cx, dy * bx - dx * by
                wa = _ONE - wb - wc
                if wa < _SLACK or wb < _SLACK or wc < _SLACK:
                    continue
                z = wa * points[a, 2] + wb * points[b, 2] + wc * points[c, 2]
                if z <= depth[j, i]:
                    continue
                depth[j, i] = z
                for k in range(3):
                    picture[j, i, k] = wa * colours[a, k] + wb * colours[b, k] + wc * colours[c, k]
