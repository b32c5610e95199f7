"""Our own spatial feature extractors: MobileFaceNet trained by `facemotion train sfe`, two ways to use one file.

Reference: section 2.1 of the paper; the crop is that of `media.warp.crop_matrix`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from facemotion.errors import ModelError
from facemotion.features.base import Observation
from facemotion.features.landmarks68 import align_68, motion_energy_68, own_motion_68
from facemotion.media.warp import apply, crop_matrix, sample
from facemotion.models import Models
from facemotion.types import FloatArray

SIDE = 112
HEAD = ("head_weight", "head_bias")


class SpatialNetwork:
    """One file of `training.extractor.export`, run on crops."""

    def __init__(self, name: str, models: Models) -> None:
        """Args:
            name: of its card.
        Raises:
            UnknownModelError, MissingModelError, ModelHashError: no card, no file, another file.
            ModelError: `facemotion train sfe` didn't export the file.
        """
        self._session = models.open(name)
        self.model_id = models.card(name).model_id
        shapes = {output.name: output.shape for output in self._session.get_outputs()}
        if not {"features", *HEAD} <= shapes.keys():
            raise ModelError(
                f"The model {name!r} is no extractor of ours; export one with `facemotion train sfe ... --export`."
            )
        self.has_landmarks = "landmarks" in shapes
        self.dimension = int(shapes["features"][1])
        self._weight, self._bias = self._session.run(list(HEAD), {"faces": np.zeros((1, 3, SIDE, SIDE), np.float32)})

    def run(self, frame: NDArray[np.uint8], box: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Features (D,) float32 of the face in a box, and its landmarks (68, 2) float32 in pixels of the frame."""
        matrix = crop_matrix(box, SIDE)
        face = sample(frame, matrix, SIDE).transpose(2, 0, 1)[None] / np.float32(255)
        features = self._session.run(["features"], {"faces": np.ascontiguousarray(face)})[0][0]
        return features, apply(matrix, self.read_out(features[None])[0] * np.float32(SIDE))

    def read_out(self, features: FloatArray) -> FloatArray:
        """Features (T, D) -> landmarks (T, 68, 2) float32 in crop sides: they are linear in the features."""
        return np.asarray((features @ self._weight.T + self._bias).reshape(len(features), 68, 2), np.float32)


class SpatialLandmarks:
    """FeatureExtractor of the 68 landmarks, D = 136, similarity-normalised: in distances between the eye corners."""

    dimension = 136

    def __init__(self, name: str, models: Models) -> None:
        """See SpatialNetwork.

        Raises:
            ModelError: the network was trained on emotions alone.
        """
        self._network = SpatialNetwork(name, models)
        if not self._network.has_landmarks:
            raise ModelError(f"The model {name!r} finds no landmarks; use its features, {name!r}.")
        self.frontend_id = f"blazeface/{self._network.model_id}/landmarks-1"

    def __call__(self, frame: NDArray[np.uint8], box: FloatArray, keypoints: FloatArray) -> FloatArray:
        """See FeatureExtractor."""
        return self.observe(frame, box, keypoints).values

    def observe(self, frame: NDArray[np.uint8], box: FloatArray, keypoints: FloatArray) -> Observation:
        """See FeatureExtractor."""
        points = self.landmarks(frame, box, keypoints)
        return Observation(align_68(points).ravel(), points, None)

    def own_motion(self, points: FloatArray, times: NDArray[np.float64]) -> float:
        """See FeatureExtractor."""
        return own_motion_68(points, times)

    def landmarks(self, frame: NDArray[np.uint8], box: FloatArray, keypoints: FloatArray) -> FloatArray:
        """(68, 2) float32 pixels of the frame; arguments as in FeatureExtractor."""
        return self._network.run(frame, box)[1]

    def motion_energy(self, values: FloatArray) -> float:
        """See FeatureExtractor."""
        return motion_energy_68(values.reshape(len(values), 68, 2))


class SpatialFeatures:
    """FeatureExtractor of what lies under the landmarks: the 512 outputs of the global depthwise convolution."""

    def __init__(self, name: str, models: Models) -> None:
        """See SpatialNetwork."""
        self._network = SpatialNetwork(name, models)
        self.frontend_id = f"blazeface/{self._network.model_id}/features-1"
        self.dimension = self._network.dimension

    def __call__(self, frame: NDArray[np.uint8], box: FloatArray, keypoints: FloatArray) -> FloatArray:
        """See FeatureExtractor."""
        return self.observe(frame, box, keypoints).values

    def observe(self, frame: NDArray[np.uint8], box: FloatArray, keypoints: FloatArray) -> Observation:
        """See FeatureExtractor."""
        return Observation(*self._network.run(frame, box), None)

    def own_motion(self, points: FloatArray, times: NDArray[np.float64]) -> float:
        """See FeatureExtractor."""
        return own_motion_68(points, times)

    def motion_energy(self, values: FloatArray) -> float:
        """See FeatureExtractor."""
        return motion_energy_68(np.stack([align_68(face) for face in self._network.read_out(values)]))
