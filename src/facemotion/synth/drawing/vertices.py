"""What is computed for every vertex of a head, frame after frame; compiled by numba."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from facemotion.synth.drawing.compiled import compiled
from facemotion.synth.drawing.raster import ALPHA, BLUE, GREEN, MIX, RED, FloatArray, IntArray

# Single precision throughout: a number without a type would make doubles of all that it meets. Those that follow were
# set by looking at renders; nothing measured is behind them.
_ZERO, _ONE = np.float32(0), np.float32(1)
# Light falls nowhere below this share of the portrait's mean, and no vertex is lit beyond these factors.
_DARKEST, _DIMMEST, _BRIGHTEST = np.float32(0.12), np.float32(0.5), np.float32(1.5)
# Cosine between skin and line of sight at which skin begins to show, and one over the further cosine that makes it
# opaque.
_EDGE, _MELTING = np.float32(0.02), np.float32(1 / 0.22)
# Teeth and gums. Heights in cm above and below the lips' inner edges within which something may show.
_SHOWN = np.float32(0.6)
_BEHIND = 0.8  # cm behind the lips' edges at which light begins to fade
_ASIDE = np.float32(3)  # cm to the side of the middle at which light has faded to 1/e
# Light between lips that barely part, light added as they open, and the gap in cm at which all of it is added.
_AJAR, _WIDE, _OPENS = 0.8, 0.2, 0.8
_FROM_ABOVE = np.float32(0.25)  # share of light from above against that from ahead
_LIT, _BY_FACING = np.float32(0.62), np.float32(0.42)  # light on what is turned away, and on top on what faces it
_SHADED, _UNSHADED = np.float32(0.74), np.float32(0.26)  # light right below the upper lip, and on top farther down
_SHADE_ABOVE = np.float32(0.1)  # cm above the lip's edge where its shadow begins
_SHADE_DEPTH = np.float32(0.55)  # cm from there to where it has ended


@compiled
def place(points: FloatArray, matrix: FloatArray) -> FloatArray:
    """Map points.

    Args:
        points: (P, 3) float32.
        matrix: (3, 4) float32, an affine map.
    Returns:
        (P, 3) float32.
    """
    out = np.empty((len(points), 3), np.float32)
    for k in range(len(points)):
        x, y, z = points[k, 0], points[k, 1], points[k, 2]
        for axis in range(3):
            out[k, axis] = matrix[axis, 0] * x + matrix[axis, 1] * y + matrix[axis, 2] * z + matrix[axis, 3]
    return out


@compiled
def carry(follow: FloatArray, moved: FloatArray) -> FloatArray:
    """Multiply the first M columns of a matrix by two columns, which libraries of linear algebra are slow at.

    Args:
        follow: (G, C) float32, C at least M.
        moved: (2, M) float32, the transpose of the two columns.
    Returns:
        (G, 2) float32.
    """
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
    """Normals of vertices, each the area-weighted mean of its triangles' normals.

    Args:
        triangles: (N, 3) int32.
        points: (V, 3) float32.
        count: number of vertices, from the first.
    Returns:
        (count, 3) float32 of length 1, 0 where no triangle has the vertex.
    """
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
    light = max(ambient + x * towards[0] + y * towards[1] + z * towards[2], _DARKEST)
    return np.float32(min(max(light * dimmed, _DIMMEST), _BRIGHTEST))


@compiled
def relight(
    dimmed: FloatArray, normals: FloatArray, towards: FloatArray, ambient: np.float32, colour: FloatArray
) -> FloatArray:
    """Factors that turn the portrait's light into another one; see `view.shade`.

    Args:
        dimmed: (N,) float32, made by `view.dimming`.
        normals: (N, 3) float32 of length 1.
        towards: (3,) float32, direction of the light.
        ambient: light from everywhere.
        colour: (3,) float32 factors of red, green and blue.
    Returns:
        (N, 3) float32 factors of red, green and blue.
    """
    out = np.empty((len(normals), 3), np.float32)
    for k in range(len(normals)):
        ratio = _ratio(normals[k, 0], normals[k, 1], normals[k, 2], towards, ambient, dimmed[k])
        out[k, 0], out[k, 1], out[k, 2] = ratio * colour[0], ratio * colour[1], ratio * colour[2]
    return out


class Skin(NamedTuple):
    """What stays the same of a person's face from frame to frame.

    Attributes:
        normals: (F, 3) float32, normals of the portrait in its camera's coordinates.
        dimmed: (F,) float32, made by `view.dimming`.
        opacity: (F,) float32, 0..1, at rest.
        hollow: (F,) float32, 0..1, where skin stays opaque though it turns away.
        lid: (2, V) float32, 0..1, share of each eye's lid.
    """

    normals: FloatArray
    dimmed: FloatArray
    opacity: FloatArray
    hollow: FloatArray
    lid: FloatArray


class SkinLight(NamedTuple):
    """Light on a face in one frame.

    Attributes:
        towards: (3,) float32, direction of the light in the head's coordinates.
        rest_towards: (3,) float32, the same in the portrait's camera coordinates.
        sight: (3,) float32, direction of the camera in the head's coordinates.
        ambient: light from everywhere.
        colour: (3,) float32 factors of red, green and blue.
    """

    towards: FloatArray
    rest_towards: FloatArray
    sight: FloatArray
    ambient: np.float32
    colour: FloatArray


class Lids(NamedTuple):
    """Both lids in one frame, the subject's left first.

    Attributes:
        shut: (2,) float32, 0..1, how far each is closed.
        calm: (2,) float32, 0..1, share of the resting light that each keeps.
    """

    shut: FloatArray
    calm: FloatArray


@compiled
def light_skin(attributes: FloatArray, normals: FloatArray, skin: Skin, light: SkinLight, lids: Lids) -> None:
    """Fill in what changes from frame to frame in the attributes of the face: MIX, the three factors and ALPHA.

    Args:
        attributes: (F, 9) float32, columns as `raster` names them, filled in.
        normals: (F, 3) float32, in the head's coordinates, now.
        skin: what stays the same of the face.
        light: light on it.
        lids: how far the lids are closed.
    """
    resting, dimmed, opacity, hollow, lid = skin
    towards, rest_towards, sight, ambient, colour = light
    shut, calm = lids
    for k in range(len(attributes)):
        x, y, z = normals[k, 0], normals[k, 1], normals[k, 2]
        ratio = _ratio(x, y, z, towards, ambient, dimmed[k])
        mix = lid[0, k] * shut[0] + lid[1, k] * shut[1]
        if lid[0, k] > _ZERO or lid[1, k] > _ZERO:
            rest = _ratio(resting[k, 0], resting[k, 1], resting[k, 2], rest_towards, ambient, dimmed[k])
            ratio += lid[0, k] * calm[0] * (rest - ratio)
            ratio += lid[1, k] * calm[1] * (rest - ratio)
        attributes[k, MIX] = mix
        attributes[k, RED] = ratio * colour[0]
        attributes[k, GREEN] = ratio * colour[1]
        attributes[k, BLUE] = ratio * colour[2]
        # Where the skin turns away it melts into what lies behind, as in any photograph.
        facing = x * sight[0] + y * sight[1] + z * sight[2]
        edge = min(max((facing - _EDGE) * _MELTING, _ZERO), _ONE)
        attributes[k, ALPHA] = opacity[k] * max(edge, hollow[k])


@compiled
def darken_along(
    shadow: FloatArray, points: FloatArray, line: FloatArray, depth: np.float32, reach: np.float32
) -> None:
    """Darken points along a line above or below them.

    Args:
        shadow: (P,) float32 factors, multiplied by 1 - `depth` where the line lies right at a point.
        points: (P, 3) float32 cm.
        line: (L, 3) float32 cm, x rising; beyond its ends it continues level.
        depth: 0..1, share of light that is lost on the line.
        reach: cm above and below the line at which the loss has faded to 1/e.
    """
    for k in range(len(points)):
        x, height = points[k, 0], line[0, 1]
        for n in range(len(line) - 1):
            if x > line[n, 0]:
                wide = line[n + 1, 0] - line[n, 0]
                part = min((x - line[n, 0]) / wide, _ONE) if wide > _ZERO else _ONE
                height = line[n, 1] + part * (line[n + 1, 1] - line[n, 1])
        away = (height - points[k, 1]) / reach
        shadow[k] *= _ONE - depth * np.exp(-away * away)


class MouthLight(NamedTuple):
    """Light on teeth or gums.

    Attributes:
        white: (3,) float32, 0..255, colour in full light.
        opening: gap between the lips, cm.
        reach: cm behind the lips at which light has faded to 1/e.
    """

    white: FloatArray
    opening: float
    reach: float


@compiled
def light_mouth(
    triangles: IntArray, points: FloatArray, lips: FloatArray, rotation: FloatArray, light: MouthLight
) -> tuple[IntArray, FloatArray]:
    """Find the triangles of teeth or gums that may show, and light them.

    Roots reach up behind the nostrils, which are holes, and down behind the chin: what is near the lips counts, and
    nothing else is computed.

    Args:
        triangles: (M, 3) int32.
        points: (V, 3) float32, in head coordinates.
        lips: (2, 3) float32, middle of the inner edge of the upper and of the lower lip.
        rotation: (3, 3) float32, of the head.
        light: light on them.
    Returns:
        The triangles that may show, (N, 3) int32, and colours of all vertices, (V, 3) float32, 0 where none shows.
    """
    white, opening, reach = light
    first, last = triangles.min(), triangles.max() + 1
    high, low = lips[0, 1] + _SHOWN, lips[1, 1] - _SHOWN
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
    front = (lips[0, 2] + lips[1, 2]) / 2 - _BEHIND
    fading = np.float32(1 / reach)
    wide = np.float32(_AJAR + _WIDE * min(opening / _OPENS, 1.0))
    for k in range(last - first):
        if not used[k]:
            continue
        x, y, z = normals[k, 0], normals[k, 1], normals[k, 2]
        length = max(np.float32(math.sqrt(x * x + y * y + z * z)), np.float32(1e-12))
        upward = x * rotation[1, 0] + y * rotation[1, 1] + z * rotation[1, 2]
        ahead = x * rotation[2, 0] + y * rotation[2, 1] + z * rotation[2, 2]
        facing = min(max((_FROM_ABOVE * upward + ahead) / length, _ZERO), _ONE)
        # Light falls in between the lips: it fades with the way inside and with the way from the opening's middle ...
        x, y, z = points[first + k, 0] / _ASIDE, points[first + k, 1], points[first + k, 2]
        fade = wide * np.exp(-x * x - max(np.float32(front) - z, _ZERO) * fading)
        # ... and the upper lip throws a shadow on the teeth right below it.
        below = min(max((lips[0, 1] - y + _SHADE_ABOVE) / _SHADE_DEPTH, _ZERO), _ONE)
        bright = (_LIT + _BY_FACING * facing) * (_SHADED + _UNSHADED * below) * fade
        for channel in range(3):
            colours[first + k, channel] = white[channel] * bright
    return shown[:count], colours


@compiled
def blend_shapes(neutral: FloatArray, shapes: FloatArray, weights: FloatArray) -> FloatArray:
    """Add weighted shapes to a head; weights of 0 cost nothing.

    Args:
        neutral: (V, 3) float32.
        shapes: (S, V, 3) float32, moves at weight 1.
        weights: (S,) float32.
    Returns:
        (V, 3) float32.
    """
    points = neutral.copy()
    for s in range(weights.shape[0]):
        w = weights[s]
        if w != 0:
            for k in range(points.shape[0]):
                points[k, 0] += w * shapes[s, k, 0]
                points[k, 1] += w * shapes[s, k, 1]
                points[k, 2] += w * shapes[s, k, 2]
    return points


BLOCK = 16  # vertices
MOVES = 1e-4  # cm, a thousandth of a millimetre: shapes that move a vertex by less leave it alone


def busy_blocks(shapes: FloatArray) -> NDArray[np.bool_]:
    """Find the blocks of `BLOCK` vertices that each shape moves by more than `MOVES`.

    Args:
        shapes: (S, V, 3) float32 cm.
    Returns:
        (S, blocks) bool.
    """
    strong = np.abs(shapes).max(axis=2) > MOVES
    padded = np.zeros((len(shapes), -(-shapes.shape[1] // BLOCK) * BLOCK), bool)
    padded[:, : shapes.shape[1]] = strong
    return np.asarray(padded.reshape(len(shapes), -1, BLOCK).any(axis=2))


@compiled
def blend_blocks(neutral: FloatArray, shapes: FloatArray, busy: NDArray[np.bool_], weights: FloatArray) -> FloatArray:
    """Do as `blend_shapes` without the blocks that `busy_blocks` leaves out.

    Reading the shapes from memory is what takes the time, and most of them move a part of the head alone.

    Args:
        neutral: (V, 3) float32.
        shapes: (S, V, 3) float32, moves at weight 1.
        busy: (S, blocks) bool, made by `busy_blocks`.
        weights: (S,) float32.
    Returns:
        (V, 3) float32.
    """
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
