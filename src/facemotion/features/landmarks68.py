"""The 68-point scheme: which of its points move, how a face is freed of its pose, and where the face mesh has them.

Order: jaw line 0 to 16 from the subject's right ear, brows 17 to 26, nose 27 to 35, eyes 36 to 47, outer lips 48 to 59,
inner lips 60 to 67. Reference: Gross et al., Multi-PIE, 2010; Sagonas et al., 300 Faces in-the-Wild Challenge, 2016.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from facemotion.features.rigid import Part, own_motion
from facemotion.signals import largest_motion, median_face
from facemotion.types import FloatArray

# Vertex of the face mesh at each point: the nearest one on average over 260 renders of 103 people (1.6% of the distance
# between the outer eye corners over the inner 51 points), made symmetric.
MESH_POINTS = np.array([
    127, 234, 93, 132, 172, 150, 149, 148, 152, 377, 378, 379, 397, 361, 323, 454, 356,
    70, 63, 105, 66, 107, 336, 296, 334, 293, 300,
    168, 197, 5, 4, 98, 97, 2, 326, 327,
    33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380,
    61, 40, 37, 0, 267, 270, 291, 321, 314, 17, 84, 91,
    78, 81, 13, 311, 308, 402, 14, 178,
])  # fmt: skip

# Points that expressions hardly move: x to the subject's left, y down, in distances between the outer eye corners from
# the middle between them. Median over the same renders, made symmetric.
RIGID = np.array([
    (36, -0.500, 0.000),
    (39, -0.196, 0.020),
    (42, 0.196, 0.020),
    (45, 0.500, 0.000),
    (27, 0.000, -0.039),
    (28, 0.000, 0.135),
    (33, 0.000, 0.533),
], np.float64)  # fmt: skip

# Points that expressions move.
MOVING = {
    "lips": tuple(range(48, 68)),
    "right eye": (37, 38, 40, 41),
    "left eye": (43, 44, 46, 47),
    "right brow": tuple(range(17, 22)),
    "left brow": tuple(range(22, 27)),
    "jaw": tuple(range(5, 12)),
}


def align_68(points: NDArray[np.floating]) -> FloatArray:
    """Free landmarks of the head's position, roll and size: the similarity that brings their rigid points nearest to
    the mean face.

    Args:
        points: (68, 2), any unit, y down.
    Returns:
        (68, 2) float32 in distances between the outer eye corners, origin between them; never mirrored.
    Reference: Umeyama, Least-squares estimation of transformation parameters between two point patterns, 1991, in the
    plane, where a similarity is one complex factor.
    """
    whole = points[:, 0].astype(np.float64) + 1j * points[:, 1].astype(np.float64)
    source, target = whole[RIGID[:, 0].astype(int)], RIGID[:, 1] + 1j * RIGID[:, 2]
    middle = source.mean()
    spread = np.square(np.abs(source - middle)).sum()
    factor = (np.conj(source - middle) @ (target - target.mean())) / max(spread, 1e-12)
    aligned = factor * (whole - middle) + target.mean()
    return np.stack([aligned.real, aligned.imag], axis=1).astype(np.float32)


def motion_energy_68(points: NDArray[np.floating]) -> float:
    """How much aligned landmarks (T, 68, 2) move; see FeatureExtractor.motion_energy."""
    away = np.linalg.norm(points - median_face(points), axis=2)
    return largest_motion(away, [np.array(group) for group in MOVING.values()])


def own_motion_68(points: NDArray[np.floating], times: NDArray[np.floating]) -> float:
    """How much landmarks (T, 68, 2) in pixels move by themselves; see FeatureExtractor.own_motion."""
    return own_motion(points, times, [Part(np.array(group)) for group in MOVING.values()], (36, 45))
