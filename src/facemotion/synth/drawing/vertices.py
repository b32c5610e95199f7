"""What is done to every vertex of a head, frame after frame; compiled by numba."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from facemotion.synth.drawing.compiled import compiled

FloatArray = NDArray[np.float32]
IntArray = NDArray[np.int32]

# Single precision throughout: a number without a type would make doubles of all that it meets.
_ZERO, _ONE = np.float32(0), np.float32(1)


@compiled
def place(points: FloatArray, matrix: FloatArray) -> FloatArray:
    """(P, 3) of points (P, 3): the affine map (3, 4) of each."""
    out = np.empty((len(points), 3), np.float32)
    for k in range(len(points)):
        x, y, z = points[k, 0], points[k, 1], points[k, 2]
        for axis in range(3):
            out[k, axis] = matrix[axis, 0] * x + matrix[axis, 1] * y + matrix[axis, 2] * z + matrix[axis, 3]
    return out


@compiled
def carry(follow: FloatArray, moved: FloatArray) -> FloatArray:
    """(G, 2): the first M columns of `follow` (G, C) @ the transpose of `moved` (2, M). A product with two columns is
    what libraries of linear algebra are slow at."""
    out = np.empty((len(follow), 2), np.float32)
    for g in range(len(follow)):
        x, y = _ZERO, _ZERO
        for k in range(moved.shape[1]):
            x += follow[g, k] * moved[0, k]
            y += follow[g, k] * moved[1, k]
        out[g, 0], out[g, 1] = x, y
    return out


@compiled
def vertex_normals(triangles: IntArray, points: FloatArray, count: int) -> FloatArray:
    """Unit normals (count, 3) of the first `count` vertices, each the area-weighted mean of its triangles'."""
    normals = np.zeros((count, 3), np.float32)
    for n in range(triangles.shape[0]):
        _add_normal(triangles[n, 0], triangles[n, 1], triangles[n, 2], points, 0, normals)
    for k in range(count):
        x, y, z = normals[k, 0], normals[k, 1], normals[k, 2]
        length = math.sqrt(x * x + y * y + z * z)
        if length > _ZERO:
            normals[k, 0], normals[k, 1], normals[k, 2] = x / length, y / length, z / length
    return normals


@compiled
def _add_normal(a: int, b: int, c: int, points: FloatArray, first: int, normals: FloatArray) -> None:
    """Add a triangle's normal, as long as twice its area, to those of its vertices, counted from `first` on."""
    ux, uy, uz = points[b, 0] - points[a, 0], points[b, 1] - points[a, 1], points[b, 2] - points[a, 2]
    vx, vy, vz = points[c, 0] - points[a, 0], points[c, 1] - points[a, 1], points[c, 2] - points[a, 2]
    nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
    for k in (a - first, b - first, c - first):
        normals[k, 0] += nx
        normals[k, 1] += ny
        normals[k, 2] += nz


@compiled
def _ratio(
    x: np.float32, y: np.float32, z: np.float32, towards: FloatArray, ambient: np.float32, dimmed: np.float32
) -> np.float32:
    """Light on a normal over the portrait's light there, kept from extremes."""
    light = max(ambient + x * towards[0] + y * towards[1] + z * towards[2], np.float32(0.12))
    return np.float32(min(max(light * dimmed, np.float32(0.5)), np.float32(1.5)))


@compiled
def relight(
    dimmed: FloatArray, normals: FloatArray, towards: FloatArray, ambient: np.float32, colour: FloatArray
) -> FloatArray:
    """(N, 3) factors of red, green and blue; see `view.shade`."""
    out = np.empty((len(normals), 3), np.float32)
    for k in range(len(normals)):
        ratio = _ratio(normals[k, 0], normals[k, 1], normals[k, 2], towards, ambient, dimmed[k])
        out[k, 0], out[k, 1], out[k, 2] = ratio * colour[0], ratio * colour[1], ratio * colour[2]
    return out


@compiled
def light_skin(
    attributes: FloatArray,
    normals: FloatArray,
    resting: FloatArray,
    dimmed: FloatArray,
    towards: FloatArray,
    rest_towards: FloatArray,
    sight: FloatArray,
    ambient: np.float32,
    colour: FloatArray,
    opacity: FloatArray,
    hollow: FloatArray,
    lid: FloatArray,
    shut: FloatArray,
    calm: FloatArray,
) -> None:
    """Fill in what changes from frame to frame in the attributes (F, 9) of the face (see raster): share of the picture
    with closed lids, factors of light, opacity.

    Args:
        normals: (F, 3) in the head's coordinates, now. resting: (F, 3) those of the portrait, in its camera's.
        dimmed: (F,) of `view.dimming`. towards, rest_towards: (3,) direction of the light in the coordinates of
            `normals` and `resting`; ambient, colour: (3,) of the light. sight: (3,) towards the camera, as `normals`.
        opacity: (F,) at rest. hollow: (F,) 0..1, where skin stays opaque though it turns away.
        lid: (2, V) share of each eye's lid; shut: (2,) how far it is closed; calm: (2,) share of the resting light
            that it keeps.
    """
    for k in range(len(attributes)):
        x, y, z = normals[k, 0], normals[k, 1], normals[k, 2]
        ratio = _ratio(x, y, z, towards, ambient, dimmed[k])
        mix = lid[0, k] * shut[0] + lid[1, k] * shut[1]
        if lid[0, k] > _ZERO or lid[1, k] > _ZERO:
            rest = _ratio(resting[k, 0], resting[k, 1], resting[k, 2], rest_towards, ambient, dimmed[k])
            ratio += lid[0, k] * calm[0] * (rest - ratio)
            ratio += lid[1, k] * calm[1] * (rest - ratio)
        attributes[k, 4] = mix
        attributes[k, 5], attributes[k, 6], attributes[k, 7] = ratio * colour[0], ratio * colour[1], ratio * colour[2]
        # Where the skin turns away it melts into what lies behind, as in any photograph.
        facing = x * sight[0] + y * sight[1] + z * sight[2]
        edge = min(max((facing - np.float32(0.02)) * np.float32(1 / 0.22), _ZERO), _ONE)
        attributes[k, 8] = opacity[k] * max(edge, hollow[k])


@compiled
def darken_along(
    shadow: FloatArray, points: FloatArray, line: FloatArray, depth: np.float32, reach: np.float32
) -> None:
    """Multiply factors (P,) of points (P, 3) by 1 - depth where a line (L, 3), x rising, lies right above or below;
    within `reach` cm the shadow fades. Beyond its ends the line goes on level."""
    for k in range(len(points)):
        x, height = points[k, 0], line[0, 1]
        for n in range(len(line) - 1):
            if x > line[n, 0]:
                wide = line[n + 1, 0] - line[n, 0]
                part = min((x - line[n, 0]) / wide, _ONE) if wide > _ZERO else _ONE
                height = line[n, 1] + part * (line[n + 1, 1] - line[n, 1])
        away = (height - points[k, 1]) / reach
        shadow[k] *= _ONE - depth * np.exp(-away * away)


@compiled
def light_mouth(
    triangles: IntArray,
    points: FloatArray,
    lips: FloatArray,
    rotation: FloatArray,
    white: FloatArray,
    opening: float,
    reach: float,
) -> tuple[IntArray, FloatArray]:
    """The triangles of teeth or gums that may show, (N, 3), and colours (V, 3) of their vertices.

    Roots reach up behind the nostrils, which are holes, and down behind the chin: what is near the lips counts, and
    nothing else is computed.

    Args:
        triangles: (M, 3). points: (V, 3) in head coordinates. lips: (2, 3) middle of the upper and of the lower lip's
            inner edge. rotation: (3, 3) of the head. white: (3,) colour in full light. opening: of the lips, cm.
            reach: cm behind the lips at which light has faded.
    """
    first, last = triangles.min(), triangles.max() + 1
    high, low = lips[0, 1] + np.float32(0.6), lips[1, 1] - np.float32(0.6)
    used = np.zeros(last - first, np.bool_)
    shown = np.empty_like(triangles)
    count = 0
    for n in range(len(triangles)):
        a, b, c = triangles[n, 0], triangles[n, 1], triangles[n, 2]
        if low < points[a, 1] < high or low < points[b, 1] < high or low < points[c, 1] < high:
            used[a - first], used[b - first], used[c - first] = True, True, True
            shown[count] = triangles[n]
            count += 1
    normals = np.zeros((last - first, 3), np.float32)
    for n in range(len(triangles)):
        a, b, c = triangles[n, 0], triangles[n, 1], triangles[n, 2]
        if used[a - first] or used[b - first] or used[c - first]:
            _add_normal(a, b, c, points, first, normals)
    colours = np.zeros((len(points), 3), np.float32)
    front = (lips[0, 2] + lips[1, 2]) / 2 - 0.8
    fading = np.float32(1 / reach)
    wide = np.float32(0.8 + 0.2 * min(opening / 0.8, 1.0))
    for k in range(last - first):
        if not used[k]:
            continue
        x, y, z = normals[k, 0], normals[k, 1], normals[k, 2]
        length = max(np.float32(math.sqrt(x * x + y * y + z * z)), np.float32(1e-12))
        upward = x * rotation[1, 0] + y * rotation[1, 1] + z * rotation[1, 2]
        ahead = x * rotation[2, 0] + y * rotation[2, 1] + z * rotation[2, 2]
        facing = min(max((np.float32(0.25) * upward + ahead) / length, _ZERO), _ONE)
        # Light falls in between the lips: it fades with the way inside and with the way from the opening's middle ...
        x, y, z = points[first + k, 0] / np.float32(3), points[first + k, 1], points[first + k, 2]
        fade = wide * np.exp(-x * x - max(np.float32(front) - z, _ZERO) * fading)
        # ... and the upper lip throws a shadow on the teeth right below it.
        below = min(max((lips[0, 1] - y + np.float32(0.1)) / np.float32(0.55), _ZERO), _ONE)
        bright = (np.float32(0.62) + np.float32(0.42) * facing) * (np.float32(0.74) + np.float32(0.26) * below) * fade
        for channel in range(3):
            colours[first + k, channel] = white[channel] * bright
    return shown[:count], colours


@compiled
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


BLOCK = 16


def busy_blocks(shapes: FloatArray) -> NDArray[np.bool_]:
    """(S, blocks) which blocks of 16 vertices each shape (V, 3) moves by more than a thousandth of a millimetre."""
    strong = np.abs(shapes).max(axis=2) > 1e-4
    padded = np.zeros((len(shapes), -(-shapes.shape[1] // BLOCK) * BLOCK), bool)
    padded[:, : shapes.shape[1]] = strong
    return np.asarray(padded.reshape(len(shapes), -1, BLOCK).any(axis=2))


@compiled
def blend_blocks(neutral: FloatArray, shapes: FloatArray, busy: NDArray[np.bool_], weights: FloatArray) -> FloatArray:
    """`blend_shapes` but for what `busy_blocks` leaves out: reading the shapes from memory is what takes the time, and
    most move but a part of the head."""
    points = neutral.copy()
    flat = points.reshape(-1)
    for s in range(weights.shape[0]):
        w = weights[s]
        if w != 0:
            moves = shapes[s].reshape(-1)
            for block in range(busy.shape[1]):
                if busy[s, block]:
                    for k in range(3 * BLOCK * block, min(3 * BLOCK * (block + 1), len(flat))):
                        flat[k] += w * moves[k]
    return points
