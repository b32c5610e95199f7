"""What lies round the face: hair, ears, neck, clothes and background, carried along by one smooth warp.

The portrait is laid on a grid. Where the grid goes is interpolated from points that are known: the rim of the face goes
with the face, a shell round the skull turns with the head, the shoulders hardly, the far background not at all.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from facemotion.synth.drawing.vertices import carry
from facemotion.synth.people.head import FloatArray, HeadModel, IntArray

CELLS = 44


@dataclass(frozen=True, eq=False)
class Sheet:
    """The grid and how it follows its control points.

    Attributes:
        places: (G, 2) float32, of the grid's points in the portrait, pixels.
        triangles: (N, 3) int32.
        follow: (G, C) float32: displacement of the grid = follow @ displacement of the controls.
        vertices: (A,) int32, vertices of the face that are controls; they come first.
        shell: (B, 3) float32, points of the head's shell in head coordinates; share: (B,) how far they turn with it.
        still: C - A - B controls that never move.
        nearness: (G,) float32, 1 at the head, 0 far from it.
    """

    places: FloatArray
    triangles: IntArray
    follow: FloatArray
    vertices: IntArray
    shell: FloatArray
    share: FloatArray
    nearness: FloatArray

    def displaced(self, moved: FloatArray) -> FloatArray:
        """Displacement (G, 2) of the grid for displacements (A + B, 2) of the moving controls, pixels."""
        return carry(self.follow, np.ascontiguousarray(moved.T, np.float32))


def make_sheet(
    head: HeadModel,
    places: FloatArray,
    shell_places: FloatArray,
    shell: FloatArray,
    share: FloatArray,
    vertices: IntArray,
    size: tuple[int, int],
) -> Sheet:
    """Lay the grid and solve for the interpolation.

    Args:
        head: the model. places: (A, 2) of the face controls in the portrait. shell_places: (B, 2) of the shell.
        shell, share, vertices: as in Sheet. size: width, height of the portrait.
    """
    width, height = size
    margin = 0.25
    x = np.linspace(-margin * width, (1 + margin) * width, CELLS + 1)
    y = np.linspace(-margin * height, (1 + margin) * height, CELLS + 1)
    grid = np.stack(np.meshgrid(x, y), -1).reshape(-1, 2)
    middle, radius = shell_places.mean(0), np.ptp(shell_places[:, 1]) / 2
    angles = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    ring = np.stack([np.cos(angles), np.sin(angles)], 1)
    still = np.concatenate([middle + ring * radius * 2.0, middle + ring * radius * 3.2])
    controls = np.concatenate([places, shell_places, still]) / height
    # A linear radial basis: the least bent surface through the controls; the small ridge lets near twins disagree.
    kernel = -_distances(controls, controls)
    ones = np.ones((len(controls), 1))
    system = np.block([[kernel - 2e-3 * np.eye(len(controls)), ones], [ones.T, np.zeros((1, 1))]])
    right = np.concatenate([-_distances(grid / height, controls), np.ones((len(grid), 1))], axis=1)
    follow = np.linalg.solve(system, right.T).T[:, : len(controls)]
    index = np.arange((CELLS + 1) ** 2).reshape(CELLS + 1, CELLS + 1)
    a, b, c, d = (part.ravel() for part in (index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]))
    triangles = np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)]).astype(np.int32)
    moving = np.concatenate([np.ones(len(places)), share, np.zeros(len(still))])
    return Sheet(
        grid.astype(np.float32),
        triangles,
        follow.astype(np.float32),
        vertices,
        shell,
        share,
        np.clip(follow @ moving, 0, 1).astype(np.float32),
    )


def _distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.asarray(np.linalg.norm(a[:, None] - b[None], axis=2))


def head_shell() -> tuple[FloatArray, FloatArray]:
    """Points round the skull, where hair and ears are, then neck and shoulders: (B, 3) cm and their share of the head's
    turning (B,)."""
    rows: list[tuple[float, float, float, float]] = []
    for angle in np.linspace(-35, 215, 15):
        c, s = np.cos(np.radians(angle)), np.sin(np.radians(angle))
        rows.append((9.6 * c, 2.5 + 12.0 * s, 0.0, 1.0))
        rows.append((13.0 * c, 2.5 + 15.0 * s, -2.0, 0.95))
    for side in (-1.0, 1.0):
        for y in (4.0, 1.0, -2.0):  # ears
            rows.append((side * 9.2, y, 1.0, 1.0))
        rows.append((side * 7.2, -7.0, 1.0, 0.85))
        rows.append((side * 6.2, -10.0, 1.0, 0.7))
    for x in (-7.0, -3.5, 0.0, 3.5, 7.0):
        rows.append((x, -14.0, 2.0, 0.45))
        rows.append((1.6 * x, -19.0, 1.0, 0.12))
    table = np.array(rows, np.float32)
    return table[:, :3], table[:, 3]
