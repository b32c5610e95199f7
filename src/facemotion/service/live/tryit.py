"""Two takes of a visitor side by side: do they match, and where along time do they differ? Nothing is stored."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from facemotion.encoder import resample
from facemotion.frontend import Acquisition
from facemotion.service.live.protocol import Comparison
from facemotion.types import FeatureSequence
from facemotion.verifier import Verifier, cosine

RESTING = 0.3
"""A face is near rest below this share of the largest motion."""
RATE = 25.0
"""Points a second of the curves, as the protocol says."""
APART = 1.8
"""Two moments are wholly apart where they differ by this many times the larger motion of both."""
REST_SECONDS = 0.2
"""The resting face is the median of this long at the start of a take."""


def side_by_side(verifier: Verifier, first: Acquisition, second: Acquisition) -> Comparison:
    """What a page needs to show two takes beside each other.

    Args:
        verifier: loaded.
        first: the first take.
        second: the second take.
    """
    score = cosine(verifier.embed(first), verifier.embed(second))
    a, b = _course(first.features), _course(second.features)
    sizes = np.linalg.norm(a, axis=1), np.linalg.norm(b, axis=1)
    largest = max(float(sizes[0].max()), float(sizes[1].max()), 1e-9)
    path = align(a, b)
    # Next to the larger motion of that moment, so that the same motion made smaller hardly differs and another one
    # does; next to a share of the largest where both faces are near rest, so that two still faces don't.
    apart = [
        min(float(np.linalg.norm(a[i] - b[j])) / (APART * max(sizes[0][i], sizes[1][j], RESTING * largest)), 1.0)
        for i, j in path
    ]
    curves = [[round(float(value / largest), 3) for value in size] for size in sizes]
    return Comparison(
        match=score >= verifier.point.threshold,
        score=round(score, 4),
        threshold=verifier.point.threshold,
        curves=(curves[0], curves[1]),
        pairs=[(i / RATE, j / RATE, round(d, 3)) for (i, j), d in zip(path, apart, strict=True)],
    )


def align(a: NDArray[np.floating], b: NDArray[np.floating]) -> list[tuple[int, int]]:
    """The cheapest pairing of two sequences, (T, D) and (U, D), that goes on in one or both at each step.

    Reference: Sakoe and Chiba, Dynamic programming algorithm optimization for spoken word recognition, 1978.
    """
    costs = np.linalg.norm(a[:, None] - b[None], axis=2)
    total = np.full((len(a) + 1, len(b) + 1), np.inf)
    total[0, 0] = 0
    for i in range(len(a)):
        for j in range(len(b)):
            total[i + 1, j + 1] = costs[i, j] + min(total[i, j], total[i, j + 1], total[i + 1, j])
    i, j = len(a), len(b)
    path = []
    while i and j:
        path.append((i - 1, j - 1))
        _, i, j = min((total[i - 1, j - 1], i - 1, j - 1), (total[i - 1, j], i - 1, j), (total[i, j - 1], i, j - 1))
    return path[::-1]


def _course(features: FeatureSequence) -> NDArray[np.float64]:
    """(T, D): how each feature stands from the resting face, which is that of the take's first moments, smoothed."""
    values = resample(features.values, features.times, RATE).astype(np.float64)
    padded = np.concatenate([values[:1], values, values[-1:]])
    values = (padded[:-2] + padded[1:-1] + padded[2:]) / 3
    return np.asarray(values - np.median(values[: round(REST_SECONDS * RATE)], axis=0), np.float64)
