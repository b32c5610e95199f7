"""Triangles into pixels: a z-buffer rasteriser, compiled by numba.

Weak perspective makes every attribute affine on screen, so interpolation needs no division a pixel. Edges are
antialiased by drawing larger and averaging down (see `render`).
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]
IntArray = NDArray[np.int32]

# Columns of the attributes of a textured vertex.
U, V, U2, V2, MIX, RED, GREEN, BLUE, ALPHA = range(9)
ATTRIBUTES = 9


@njit(cache=True, fastmath=True, nogil=True)
def draw_textured(
    triangles: IntArray,
    points: FloatArray,
    attributes: FloatArray,
    first: NDArray[np.uint8],
    second: NDArray[np.uint8],
    cull: bool,
    picture: FloatArray,
    depth: FloatArray,
) -> None:
    """Draw triangles that take their colour from pictures.

    Args:
        triangles: (N, 3) int32. points: (V, 3) float32 x, y in pixels of `picture`, z growing towards the camera.
        attributes: (V, 9) float32, columns as named above: place in `first`, place in `second` (pixels), share of
            `second` 0..1, factors for red, green and blue, opacity 0..1.
        first, second: (h, w, 3) uint8.
        cull: whether triangles seen from behind are left out.
        picture: (H, W, 3) float32 0..255, drawn into. depth: (H, W) float32, drawn into.
    """
    height, width = depth.shape
    for n in range(triangles.shape[0]):
        a, b, c = triangles[n, 0], triangles[n, 1], triangles[n, 2]
        x0, y0, x1, y1, x2, y2 = points[a, 0], points[a, 1], points[b, 0], points[b, 1], points[c, 0], points[c, 1]
        area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
        # y points down on screen, so a triangle that faces us turns the other way round there.
        if area == 0 or (cull and area > 0):
            continue
        left, right = max(0, math.ceil(min(x0, x1, x2) - 0.5)), min(width - 1, math.floor(max(x0, x1, x2) - 0.5))
        top, bottom = max(0, math.ceil(min(y0, y1, y2) - 0.5)), min(height - 1, math.floor(max(y0, y1, y2) - 0.5))
        if left > right or top > bottom:
            continue
        inverse = 1 / area
        for j in range(top, bottom + 1):
            py = j + 0.5
            for i in range(left, right + 1):
                px = i + 0.5
                wb = ((px - x0) * (y2 - y0) - (x2 - x0) * (py - y0)) * inverse
                wc = ((x1 - x0) * (py - y0) - (px - x0) * (y1 - y0)) * inverse
                wa = 1 - wb - wc
                if wa < 0 or wb < 0 or wc < 0:
                    continue
                z = wa * points[a, 2] + wb * points[b, 2] + wc * points[c, 2]
                if z <= depth[j, i]:
                    continue
                alpha = wa * attributes[a, 8] + wb * attributes[b, 8] + wc * attributes[c, 8]
                if alpha <= 0.004:
                    continue
                u = wa * attributes[a, 0] + wb * attributes[b, 0] + wc * attributes[c, 0]
                v = wa * attributes[a, 1] + wb * attributes[b, 1] + wc * attributes[c, 1]
                red, green, blue = _sample(first, u, v)
                mix = wa * attributes[a, 4] + wb * attributes[b, 4] + wc * attributes[c, 4]
                if mix > 0.004:
                    u = wa * attributes[a, 2] + wb * attributes[b, 2] + wc * attributes[c, 2]
                    v = wa * attributes[a, 3] + wb * attributes[b, 3] + wc * attributes[c, 3]
                    red2, green2, blue2 = _sample(second, u, v)
                    red += mix * (red2 - red)
                    green += mix * (green2 - green)
                    blue += mix * (blue2 - blue)
                red *= wa * attributes[a, 5] + wb * attributes[b, 5] + wc * attributes[c, 5]
                green *= wa * attributes[a, 6] + wb * attributes[b, 6] + wc * attributes[c, 6]
                blue *= wa * attributes[a, 7] + wb * attributes[b, 7] + wc * attributes[c, 7]
                if alpha > 0.5:
                    depth[j, i] = z
                picture[j, i, 0] += alpha * (red - picture[j, i, 0])
                picture[j, i, 1] += alpha * (green - picture[j, i, 1])
                picture[j, i, 2] += alpha * (blue - picture[j, i, 2])


@njit(cache=True, fastmath=True, nogil=True)
def _sample(texture: NDArray[np.uint8], u: float, v: float) -> tuple[float, float, float]:
    """Bilinear colour at (u, v) pixels; places outside take the nearest border."""
    height, width = texture.shape[0], texture.shape[1]
    x = min(max(u - np.float32(0.5), np.float32(0)), np.float32(width) - np.float32(1.001))
    y = min(max(v - np.float32(0.5), np.float32(0)), np.float32(height) - np.float32(1.001))
    i, j = int(x), int(y)
    fx, fy = x - np.float32(i), y - np.float32(j)
    gx, gy = np.float32(1) - fx, np.float32(1) - fy
    w00, w10, w01, w11 = gx * gy, fx * gy, gx * fy, fx * fy
    upper, lower = texture[j], texture[j + 1]
    red = w00 * upper[i, 0] + w10 * upper[i + 1, 0] + w01 * lower[i, 0] + w11 * lower[i + 1, 0]
    green = w00 * upper[i, 1] + w10 * upper[i + 1, 1] + w01 * lower[i, 1] + w11 * lower[i + 1, 1]
    blue = w00 * upper[i, 2] + w10 * upper[i + 1, 2] + w01 * lower[i, 2] + w11 * lower[i + 1, 2]
    return red, green, blue


@njit(cache=True, fastmath=True, nogil=True)
def draw_sheet(
    triangles: IntArray, points: FloatArray, attributes: FloatArray, texture: NDArray[np.uint8], picture: FloatArray
) -> None:
    """Draw large opaque triangles without depth; the faster way for what fills the picture.

    Args:
        triangles: (N, 3) int32. points: (V, 2) float32 pixels of `picture`. attributes: (V, 5) float32: place in
        `texture` (pixels), factors for red, green and blue. texture: (h, w, 3) uint8. picture: (H, W, 3) float32.
    """
    height, width = picture.shape[0], picture.shape[1]
    start, step = np.empty(5, np.float32), np.empty(5, np.float32)
    for n in range(triangles.shape[0]):
        a, b, c = triangles[n, 0], triangles[n, 1], triangles[n, 2]
        x0, y0, x1, y1, x2, y2 = points[a, 0], points[a, 1], points[b, 0], points[b, 1], points[c, 0], points[c, 1]
        area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
        if area == 0:
            continue
        left, right = max(0, math.ceil(min(x0, x1, x2) - 0.5)), min(width - 1, math.floor(max(x0, x1, x2) - 0.5))
        top, bottom = max(0, math.ceil(min(y0, y1, y2) - 0.5)), min(height - 1, math.floor(max(y0, y1, y2) - 0.5))
        if left > right or top > bottom:
            continue
        db, dc = (y2 - y0) / area, (y0 - y1) / area
        for k in range(5):
            step[k] = db * (attributes[b, k] - attributes[a, k]) + dc * (attributes[c, k] - attributes[a, k])
        for j in range(top, bottom + 1):
            px, py = left + 0.5, j + 0.5
            wb = ((px - x0) * (y2 - y0) - (x2 - x0) * (py - y0)) / area
            wc = ((x1 - x0) * (py - y0) - (px - x0) * (y1 - y0)) / area
            for k in range(5):
                start[k] = attributes[a, k] + wb * (attributes[b, k] - attributes[a, k])
                start[k] += wc * (attributes[c, k] - attributes[a, k])
            u, v, red, green, blue = start[0], start[1], start[2], start[3], start[4]
            for i in range(left, right + 1):
                if wb >= 0 and wc >= 0 and wb + wc <= 1:
                    x, y, z = _sample(texture, u, v)
                    picture[j, i, 0], picture[j, i, 1], picture[j, i, 2] = x * red, y * green, z * blue
                wb += db
                wc += dc
                u += step[0]
                v += step[1]
                red += step[2]
                green += step[3]
                blue += step[4]


@njit(cache=True, fastmath=True, nogil=True)
def draw_coloured(
    triangles: IntArray, points: FloatArray, colours: FloatArray, cull: bool, picture: FloatArray, depth: FloatArray
) -> None:
    """Draw opaque triangles with a colour a vertex, (V, 3) float32 0..255; the rest as in `draw_textured`."""
    height, width = depth.shape
    for n in range(triangles.shape[0]):
        a, b, c = triangles[n, 0], triangles[n, 1], triangles[n, 2]
        x0, y0, x1, y1, x2, y2 = points[a, 0], points[a, 1], points[b, 0], points[b, 1], points[c, 0], points[c, 1]
        area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
        if area == 0 or (cull and area > 0):
            continue
        left, right = max(0, math.ceil(min(x0, x1, x2) - 0.5)), min(width - 1, math.floor(max(x0, x1, x2) - 0.5))
        top, bottom = max(0, math.ceil(min(y0, y1, y2) - 0.5)), min(height - 1, math.floor(max(y0, y1, y2) - 0.5))
        if left > right or top > bottom:
            continue
        inverse = 1 / area
        for j in range(top, bottom + 1):
            for i in range(left, right + 1):
                px, py = i + 0.5, j + 0.5
                wb = ((px - x0) * (y2 - y0) - (x2 - x0) * (py - y0)) * inverse
                wc = ((x1 - x0) * (py - y0) - (px - x0) * (y1 - y0)) * inverse
                wa = 1 - wb - wc
                if wa < 0 or wb < 0 or wc < 0:
                    continue
                z = wa * points[a, 2] + wb * points[b, 2] + wc * points[c, 2]
                if z <= depth[j, i]:
                    continue
                depth[j, i] = z
                for k in range(3):
                    picture[j, i, k] = wa * colours[a, k] + wb * colours[b, k] + wc * colours[c, k]


@njit(cache=True, fastmath=True, nogil=True)
def vertex_normals(triangles: IntArray, points: FloatArray, count: int) -> FloatArray:
    """Unit normals (count, 3) of the first `count` vertices, each the area-weighted mean of its triangles'."""
    normals = np.zeros((count, 3), np.float32)
    for n in range(triangles.shape[0]):
        a, b, c = triangles[n, 0], triangles[n, 1], triangles[n, 2]
        ux, uy, uz = points[b, 0] - points[a, 0], points[b, 1] - points[a, 1], points[b, 2] - points[a, 2]
        vx, vy, vz = points[c, 0] - points[a, 0], points[c, 1] - points[a, 1], points[c, 2] - points[a, 2]
        nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
        for k in (a, b, c):
            normals[k, 0] += nx
            normals[k, 1] += ny
            normals[k, 2] += nz
    for k in range(count):
        length = math.sqrt(normals[k, 0] ** 2 + normals[k, 1] ** 2 + normals[k, 2] ** 2)
        if length > 0:
            normals[k] /= length
    return normals


@njit(cache=True, fastmath=True, nogil=True)
def blend_shapes(neutral: FloatArray, shapes: FloatArray, weights: FloatArray) -> FloatArray:
    """neutral (V, 3) + sum of weights (S,) times shapes (S, V, 3), skipping weights of 0."""
    points = neutral.copy()
    for s in range(weights.shape[0]):
        w = weights[s]
        if w != 0:
            for k in range(points.shape[0]):
                points[k, 0] += w * shapes[s, k, 0]
                points[k, 1] += w * shapes[s, k, 1]
                points[k, 2] += w * shapes[s, k, 2]
    return points
