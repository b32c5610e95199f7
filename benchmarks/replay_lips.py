"""Genuine takes of many speakers by nine points of lips and chin, which is what `grid33` has; no head moves there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from replay_clips import FIT_TAKES, ReplayClips, Seen
from tools.replay_directions import CODED, COUNT, fit

from facemotion.data.series.grid33 import NAMES
from facemotion.data.series.importing import read_series
from facemotion.features.mesh import POINTS
from facemotion.service.replays.directions import CORNERS, filtered
from facemotion.service.replays.likeness import FINE, agreements, likenesses, movement
from facemotion.signals import resample
from facemotion.types import FloatArray

COMPARED = 16
"""Takes of each phrase that are compared with each other."""
PROBED = "crf 28"
_NUMBERS = [int(np.flatnonzero(int(name.partition(".")[2]) == POINTS)[0]) for name in NAMES]


def lips_figures(clips: ReplayClips, folder: Path) -> dict[str, float]:
    """How alike genuine takes are by lips alone, and how far out their tail goes.

    Args:
        clips: to fit directions of nine points on, as those of all landmarks were.
        folder: of grid33.
    """
    directions = _directions(clips)
    phrases: dict[tuple[str, str], list[FloatArray]] = {}
    for series in read_series("grid33", folder):
        course = filtered(series.features().values @ directions)
        if len(course) > FINE.least:
            phrases.setdefault((series.subject, series.motion), []).append(course)
    speakers: dict[str, list[NDArray[np.float64]]] = {}
    by_pieces: dict[str, list[NDArray[np.float64]]] = {}
    for (subject, _), takes in phrases.items():
        for number in range(1, min(len(takes), COMPARED)):
            course, before = takes[number], takes[:number]
            speakers.setdefault(subject, []).append(likenesses(course, before))
            agreed = agreements(course, before, FINE.short)[0] @ movement(course)
            by_pieces.setdefault(subject, []).append(agreed.astype(np.float64))
    pairs = np.concatenate([value for values in speakers.values() for value in values])
    far, pieces_far = (_deviations(values) for values in (speakers, by_pieces))
    replayed = [
        likenesses(_course(clips.seen(phrase[3], PROBED)) @ directions, [_course(clips.seen(phrase[3])) @ directions])[
            0
        ]
        for phrase in clips.report
    ]
    return {
        "speakers": len(speakers),
        "pairs": len(pairs),
        "median": round(float(np.median(pairs)), 3),
        "99.9%": round(float(np.quantile(pairs, 0.999)), 3),
        "largest": round(float(pairs.max()), 3),
        "beyond 3": round(float((far > 3).mean()), 6),
        "beyond 4": round(float((far > 4).mean()), 7),
        "largest, standard deviations": round(float(far.max()), 2),
        "pieces beyond 3": round(float((pieces_far > 3).mean()), 6),
        "pieces beyond 4": round(float((pieces_far > 4).mean()), 7),
        "pieces, largest, standard deviations": round(float(pieces_far.max()), 2),
        "replays, least": round(float(min(replayed)), 3),
        "replays, median": round(float(np.median(replayed)), 3),
    }


def _deviations(speakers: Mapping[str, Sequence[NDArray[np.float64]]]) -> NDArray[np.float64]:
    """Fisher's z of all pairs, in standard deviations of their speaker from the mean of the speaker."""
    z = [np.arctanh(np.concatenate(values)) for values in speakers.values()]
    return np.concatenate([(values - values.mean()) / values.std() for values in z])


def _directions(clips: ReplayClips) -> FloatArray:
    """(18, K) as `tools/replay_directions.py` makes them of all landmarks."""
    takes = [_course(clips.seen(take)) for phrase in clips.fit for take in phrase[:FIT_TAKES]]
    coded = []
    for phrase in clips.fit:
        original = _course(clips.seen(phrase[FIT_TAKES - 1]))
        for name in CODED:
            size = 2.0 if name.startswith("size 2") else 0.5 if name.startswith("size 0.5") else 1.0
            apart = _course(clips.seen(phrase[FIT_TAKES - 1], name)) / size - original
            coded.append(apart - apart.mean(axis=0))
    joined, own = np.concatenate(coded), np.concatenate([take - take.mean(axis=0) for take in takes])
    return fit(joined.T @ joined / len(joined), own.T @ own / len(own))[:, :COUNT].astype(np.float32)


def _course(seen: Seen | None) -> FloatArray:
    """(L, 18) pixels from the middle between the eyes, as grid33 has them."""
    assert seen is not None
    right, left = (seen.points[:, corner] for corner in CORNERS)
    away = seen.points[:, _NUMBERS] - ((right + left) / 2)[:, None]
    return resample(away.reshape(len(away), -1), seen.features.times)
