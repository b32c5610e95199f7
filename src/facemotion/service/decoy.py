"""Work for names that nobody has, so that the time of an answer doesn't tell who is enrolled."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np

from facemotion.encoder import RATE
from facemotion.store.protect import Protector
from facemotion.types import FeatureSequence, Template
from facemotion.verifier import Verifier

TAKES = 3


class Decoy:
    """A template of nobody, sealed like any other and stored nowhere, to be opened and compared in vain.

    Args:
        protector: of the store. verifier: what it compares with: one comparison a factor.
    """

    def __init__(self, protector: Protector, verifier: Verifier) -> None:
        self._protector = protector
        self._factors = 1 if verifier.appearance is None else 2
        random = np.random.default_rng()
        extractor = verifier.frontend.extractor
        noise = random.standard_normal((25, extractor.dimension), np.float32)
        features = FeatureSequence(noise, np.arange(25) / RATE, extractor.frontend_id)
        self._probe = verifier.encoder(features)
        vectors = random.standard_normal((TAKES, len(self._probe.vector)), np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        template = Template("nobody", "motion", vectors, verifier.encoder.model_id)
        now = datetime.now(UTC).replace(tzinfo=None)
        key, transform = (source.load().newest for source in (protector.key, protector.transform_key))
        self._row = protector.seal(template, key, transform, now, now)

    def compare(self) -> None:
        """Do what a comparison with an enrolled user's takes would."""
        for _ in range(self._factors):
            self._protector.compare(self._row, self._probe)
