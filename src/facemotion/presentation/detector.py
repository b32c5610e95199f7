"""A few signs joined by a small model, which ships with its card: how far each is beyond genuine clips; the largest
decides."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facemotion.models import Models
from facemotion.presentation.signs import SIGNS, read_signs
from facemotion.presentation.traces import Traces

NAME = "screens"
"""Of the model's card."""
LEAST_LOOKS = 6
"""Pairs of frames looked at below which nothing is said."""


@dataclass(frozen=True)
class Suspicion:
    """What is held against a clip.

    Attributes:
        score: how far the clip lies beyond what genuine ones show, in their standard deviations; suspect from 0 on. -1
            where nothing was looked for, or too little was seen.
        reason: what was noticed most, a sentence; empty where the score is below 0.
    """

    score: float
    reason: str


NO_SUSPICION = Suspicion(-1.0, "")
"""Of a clip in which nothing was looked for, or too little was seen."""


class PresentationDetector:
    """Says of a clip's traces whether a screen was filmed. Safe to use from several threads.

    Args:
        models: where the model is found.
    Raises:
        UnknownModelError, MissingModelError, ModelHashError, ModelError: see Models.open.
    """

    def __init__(self, models: Models) -> None:
        self._session = models.open(NAME)

    def judge(self, traces: Traces) -> Suspicion:
        """Judge a clip by the traces of its frames."""
        if len(traces.bands) < LEAST_LOOKS:
            return NO_SUSPICION
        score, parts = self.weigh(read_signs(traces))
        return Suspicion(round(score, 3), SIGNS[int(np.argmax(parts))].sentence if score >= 0 else "")

    def weigh(self, signs: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        """The score of signs (S,), and what each adds to it (S,), next to a genuine clip."""
        score, parts = self._session.run(["score", "parts"], {"signs": signs[None].astype(np.float32)})
        return float(score[0, 0]), np.asarray(parts[0], np.float64)


def load_attack_detector(mode: str, models: Models) -> PresentationDetector | None:
    """The detector; None where the setting `presentation` is "off".

    Raises:
        UnknownModelError, MissingModelError, ModelHashError, ModelError: see Models.open.
    """
    return None if mode == "off" else PresentationDetector(models)
