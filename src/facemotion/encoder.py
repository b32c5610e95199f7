"""Features of one clip become one unit vector: the sequence encoder, run by ONNX Runtime."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from facemotion.errors import ModelMismatchError
from facemotion.models import Models
from facemotion.signals import frames_to_encode, resample
from facemotion.types import Embedding, FeatureSequence

if TYPE_CHECKING:
    import onnxruntime


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
        card = models.card(name)
        return cls(models.open(name), card.model_id, card.frontend, spotting=card.spotting)

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
        values = resample(*frames_to_encode(features, spotting=self.spotting))
        (vector,) = self._session.run(["embedding"], {"values": values[None]})
        return Embedding(np.asarray(vector[0], np.float32), self.model_id)
