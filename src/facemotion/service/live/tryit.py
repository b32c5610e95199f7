"""Two takes of a visitor side by side: do they match, and where along time do they differ? Nothing is stored."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from facemotion.frontend import Acquisition
from facemotion.service.live.protocol import Comparison
from facemotion.signals import RATE, dtw_path, opening_face, resample
from facemotion.types import FeatureSequence
from facemotion.verifier import Verifier, cosine

LEAST_SIZE = 0.3
"""Differences are measured next to at least this share of the largest motion. It bounds how much they count; whether a
face rests is asked of `signals.REST_SHARE`."""
APART = 1.8
"""Two moments are wholly apart where they differ by this many times the larger motion of both."""


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
    path = dtw_path(a, b).tolist()
    # Next to the larger motion of that moment, so that the same motion made smaller hardly differs and another one
    # does; next to a share of the largest where both faces are near rest, so that two still faces don't.
    apart = [
        min(float(np.linalg.norm(a[i] - b[j])) / (APART * max(sizes[0][i], sizes[1][j], LEAST_SIZE * largest)), 1.0)
        for i, j in path
    ]
    curves = [[round(float(value / largest), 3) for value in size] for size in sizes]
    return Comparison(
        match=verifier.point.accepts(score),
        score=round(score, 4),
        threshold=verifier.point.threshold,
        curves=(curves[0], curves[1]),
        pairs=[(i / RATE, j / RATE, round(d, 3)) for (i, j), d in zip(path, apart, strict=True)],
    )


def _course(features: FeatureSequence) -> NDArray[np.float64]:
    """(T, D): how far each feature is from the opening face of the take, smoothed, at RATE."""
    values = resample(features.values, features.times).astype(np.float64)
    padded = np.concatenate([values[:1], values, values[-1:]])
    values = (padded[:-2] + padded[1:-1] + padded[2:]) / 3
    return np.asarray(values - opening_face(values), np.float64)
