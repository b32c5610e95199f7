"""Who it is: a few sharp, frontal pictures of the face from the same clip become one identity vector."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from facemotion.media.warp import Matrix, warp
from facemotion.models import Models
from facemotion.types import Embedding

if TYPE_CHECKING:
    import onnxruntime

SIZE = 112
KEPT = 2
"""Pictures that the vector is the mean of: eyes may be shut in one; each costs a run of the largest network here."""

# Where the subject's right eye, left eye, nose tip and mouth centre lie in an aligned picture, in pixels: the places
# that recognisers of the ArcFace family are trained on, the corners of the mouth taken together.
PLACES = np.array([[38.79, 52.20], [74.03, 52.00], [56.53, 72.24], [56.64, 92.79]])


def alignment(keypoints: NDArray[np.float32]) -> Matrix:
    """(2, 3) map from picture pixels to frame pixels: the similarity that brings PLACES nearest to the keypoints.

    Args:
        keypoints: (6, 2) of BlazeFace, frame pixels; the first four count.
    Reference: least squares in the four parameters of a similarity.
    """
    x, y = PLACES.T
    one, none = np.ones(4), np.zeros(4)
    system = np.concatenate([np.stack([x, -y, one, none], axis=1), np.stack([y, x, none, one], axis=1)])
    a, b, right, down = np.linalg.lstsq(system, keypoints[:4].T.astype(np.float64).ravel(), rcond=None)[0]
    return np.array([[a, -b, right], [b, a, down]])


def frontality(keypoints: NDArray[np.float32]) -> float:
    """1 where the nose is midway between the eyes, falling towards 0 as the head turns aside."""
    right, left, nose = keypoints[:3].astype(np.float64)
    across = left - right
    along = float((nose - (right + left) / 2) @ across / max(float(across @ across), 1e-9))
    return float(np.exp(-((along / 0.15) ** 2)))


class Portraits:
    """Keeps the best few aligned pictures of a clip while its frames go by."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, NDArray[np.uint8]]] = []
        self._count = 0

    def __len__(self) -> int:
        return len(self._heap)

    def push(self, frame: NDArray[np.uint8], keypoints: NDArray[np.float32], sharpness: float) -> None:
        """Consider one frame.

        Args:
            frame: (H, W, 3) uint8 RGB.
            keypoints: (6, 2) of BlazeFace, pixels.
            sharpness: of the face, as `face.look_at` measures it.
        """
        worth = sharpness * frontality(keypoints)
        self._count += 1
        if len(self._heap) == KEPT and worth <= self._heap[0][0]:
            return
        entry = (worth, self._count, warp(frame, alignment(keypoints), SIZE))
        if len(self._heap) < KEPT:
            heapq.heappush(self._heap, entry)
        else:
            heapq.heapreplace(self._heap, entry)

    def best(self, *others: Portraits) -> NDArray[np.uint8]:
        """(N, 112, 112, 3) uint8 RGB of these and of others, best first, N at most KEPT."""
        entries = [entry for one in (self, *others) for entry in one._heap]
        pictures = [picture for *_, picture in sorted(entries, key=lambda entry: -entry[0])[:KEPT]]
        return np.stack(pictures) if pictures else np.zeros((0, SIZE, SIZE, 3), np.uint8)


class Recogniser:
    """Aligned pictures of one person -> Embedding of who it is. Safe to use from several threads.

    Attributes:
        model_id: name and hash of the network.
    """

    def __init__(self, session: onnxruntime.InferenceSession, model_id: str) -> None:
        self._session = session
        self._input = session.get_inputs()[0].name
        self.model_id = model_id

    @classmethod
    def load(cls, name: str, models: Models) -> Recogniser:
        """Open the recogniser of that name, its hash checked.

        Raises:
            UnknownModelError, MissingModelError, ModelHashError, ModelError: see `Models.open`.
        """
        return cls(models.open(name), models.card(name).model_id)

    def __call__(self, pictures: NDArray[np.uint8]) -> Embedding:
        """One vector for all pictures: the mean of their unit vectors, of norm 1 again.

        Args:
            pictures: (N, 112, 112, 3) uint8 RGB, aligned, N >= 1.
        """
        batch = pictures.transpose(0, 3, 1, 2).astype(np.float32)
        vectors = np.concatenate([self._session.run(None, {self._input: one[None]})[0] for one in batch])
        mean = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).mean(axis=0)
        return Embedding(np.asarray(mean / np.linalg.norm(mean), np.float32), self.model_id)
