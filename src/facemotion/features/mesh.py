"""Face-mesh extractor: 478 points in three dimensions, freed of the head's pose.

The future-work item of section 4.3 of the paper. Reference of the network: Grishchenko et al., Attention Mesh:
High-fidelity Face Mesh Prediction in Real-time, arXiv:2006.10962.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from facemotion.features.base import Observation
from facemotion.features.rigid import Part, own_motion
from facemotion.media.warp import apply, sample, square_matrix
from facemotion.models import Models
from facemotion.signals import largest_motion, median_face
from facemotion.types import FloatArray

SIDE = 256
MARGIN = 1.5  # the square of the network's own pipeline, in box sides
PRESENCE = 8.0
"""Least logit of the network's second output where a face is. With a face that the detector found it is 15.7 or more in
the recordings of GRID and 8.2 or more on rendered people, on a wall -4 or less, behind a hand 3."""

# Points that expressions hardly move: forehead, nose bridge, temples, eye corners; x to the subject's left, y down, z
# away from the camera, in distances between the outer eye corners. Mean over 123 frontal CC0 portraits, made symmetric.
RIGID = np.array([
    (10, 0.000, -0.526, -0.334),
    (151, 0.000, -0.347, -0.333),
    (9, 0.000, -0.156, -0.320),
    (8, 0.000, -0.067, -0.283),
    (168, 0.000, 0.016, -0.260),
    (6, 0.000, 0.111, -0.289),
    (197, 0.000, 0.199, -0.327),
    (195, 0.000, 0.282, -0.371),
    (5, 0.000, 0.371, -0.416),
    (33, -0.500, 0.000, 0.000),
    (263, 0.500, 0.000, 0.000),
    (133, -0.197, 0.031, -0.056),
    (362, 0.197, 0.031, -0.056),
    (127, -0.762, -0.067, 0.563),
    (356, 0.762, -0.067, 0.563),
    (234, -0.758, 0.077, 0.652),
    (454, 0.758, 0.077, 0.652),
    (54, -0.656, -0.402, 0.068),
    (284, 0.656, -0.402, 0.068),
    (103, -0.553, -0.469, -0.096),
    (332, 0.553, -0.469, -0.096),
    (67, -0.392, -0.508, -0.235),
    (297, 0.392, -0.508, -0.235),
    (21, -0.719, -0.308, 0.233),
    (251, 0.719, -0.308, 0.233),
    (162, -0.750, -0.206, 0.410),
    (389, 0.750, -0.206, 0.410),
    (193, -0.085, 0.015, -0.208),
    (417, 0.085, 0.015, -0.208),
    (122, -0.065, 0.121, -0.257),
    (351, 0.065, 0.121, -0.257),
], np.float64)  # fmt: skip

_RIGID_POINTS = RIGID[:, 0].astype(int)
_RIGID_MEAN = RIGID[:, 1:].mean(axis=0)
_RIGID_PLACES = RIGID[:, 1:] - _RIGID_MEAN

# Points that expressions move, by their numbers in the mesh.
MOVING = {
    "lips": (
        61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185,
        78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 415, 310, 311, 312, 13, 82, 81, 80, 191,
    ),
    "right eye": (7, 163, 144, 145, 153, 154, 155, 173, 157, 158, 159, 160, 161, 246, 468),
    "left eye": (249, 390, 373, 374, 380, 381, 382, 398, 384, 385, 386, 387, 388, 466, 473),
    "right brow": (70, 63, 105, 66, 107, 46, 53, 52, 65, 55),
    "left brow": (300, 293, 334, 296, 336, 276, 283, 282, 295, 285),
    "jaw": (152, 148, 377, 176, 400, 150, 379, 149, 378, 172, 397, 18, 200),
    "cheeks": (50, 280, 205, 425, 187, 411, 216, 436, 123, 352),
    "nose": (4, 98, 327, 64, 294, 2),
}  # fmt: skip
PHOTOGRAPHED = {"jaw": 1.65, "right brow": 1.3, "left brow": 1.3, "nose": 1.15, "cheeks": 0.9}
"""How far the parts seem to move in photographs that are tilted, waved and moved, next to lips and eyes: see
benchmarks/photographs.py."""
POINTS = np.array([point for group in MOVING.values() for point in group])
_ENDS = np.cumsum([len(group) for group in MOVING.values()]).tolist()
PARTS = {name: slice(end - len(MOVING[name]), end) for name, end in zip(MOVING, _ENDS, strict=True)}
"""Where the points of each part stand in POINTS."""
SEEN = np.concatenate([POINTS, [33, 263], np.arange(0, 468, 3)])
"""Points kept of each frame to tell a face from a photograph: the moving ones, outer eye corners, a third of all."""


class FaceMesh:
    """FeatureExtractor of the moving points of the mesh: D = 3 x len(POINTS), in distances between eye corners."""

    def __init__(self, models: Models) -> None:
        """Raises MissingModelError or ModelHashError if the shipped file was lost or altered."""
        self._session = models.open("face-mesh")
        self.frontend_id = f"blazeface/{models.card('face-mesh').model_id}/aligned-1"
        self.dimension = 3 * len(POINTS)

    def __call__(self, frame: NDArray[np.uint8], box: FloatArray, keypoints: FloatArray) -> FloatArray:
        """See FeatureExtractor."""
        return self.observe(frame, box, keypoints).values

    def observe(self, frame: NDArray[np.uint8], box: FloatArray, keypoints: FloatArray) -> Observation:
        """See FeatureExtractor."""
        points, presence = self._look(frame, box, keypoints)
        values = np.asarray(align(points)[POINTS].ravel(), np.float32)
        return Observation(values, points[SEEN, :2].astype(np.float32), presence >= PRESENCE)

    def own_motion(self, points: FloatArray, times: NDArray[np.float64]) -> float:
        """See FeatureExtractor."""
        kept = np.arange(len(POINTS))
        parts = [Part(kept[part], PHOTOGRAPHED.get(name, 1.0)) for name, part in PARTS.items()]
        return own_motion(points, times, parts, (len(POINTS), len(POINTS) + 1))  # eye corners follow in SEEN

    def landmarks(self, frame: NDArray[np.uint8], box: FloatArray, keypoints: FloatArray) -> FloatArray:
        """All points of the mesh on one face.

        Args:
            frame: (H, W, 3) uint8 RGB.
            box: (4,) pixels.
            keypoints: (6, 2) pixels, in the order of Detections.
        Returns:
            (478, 3) float32: x, y in pixels of the frame, z (away from the camera) in the same unit; 468 to 477 are
            the irises.
        """
        return self._look(frame, box, keypoints)[0]

    def _look(self, frame: NDArray[np.uint8], box: FloatArray, keypoints: FloatArray) -> tuple[FloatArray, float]:
        """The points of `landmarks`, and the logit that a face is there."""
        right, left = keypoints[0], keypoints[1]
        angle = float(np.arctan2(left[1] - right[1], left[0] - right[0]))
        side = MARGIN * float(max(box[2] - box[0], box[3] - box[1]))
        matrix = square_matrix((float(box[0] + box[2]) / 2, float(box[1] + box[3]) / 2), side, angle, SIDE)
        tensor = sample(frame, matrix, SIDE)[None]
        tensor /= 255
        mesh, presence = self._session.run(["Identity", "Identity_1"], {"input": tensor})
        points = mesh.reshape(478, 3)
        depth = points[:, 2:] * np.float32(side / SIDE)
        return np.concatenate([apply(matrix, points[:, :2]), depth], axis=1), float(presence.item())

    def motion_energy(self, values: FloatArray) -> float:
        """See FeatureExtractor."""
        points = values.reshape(len(values), -1, 3)
        return largest_motion(np.linalg.norm(points - median_face(points), axis=2), list(PARTS.values()))


def align(landmarks: FloatArray) -> FloatArray:
    """Free a mesh of the head's position, rotation and size: apply the similarity that brings its rigid points nearest
    to their mean places.

    Args:
        landmarks: (..., 478, 3) float32, any unit.
    Returns:
        (..., 478, 3) float32 in distances between the outer eye corners, origin between them.
    Reference: Umeyama, Least-squares estimation of transformation parameters between two point patterns, 1991.
    """
    source = landmarks[..., _RIGID_POINTS, :].astype(np.float64)
    source_mean = source.mean(axis=-2, keepdims=True)
    spread = np.swapaxes(source - source_mean, -1, -2) @ _RIGID_PLACES
    left, values, right = np.linalg.svd(spread)
    signs = np.ones_like(values)
    signs[..., 2] = np.sign(np.linalg.det(left @ right))  # a rotation, never a mirror image
    rotation = (left * signs[..., None, :]) @ right
    size = np.square(source - source_mean).sum(axis=(-2, -1))
    scale = ((values * signs).sum(axis=-1) / size)[..., None, None]
    return np.asarray(scale * (landmarks - source_mean) @ rotation + _RIGID_MEAN, np.float32)
