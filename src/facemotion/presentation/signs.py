"""What tells a screen that shows a face from a face: a few numbers a clip, made of its traces.

Prints move as a plane and are refused by `features.rigid`. Signs of prints and of masks with holes were tried, how
eyes, mouth and skin move and change next to each other: at a point that suspects no real person they caught no print
that came so far and two masks of 26, and suspected rendered people whose heads turn.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from facemotion.presentation.traces import WINDOW, Traces

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Sign:
    """One of them: its name, and what it says where it weighs most."""

    name: str
    sentence: str


SIGNS = (
    Sign("waves", "A fine regular pattern lies over the face, as the pixels of a screen make."),
    Sign("bands", "Bands run across the picture, as the refresh of a screen makes."),
    Sign(
        "cut", "The surroundings of the head move along with it before a background that doesn't, as in a held picture."
    ),
)
"""In the order of `read_signs`."""

LEAST_MOTION = 0.15
"""Box sides that a face must have moved in all before the surroundings count in full."""
_ACROSS, _DOWN = np.meshgrid(np.arange(WINDOW // 2 + 1), np.minimum(np.arange(WINDOW), WINDOW - np.arange(WINDOW)))
_OVERTONE = WINDOW // 8
_BLOCKS = ((_DOWN <= 1) & (np.minimum(_ACROSS % _OVERTONE, -_ACROSS % _OVERTONE) <= 1)) | (
    (_ACROSS <= 1) & (np.minimum(_DOWN % _OVERTONE, -_DOWN % _OVERTONE) <= 1)
)
"""Waves of 8 pixels and their overtones along rows or columns: the blocks of a codec, not a screen."""
_FINE = (np.hypot(_ACROSS, _DOWN) > 9) & ~_BLOCKS
"""Waves shorter than a tenth of the window, about the size of an eye's white."""


def read_signs(traces: Traces) -> Floats:
    """The signs of a clip.

    Args:
        traces: of its frames.
    Returns:
        (S,) float64 in the order of SIGNS, finite; each is larger where a screen is likelier.
    """
    return np.array([_waves(traces), _bands(traces), _cut(traces)])


def _waves(traces: Traces) -> float:
    """How far the strongest fine wave stands out of those of about its length and direction, log of power."""
    plane = traces.spectrum.astype(np.float32)
    return float((plane - cv2.blur(plane, (9, 9)))[_FINE].max())


def _bands(traces: Traces) -> float:
    """log10 of the strongest wave down the picture in what changes along whole rows, next to chance."""
    if not len(traces.bands):
        return -1.0
    return float(np.log10(np.median(traces.bands, axis=0).max() + 0.1))


def _cut(traces: Traces) -> float:
    """How much better the plane of the face says where things beside the head go than where the picture's border goes,
    -2..2. A hand that holds the camera moves both alike."""
    beside, border = ((still - plane) / (size + LEAST_MOTION) for still, plane, size, _ in traces.flows.sum(axis=0))
    return float(beside - border)
