"""How directions to compare recordings along are fitted; `tools/replay_directions.py` makes those that ship."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

CODED = ("crf 28", "crf 35", "size 0.5, crf 28", "size 2, crf 23", "cropped by a tenth on each side")
"""What is done to the clips to see what coding does; none changes times."""
COUNT = 6
"""Directions kept: with more, what coding does to the last ones costs more than they tell."""
SHRINKAGE = 1.0
"""Times the mean variance that is added to that of coding, which few clips show in every direction."""


def fit(coding: Floats, takes: Floats) -> Floats:
    """(D, D) directions, those first in which takes vary most, each with variance 1 of coding.

    Args:
        coding, takes: (D, D) covariances.
    """
    values, axes = np.linalg.eigh(coding)
    whitened = axes / np.sqrt(values + SHRINKAGE * values.mean())
    _, turned = np.linalg.eigh(whitened.T @ takes @ whitened)
    return whitened @ turned[:, ::-1]
