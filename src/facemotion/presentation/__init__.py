"""Presentation attacks: whether a clip shows a face, or a screen, a print or a mask that shows one."""

from facemotion.presentation.detector import (
    NO_SUSPICION,
    PresentationDetector,
    Suspicion,
    load_attack_detector,
)
from facemotion.presentation.traces import Traces, TraceTaker

__all__ = ["NO_SUSPICION", "PresentationDetector", "Suspicion", "TraceTaker", "Traces", "load_attack_detector"]
