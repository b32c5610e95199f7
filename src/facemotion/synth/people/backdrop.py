"""What lies round the face: hair, ears, neck, clothes and background, carried along by one smooth warp.

The portrait is laid on a grid, whose movement is interpolated from known points. The rim of the face moves with the
face, and a shell round the skull turns with the head. The shoulders hardly move, and the far background never does.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from facemotion.synth.drawing.raster import grid_triangles
from facemotion.synth.drawing.vertices import carry
from facemotion.synth.people.head import FloatArray, IntArray

CELLS = 44  # of the grid, along each side
MARGIN = 0.25  # of the portrait's sides, by which the grid reaches beyond them
RINGS, RING_POINTS = (2.0, 3.2), 24  # controls that never move: radii over that of the shell, and points on each ring
RIDGE = 2e-3  # distance between two controls, in heights of the portrait, below which they may disagree


@dataclass(frozen=True, eq=False)
class Sheet:
    """The grid and how it follows its C control points: A of the face, B of the shell, and others that never move.

    Attributes:
        places: (G, 2) float32 pixels, the grid's points in the portrait.
        triangles: (N, 3) int32.
        follow: (G, C) float32: displacement of the grid = follow @ displacement of the controls.
        vertices: (A,) int32 vertices of the face that are controls; they come first.
        shell: (B, 3) float32 points of the head's shell, head coordinates.
        share: (B,) float32, 0..1, how far these turn with the head.
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
        """Displace the grid.

        Args:
            moved: (A + B, 2) float32 pixels, displacements of the moving controls.
        Returns:
            (G, 2) float32 pixels.
        """
        return carry(self.follow, np.ascontiguousarray(moved.T, np.float32))


@dataclass(frozen=True, eq=False)
class Controls:
    """Points that carry the grid.

    Attributes:
        vertices: (A,) int32 vertices of the face.
        places: (A, 2) float32 pixels, where the portrait shows them.
        shell: (B, 3) float32 points of the head's shell, head coordinates.
        shell_places: (B, 2) float32 pixels, where the portrait shows them.
        share: (B,) float32, 0..1, how far they turn with the head.
    """

    vertices: IntArray
    places: FloatArray
    shell: FloatArray
    shell_places: FloatArray
    share: FloatArray


def make_sheet(moving: Controls, size: tuple[int, int]) -> Sheet:
    """Lay the grid and solve for the interpolation.

    Args:
        moving: controls that move. Others are laid round them, which never do.
        size: width and height of the portrait, pixels.
    """
    width, height = size
    x = np.linspace(-MARGIN * width, (1 + MARGIN) * width, CELLS + 1)
    y = np.linspace(-MARGIN * height, (1 + MARGIN) * height, CELLS + 1)
    grid = np.stack(np.meshgrid(x, y), -1).reshape(-1, 2)
    middle, radius = moving.shell_places.mean(0), np.ptp(moving.shell_places[:, 1]) / 2
    angles = np.linspace(0, 2 * np.pi, RING_POINTS, endpoint=False)
    ring = np.stack([np.cos(angles), np.sin(angles)], 1)
    still = np.concatenate([middle + ring * radius * away for away in RINGS])
    controls = np.concatenate([moving.places, moving.shell_places, still]) / height
    # A linear radial basis: the least bent surface through the controls; the small ridge lets near twins disagree.
    kernel = -_distances(controls, controls)
    ones = np.ones((len(controls), 1))
    system = np.block([[kernel - RIDGE * np.eye(len(controls)), ones], [ones.T, np.zeros((1, 1))]])
    right = np.concatenate([-_distances(grid / height, controls), np.ones((len(grid), 1))], axis=1)
    follow = np.linalg.solve(system, right.T).T[:, : len(controls)]
    moves = np.concatenate([np.ones(len(moving.places)), moving.share, np.zeros(len(still))])
    return Sheet(
        places=grid.astype(np.float32),
        triangles=grid_triangles(CELLS + 1, CELLS + 1),
        follow=follow.astype(np.float32),
        vertices=moving.vertices,
        shell=moving.shell,
        share=moving.share,
        nearness=np.clip(follow @ moves, 0, 1).astype(np.float32),
    )


def _distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.asarray(np.linalg.norm(a[:, None] - b[None], axis=2))


def head_shell() -> tuple[FloatArray, FloatArray]:
    """Points round the skull, where hair and ears are, then of the neck and the shoulders.

    Returns:
        Points (B, 3) float32 cm, head coordinates, and their share of the head's turning, (B,) float32, 0..1.
    """
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
