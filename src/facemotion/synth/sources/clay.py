"""A head of our own making, by formulas: a plain one, for machines without the published head.

It stands in the published head's frame: about centimetres, x to the subject's left, y up, z towards the camera. The
skin is a grid bent round an upright axis. Along three of its rows it is slit: between the lids of each eye, and between
the lips. The vertices of a slit are there twice, once for the skin above and once for the skin below.

Sizes are round numbers near the averages of adults. No vertex of the published head is used.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from facemotion.synth.people.head import IDENTITIES, SHAPES
from facemotion.synth.sources.clay_shapes import Skin, move_identity, move_shape
from facemotion.synth.sources.repositories import packaged_table

Float64Array = NDArray[np.float64]
IntArray = NDArray[np.int64]

# Half width and depth of the head at some heights, cm; the depth is that of the profile without nose and lips.
HEIGHTS = (-13.0, -10.0, -8.0, -7.2, -5.5, -3.4, -1.0, 1.5, 3.5, 6.0, 9.0, 11.0, 12.0)
HALF_WIDTHS = (5.6, 5.6, 5.9, 6.2, 6.9, 7.5, 8.1, 8.5, 8.6, 8.6, 7.8, 6.2, 4.8)
DEPTHS = (5.4, 5.8, 7.6, 9.6, 10.2, 10.6, 10.7, 10.3, 10.2, 11.0, 10.0, 7.6, 6.0)
AXIS = 0.0  # z of the axis that the skin is bent round

EYE_HEIGHT, EYE_MIDDLE, EYE_HALF, EYE_RADIUS = 3.5, 3.1, 1.45, 1.25
OPEN_ABOVE, OPEN_BELOW = 0.6, 0.42  # of an eye, in its middle
LID_REACH = 0.9  # distance from the slit at which the opening has faded to 1/e
MOUTH_HEIGHT, MOUTH_HALF = -3.4, 2.4

FINE, COARSE = 0.027, 0.11  # radians between two columns, before the face and at its sides
FRONT, SIDE = 0.66, 1.75  # radians from the middle to where columns become coarse, and to the border
ROW_FINE, ROW_COARSE = 0.2, 0.6  # between two rows, within the face and beyond
FACE_TOP, FACE_BOTTOM = 7.0, -6.0


@dataclass(frozen=True, eq=False)
class Grid:
    """The skin as a grid with three slits.

    Attributes:
        angle: (V,) float64 radians round the axis, positive to the subject's left.
        height: (V,) float64 cm, before lids are parted.
        below: (V,) bool, vertices of the lower side of a slit.
        above: (V,) bool, vertices of the upper side of a slit.
        quads: (Q, 4) int64, counter-clockwise seen from outside.
    """

    angle: Float64Array
    height: Float64Array
    below: NDArray[np.bool_]
    above: NDArray[np.bool_]
    quads: IntArray


@lru_cache(maxsize=1)
def clay_arrays() -> dict[str, NDArray[np.generic]]:
    """The arrays of a head's file, as `people.head.load_head` reads them, but for the match with the face mesh."""
    grid = _grid()
    skin = _skin(grid)
    teeth, tooth_quads = _arcs(((-3.3, -2.55), (-4.25, -3.5)), 10.0)
    gums, gum_quads = _arcs(((-2.6, -1.7), (-5.1, -4.2)), 9.7)
    tongue, tongue_quads = _tongue()
    gums, gum_quads = np.concatenate([gums, tongue]), np.concatenate([gum_quads, tongue_quads + len(gums)])
    balls = [_ball(side) for side in (1, -1)]
    inside = Skin.inside(np.concatenate([teeth, gums]), lower=np.concatenate([teeth, gums])[:, 1] < MOUTH_HEIGHT)
    still = Skin.inside(np.concatenate([points for points, _ in balls]), lower=None)
    parts = (skin, inside, still)
    quads = [grid.quads, tooth_quads, gum_quads, *(quads for _, quads in balls)]
    sizes = [len(grid.angle), len(teeth), len(gums), *(len(points) for points, _ in balls)]
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    return {
        "neutral": np.concatenate([part.points for part in parts]).astype(np.float32),
        "identity": np.stack(
            [np.concatenate([move_identity(k, part) for part in parts]) for k in range(IDENTITIES)]
        ).astype(np.float16),
        "expression": np.stack([np.concatenate([move_shape(name, part) for part in parts]) for name in SHAPES]).astype(
            np.float16
        ),
        "expression_names": np.array(SHAPES),
        "faces": np.concatenate([part + start for part, start in zip(quads, starts, strict=True)]).astype(np.int32),
        "face_material": np.repeat(np.arange(5), [len(part) for part in quads]).astype(np.uint8),
        "materials": np.array(["M_Face", "M_Teeth", "M_GumsTongue", "M_ScleraLeft", "M_ScleraRight"]),
        "landmarks68": _marks(grid, skin.points).astype(np.int32),
    }


def clay_head() -> dict[str, NDArray[np.generic]]:
    """The arrays of a head's file, with the match that `tools/match_face_mesh.py` made."""
    rows = list(packaged_table("clay_mesh.csv"))
    return clay_arrays() | {
        "mesh": np.array([int(row["vertex"]) for row in rows], np.int32),
        "mesh_good": np.array([row["good"] == "1" for row in rows]),
    }


def _spaced(fine: float, coarse: float, inner: float, outer: float, start: float = 0.0) -> list[float]:
    """Numbers from `start` on: `fine` apart up to `inner`, then ever farther apart, at most `coarse`, up to `outer`."""
    values, step = [start], fine
    while values[-1] < outer:
        if values[-1] > inner:
            step = min(coarse, step * 1.3)
        values.append(values[-1] + step)
    return values


def _grid() -> Grid:
    half = _spaced(FINE, COARSE, FRONT, SIDE, FINE / 2)
    angles = np.array([-value for value in reversed(half)] + half)
    up = _spaced(ROW_FINE, ROW_COARSE, FACE_TOP - MOUTH_HEIGHT, HEIGHTS[-1] - MOUTH_HEIGHT)
    down = _spaced(ROW_FINE, ROW_COARSE, MOUTH_HEIGHT - FACE_BOTTOM, MOUTH_HEIGHT - HEIGHTS[0])
    rows = MOUTH_HEIGHT + np.array([-value for value in reversed(down[1:])] + up)
    eye_row, mouth_row = int(np.argmin(np.abs(rows - EYE_HEIGHT))), len(down) - 1
    angle, height = (part.ravel() for part in np.meshgrid(angles, rows))
    index = np.arange(angle.size).reshape(len(rows), len(angles))
    # The rows above a slit keep its vertices; those below it get copies of all but the two corners.
    upper, lower = index.copy(), index.copy()
    copies: list[int] = []
    for row, middle, reach in ((eye_row, 1, EYE_HALF), (eye_row, -1, EYE_HALF), (mouth_row, 0, MOUTH_HALF)):
        across = _half_width(rows[row]) * np.sin(angles) - middle * EYE_MIDDLE
        inner = np.flatnonzero((np.abs(across) < reach) & (np.abs(angles) < np.pi / 2))
        lower[row, inner] = angle.size + len(copies) + np.arange(len(inner))
        copies.extend(upper[row, inner].tolist())
    below = np.concatenate([np.zeros(angle.size, bool), np.ones(len(copies), bool)])
    above = np.zeros(len(below), bool)
    above[copies] = True
    first, last = upper[:-1], lower[1:]  # a row of quads stands on the upper side of its lower row
    quads = np.stack([first[:, :-1], first[:, 1:], last[:, 1:], last[:, :-1]], -1).reshape(-1, 4)
    return Grid(np.concatenate([angle, angle[copies]]), np.concatenate([height, height[copies]]), below, above, quads)


def _half_width(height: Float64Array | float) -> Float64Array:
    return np.asarray(np.interp(height, HEIGHTS, HALF_WIDTHS))


def _bump(x: Float64Array, y: Float64Array, at: tuple[float, float], size: tuple[float, float]) -> Float64Array:
    return np.asarray(np.exp(-(((x - at[0]) / size[0]) ** 2) - ((y - at[1]) / size[1]) ** 2))


def _surface(angle: Float64Array, height: Float64Array) -> Float64Array:
    """Points (V, 3) of the skin, eyes and mouth closed."""
    smooth = np.linspace(-0.8, 0.8, 5)  # tables have corners; the mean over a stretch has none
    width = np.mean([_half_width(height + shift) for shift in smooth], axis=0)
    depth = np.mean([np.interp(height + shift, HEIGHTS, DEPTHS) for shift in smooth], axis=0)
    x, y, z = width * np.sin(angle), height.copy(), AXIS + depth * np.cos(angle)
    front = np.clip(np.cos(angle), 0, 1)
    side = np.abs(x)
    # The nose: a ridge from the brows that grows towards its tip, and wings beside the tip.
    ridge = np.clip((5.2 - y) / 4.7, 0, 1) * np.clip((y + 0.9) / 1.1, 0, 1) ** 0.7
    nose = (0.4 + 2.3 * ridge**1.3) * np.exp(-((x / (0.75 + 0.55 * ridge)) ** 2)) * (y > -0.95) * (y < 5.4)
    wings = 0.9 * _bump(side, y, (1.15, -0.35), (0.5, 0.6))
    sockets = -0.75 * _bump(side, y, (2.2, 4.2), (1.3, 1.0)) + 0.35 * _bump(side, y, (EYE_MIDDLE, 3.5), (1.3, 0.8))
    brows = 0.45 * _bump(side, y, (2.8, 6.0), (2.8, 0.8))
    cheeks = 0.5 * _bump(side, y, (4.4, 0.2), (1.8, 1.8))
    lips = 0.75 * _bump(x, y, (0, -2.95), (2.0, 0.42)) + 0.7 * _bump(x, y, (0, -3.95), (1.7, 0.45))
    lips -= 0.3 * _bump(x, y, (0, MOUTH_HEIGHT), (2.2, 0.12))
    mouth = 0.55 * _bump(x, y, (0, -3.3), (2.6, 1.9))
    chin = 0.55 * _bump(x, y, (0, -6.7), (1.6, 0.9)) - 0.3 * _bump(x, y, (0, -5.1), (2.2, 0.4))
    z = z + front * (nose + wings + sockets + brows + cheeks + lips + mouth + chin)
    return np.stack([x, y, z], 1)


def _skin(grid: Grid) -> Skin:
    closed = _surface(grid.angle, grid.height)
    lids = np.zeros((2, len(closed)))
    parted = closed.copy()
    over = grid.above | ((grid.height > EYE_HEIGHT - ROW_FINE / 2) & ~grid.below)
    for number, side in enumerate((1, -1)):
        across = (closed[:, 0] * side - EYE_MIDDLE) / EYE_HALF
        arch = np.clip(1 - across**2, 0, None) * (grid.height > 0) * (np.abs(grid.angle) < 1.2)
        away = np.abs(grid.height - grid.height[grid.above & (grid.height > 0)].mean()) / LID_REACH
        lids[number] = arch * np.exp(-(away**1.5)) * np.where(over, OPEN_ABOVE, -OPEN_BELOW)
        parted[:, 1] += lids[number]
    return Skin(
        points=parted,
        closed=closed,
        lids=lids,
        lower=np.where(grid.height < MOUTH_HEIGHT - ROW_FINE / 2, True, grid.below & (grid.height < 0)),
    )


def _arcs(bands: tuple[tuple[float, float], ...], front: float) -> tuple[Float64Array, IntArray]:
    """Bands along the rows of teeth, each between two heights: points (P, 3) and quads (Q, 4)."""
    points: list[Float64Array] = []
    quads: list[IntArray] = []
    angle = np.radians(np.linspace(-68, 68, 15))
    for low, high in bands:
        rows = np.linspace(low, high, 3)
        x = np.broadcast_to(2.6 * np.sin(angle), (3, 15))
        z = np.broadcast_to(front - 3.6 * (1 - np.cos(angle)), (3, 15))
        quads.append(_cells(3, 15) + 45 * len(points))
        points.append(np.stack([x, np.broadcast_to(rows[:, None], (3, 15)), z], -1).reshape(-1, 3))
    return np.concatenate(points), np.concatenate(quads)


def _tongue() -> tuple[Float64Array, IntArray]:
    across, along = np.meshgrid(np.linspace(-1, 1, 7), np.linspace(0, 1, 6))
    points = np.stack([1.7 * across * (1 - 0.3 * along), -4.3 - 0.4 * across**2 + 0.2 * along, 5.0 + 3.8 * along], -1)
    return points.reshape(-1, 3), _cells(6, 7)[:, ::-1]


def _ball(side: int) -> tuple[Float64Array, IntArray]:
    """The eyeball of one side: points (P, 3) and quads (Q, 4)."""
    yaw, pitch = np.meshgrid(np.radians(np.linspace(-90, 90, 9)), np.radians(np.linspace(-90, 90, 9)))
    directions = np.stack([np.sin(yaw) * np.cos(pitch), np.sin(pitch), np.cos(yaw) * np.cos(pitch)], -1)
    return EYE_RADIUS * directions.reshape(-1, 3) + [side * EYE_MIDDLE, EYE_HEIGHT, 7.9], _cells(9, 9)


def _cells(rows: int, columns: int) -> IntArray:
    index = np.arange(rows * columns).reshape(rows, columns)
    return np.stack([index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]], -1).reshape(-1, 4)


# Where the landmarks of the 68-point mark-up lie, cm: x to the subject's left, and y. Those of the right half and the
# middle are written down; the others are their mirror images.
_JAW = ((-7.9, 3.4), (-7.8, 1.4), (-7.4, -0.6), (-6.8, -2.5), (-5.8, -4.4), (-4.6, -6.0), (-3.1, -7.0), (-1.5, -7.5))
_BROW = ((-5.6, 5.2), (-4.7, 5.9), (-3.6, 6.2), (-2.4, 6.1), (-1.3, 5.8))
_NOSE = ((0, 3.7), (0, 2.7), (0, 1.6), (0, 0.4), (-1.3, -0.8), (-0.65, -1.0), (0, -1.1), (0.65, -1.0), (1.3, -0.8))
_OUTER_LIPS = ((-2.45, -3.4), (-1.6, -2.75), (-0.6, -2.45), (0, -2.55), (0.6, -2.45), (1.6, -2.75), (2.45, -3.4),
               (1.6, -4.15), (0.8, -4.4), (0, -4.45), (-0.8, -4.4), (-1.6, -4.15))  # fmt: skip
_EYE = (-1.0, -0.35, 0.35, 1.0, 0.35, -0.35)  # shares of half the width, from the subject's right; then the lower lid
_INNER_LIPS = (-0.92, -0.42, 0.0, 0.42, 0.92, 0.42, 0.0, -0.42)


def _marks(grid: Grid, points: Float64Array) -> IntArray:
    """Vertices (68,) of the landmarks."""
    mirrored = [(-x, y) for x, y in reversed(_JAW)]
    brows = [*_BROW, *((-x, y) for x, y in reversed(_BROW))]
    free = ~grid.above & ~grid.below & (np.abs(grid.angle) < np.pi / 2)
    found = [_nearest(points, free, x, y) for x, y in [*_JAW, (0, -7.7), *mirrored, *brows, *_NOSE]]
    for side in (-1, 1):
        for number, share in enumerate(_EYE):
            among = grid.above if number < 3 else grid.below
            among = (free if abs(share) == 1 else among) & (np.abs(grid.height - EYE_HEIGHT) < ROW_FINE)
            found.append(_nearest(points, among, side * EYE_MIDDLE + share * EYE_HALF, EYE_HEIGHT, across_only=True))
    found += [_nearest(points, free, x, y) for x, y in _OUTER_LIPS]
    for number, share in enumerate(_INNER_LIPS):
        among = (grid.above if number <= 4 else grid.below) & (np.abs(grid.height - MOUTH_HEIGHT) < ROW_FINE)
        found.append(_nearest(points, among, share * MOUTH_HALF, MOUTH_HEIGHT, across_only=True))
    return np.array(found)


def _nearest(points: Float64Array, among: NDArray[np.bool_], x: float, y: float, *, across_only: bool = False) -> int:
    away = np.abs(points[:, 0] - x) if across_only else np.hypot(points[:, 0] - x, points[:, 1] - y)
    return int(np.argmin(np.where(among, away, np.inf)))
