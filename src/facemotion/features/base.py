"""What a spatial feature extractor is."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray


class Observation(NamedTuple):
    """What an extractor sees at one place of one frame.

    Attributes:
        values: (D,) float32 features.
        points: (N, 2) float32 landmarks in pixels of the frame, for `FeatureExtractor.own_motion`.
        is_face: whether a face is there at all; None: the network can't tell. What is made of a wall or of a hand isn't
            to be used: one such frame changes the vector of the whole clip.
    """

    values: NDArray[np.float32]
    points: NDArray[np.float32]
    is_face: bool | None


class FeatureExtractor(Protocol):
    """Turns the face of one frame into one vector.

    Attributes:
        frontend_id: names detector, crop, network and its hash; features of two ids are never compared.
        dimension: D, length of the vector.
    """

    frontend_id: str
    dimension: int

    def __call__(
        self, frame: NDArray[np.uint8], box: NDArray[np.float32], keypoints: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Features of one face.

        Args:
            frame: (H, W, 3) uint8 RGB.
            box: (4,) float32 x0 y0 x1 y1, pixels.
            keypoints: (6, 2) float32 pixels, in the order of Detections.
        Returns:
            (D,) float32, finite.
        """
        ...

    def observe(
        self, frame: NDArray[np.uint8], box: NDArray[np.float32], keypoints: NDArray[np.float32]
    ) -> Observation:
        """The same features, and what else the network sees there."""
        ...

    def own_motion(self, points: NDArray[np.float32], times: NDArray[np.float64]) -> float:
        """How much of the face's motion no photograph could make; see features.rigid.

        Args:
            points: (T, N, 2) landmarks of a clip's frames, as `observe` gives them.
            times: (T,) seconds.
        Returns:
            In the unit of motion_energy. Of a photograph, however it is moved, only the landmarks' noise is left.
        """
        ...

    def motion_energy(self, values: NDArray[np.float32]) -> float:
        """How much the face moves in a clip.

        Args:
            values: (T, D) features of its frames.
        Returns:
            How far the part of the face that moves most (a lid, the lips, a brow) gets from its median place: 95th
            percentile over time, in percent of the distance between the outer eye corners; 0 for a still picture.
        """
        ...
