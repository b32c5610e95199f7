"""Features of one clip become one unit vector: the sequence encoder, run by ONNX Runtime."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from facemotion.activity import active_span
from facemotion.errors import ModelMismatchError
from facemotion.models import Models
from facemotion.types import Embedding, FeatureSequence, FloatArray

if TYPE_CHECKING:
    import onnxruntime

SPOT_MARGIN = 0.2  # seconds kept before and after a spotted motion
RATE = 25.0  # frames/s at which every sequence encoder is trained and run


def resample(values: FloatArray, times: NDArray[np.float64], rate: float = RATE) -> FloatArray:
    """Bring a sequence to a fixed rate by its time stamps, on straight lines between neighbouring frames.

    Training and inference share this, so that a clip of 15 or of 60 frames/s, or with gaps, means the same motion.

    Args:
        values: (T, D) float32. times: (T,) float64 seconds, strictly increasing.
        rate: frames/s of the result.
    Returns:
        (L, D) float32 at times[0], times[0] + 1/rate, ... up to the last time; L >= 1.
    """
    # Half a microsecond of slack: 1.04 s at 25 frames/s is 27 frames, whatever the last bit of the time stamp says.
    length = int(np.floor((times[-1] - times[0]) * rate + 5e-7 * rate)) + 1
    if len(times) == 1:
        return values.copy()
    grid = times[0] + np.arange(length) / rate
    before = np.clip(np.searchsorted(times, grid, side="right") - 1, 0, len(times) - 2)
    share = (grid - times[before]) / (times[before + 1] - times[before])
    share = np.clip(share, 0, 1).astype(np.float32)[:, None]
    return np.asarray(values[before] * (1 - share) + values[before + 1] * share, np.float32)


def spot_motion(values: FloatArray, times: NDArray[np.float64]) -> tuple[FloatArray, NDArray[np.float64]]:
    """Cut a clip to where the face moves, and SPOT_MARGIN on both sides: the paper's remedy (section 4.3) for motions
    that are short beside the neutral face around them. Shared by training and inference, like `resample`.

    Args:
        values: (T, D) float32. times: (T,) seconds.
    Returns:
        At least one frame; all of them where nothing stands out.
    """
    onset, offset = active_span(values, times)
    slack = 1e-6  # a frame just at the margin stays, whatever the last bit of its time stamp says
    first = int(np.searchsorted(times, times[onset] - SPOT_MARGIN - slack))
    last = int(np.searchsorted(times, times[offset] + SPOT_MARGIN + slack))
    return values[first:last], times[first:last]


class Encoder:
    """Features of a clip -> Embedding. Safe to use from several threads.

    Attributes:
        spotting: whether clips are cut to where the face moves before they are encoded.
        model_id: name and hash of the network.
        frontend_id: of the features that it was trained on, the only ones that it takes.
    """

    def __init__(
        self, session: onnxruntime.InferenceSession, model_id: str, frontend_id: str, *, spotting: bool = False
    ) -> None:
        self._session = session
        self.spotting = spotting
        self.model_id = model_id
        self.frontend_id = frontend_id

    @classmethod
    def load(cls, name: str, models: Models) -> Encoder:
        """Open the encoder of that name, its hash checked.

        Raises:
            UnknownModelError, MissingModelError, ModelHashError, ModelError: see `Models.open`.
        """
        entry = models.card(name)
        return cls(models.open(name), entry.model_id, entry.frontend, spotting=entry.spotting)

    def __call__(self, features: FeatureSequence) -> Embedding:
        """Encode one clip of any length.

        Raises:
            ModelMismatchError: the features were made by another front end than the encoder was trained on.
        """
        if features.frontend_id != self.frontend_id:
            raise ModelMismatchError(
                f"The encoder {self.model_id} takes features of {self.frontend_id}, these were made by "
                f"{features.frontend_id}; choose an extractor and an encoder that belong together."
            )
        values, times = features.values, features.times
        if self.spotting:
            values, times = spot_motion(values, times)
        values = resample(values, times)
        (vector,) = self._session.run(["embedding"], {"values": values[None]})
        return Embedding(np.asarray(vector[0], np.float32), self.model_id)
