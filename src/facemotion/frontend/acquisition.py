"""What pushed frames are answered by, and what a whole clip gives."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from facemotion.types import FeatureSequence, QualityReport


class Guidance(StrEnum):
    """What the user should do now; the value is the sentence to show."""

    NO_FACE = "Look at the camera."
    SEVERAL_FACES = "Only one person may be in view."
    CLOSER = "Come closer."
    TOO_DARK = "More light, please."
    HOLD_STILL = "Hold your head still."
    GO = "Go: make your motion."


@dataclass(frozen=True, eq=False)
class FrameAnswer:
    """The answer to one pushed frame.

    Attributes:
        guidance: what the user should do now.
        box: (4,) float32 pixels of the face in the frame as it was pushed, or None.
        used: whether the frame entered the sequence.
        resting: whether the face is back at rest after its motion, so that the clip may end; see RestWatch.
    """

    guidance: Guidance
    box: NDArray[np.float32] | None
    used: bool
    resting: bool = False


class FrameWatcher(Protocol):
    """What notes something of each frame that shows a face, as it passes the chain; frames aren't kept."""

    def push(
        self, frame: NDArray[np.uint8], box: NDArray[np.float32], points: NDArray[np.float32], seconds: float
    ) -> None:
        """Take in a frame.

        Args:
            frame: (H, W, 3) uint8 RGB, of one size through the clip.
            box: (4,) of the face, pixels.
            points: (N, 2) its landmarks, pixels.
            seconds: its time.
        """
        ...


@dataclass(frozen=True, eq=False)
class Acquisition:
    """What one clip gave.

    Attributes:
        features: one vector per frame with a face.
        quality: how well the face could be seen.
        milliseconds: wall time of each stage, summed over the frames.
        portraits: (N, 112, 112, 3) uint8 RGB, the best aligned pictures of the face.
    """

    features: FeatureSequence
    quality: QualityReport
    milliseconds: dict[str, float]
    portraits: NDArray[np.uint8]
